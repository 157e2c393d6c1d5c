namespace Dts.Common.Jobs;

/// <summary>The value of a key under runs/: a run that has been claimed and has not ended.</summary>
/// <param name="Worker">Who holds it.</param>
/// <param name="Session">The holder's lease; when that is gone, the run is lost.</param>
public sealed record RunInFlight(string Worker, string Session, DateTimeOffset Claimed, RunSpec Run);
