using Dts.Common.Logs;

namespace Dts.Worker;

/// <summary>A record to be kept, and the run it completes, if there was one.</summary>
internal sealed record Ending(RunRecord Record, Run? Run);
