using System.Diagnostics.CodeAnalysis;
using Dts.Common.Jobs;

namespace Dts.Common;

/// <summary>The key space: every etcd key that DTS uses is built and parsed here.</summary>
/// <remarks>
/// <code>
/// jobs/{name}           the job definition, JSON                                        no lease
/// fired/{name}          the cursor, "2026-11-22T10:00:00Z worker ..."                     no lease
/// runs/{name}/{runId}   a run in flight, JSON                                             no lease
/// killer/{name}         a kill request: empty = the whole job, else a run id              60 s
/// workers/{id}          a worker's registration, JSON                                     the session's
/// lock/{what}           a lock for cluster chores: the holder's id                        the session's
/// </code>
/// The original's keys are jobs, killer, lock and workers.
/// </remarks>
public sealed class Keys(string prefix)
{
    public const string DefaultPrefix = "/cron/";

    public string Jobs { get; } = prefix + "jobs/";

    public string AllFired { get; } = prefix + "fired/";

    public string AllRuns { get; } = prefix + "runs/";

    public string Killers { get; } = prefix + "killer/";

    public string Workers { get; } = prefix + "workers/";

    public string Job(JobName name) => Jobs + name.Value;

    public string Fired(JobName name) => AllFired + name.Value;

    public string Runs(JobName name) => $"{AllRuns}{name.Value}/";

    public string Run(JobName name, string runId) => $"{AllRuns}{name.Value}/{runId}";

    public string Killer(JobName name) => Killers + name.Value;

    public string Worker(string id) => Workers + id;

    public string Lock(string what) => $"{prefix}lock/{what}";

    public static bool TryParseName(string key, string under, [NotNullWhen(true)] out JobName? name)
    {
        name = JobName.TryParse(key[under.Length..], out var parsed, out _) ? parsed : null;
        return name is not null;
    }

    public string WorkerOf(string key) => key[Workers.Length..];

    /// <summary>The job and the run id of a key under runs/; null = it is none of ours. A run id has no '/', and neither has a name.</summary>
    public (JobName Name, string RunId)? TryParseRun(string key) =>
        key[AllRuns.Length..].Split('/', 2) is [var job, { Length: > 0 } runId] && JobName.TryParse(job, out var name, out _) ? (name, runId) : null;
}
