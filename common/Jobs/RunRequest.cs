namespace Dts.Common.Jobs;

/// <summary>The body of a request to run a job now. All of it may be left out.</summary>
/// <param name="Worker">The only worker that may run it.</param>
/// <param name="Env">Variables beyond the job's own.</param>
public sealed record RunRequest(string Worker = "", IReadOnlyDictionary<string, string>? Env = null);
