using System.Diagnostics.CodeAnalysis;
using Dts.Common.Hosting;

namespace Dts.Common.Jobs;

/// <summary>The key space: every etcd key that DTS uses is built and parsed here.</summary>
/// <remarks>
/// <code>
/// jobs/{name}             the job definition, JSON                                        no lease
/// fired/{name}            the cursor, "2026-11-22T10:00:00Z worker ..."                     no lease
/// fired/{name}/{worker}   the same for one worker of a job in mode all                    no lease
/// runs/{name}/{runId}     a run in flight, JSON                                             no lease
/// queue/{name}/{runId}    a requested run that is not claimed yet, JSON                     no lease
/// owed/{name}/{runId}     an ending that is decided, but not recorded yet, JSON             no lease
/// killer/{name}           a request to end all runs of the job; the value: why, or empty    60 s, or none when something is in flight
/// killer/{name}/{runId}   the same for one run                                              none
/// history/{name}          the latest changes of the schedule, JSON                          no lease
/// versions/{name}/{id}    a save of the job on its way to the log store, JSON                 no lease
/// requests/{name}/{digest} a request to run the job that may be sent twice, JSON            a day or more
/// alerts/...              rules, open faults, messages: AlertKeys of the master
/// access/people/{name}    a person who may sign in, JSON                                    no lease
/// access/tokens/{name}    a token, as a digest, JSON                                        no lease
/// access/used/{name}      the day on which a token was last used, JSON                      no lease
/// access/sessions/{digest} a browser that is signed in, JSON                                until the session ends
/// workers/{id}            a worker's registration, JSON                                     the session's
/// drained/{id}            a worker that claims nothing new; the value: who asked, and when  no lease
/// lock/{what}             a lock for cluster chores: the holder's id                        the session's
/// </code>
/// The original's keys are jobs, killer, lock and workers.
/// </remarks>
public sealed class Keys(string prefix)
{
    public const string DefaultPrefix = "/cron/";

    public static Keys Read(SettingsReader settings) => new(settings.Text(
        "etcdPrefix",
        DefaultPrefix,
        prefix => prefix.StartsWith('/') && prefix.EndsWith('/'),
        "a key prefix that begins and ends with '/'"));

    public string Jobs { get; } = prefix + "jobs/";

    public string AllFired { get; } = prefix + "fired/";

    public string AllRuns { get; } = prefix + "runs/";

    public string AllQueued { get; } = prefix + "queue/";

    public string AllOwed { get; } = prefix + "owed/";

    public string Killers { get; } = prefix + "killer/";

    public string AllHistory { get; } = prefix + "history/";

    public string AllVersions { get; } = prefix + "versions/";

    public string AllRequests { get; } = prefix + "requests/";

    public string AllAlerts { get; } = prefix + "alerts/";

    public string Workers { get; } = prefix + "workers/";

    public string AllDrained { get; } = prefix + "drained/";

    public string Access { get; } = prefix + "access/";

    public string People { get; } = prefix + "access/people/";

    public string Tokens { get; } = prefix + "access/tokens/";

    public string UsedTokens { get; } = prefix + "access/used/";

    public string Sessions { get; } = prefix + "access/sessions/";

    public string Job(JobName name) => Jobs + name.Value;

    /// <param name="worker">Empty = the job's own cursor, that of mode one.</param>
    public string Fired(JobName name, string worker = "") => AllFired + name.Value + (worker.Length > 0 ? $"/{worker}" : "");

    /// <summary>The cursors of all workers of a job in mode all.</summary>
    public string FiredByWorkers(JobName name) => $"{AllFired}{name.Value}/";

    public string Runs(JobName name) => $"{AllRuns}{name.Value}/";

    public string Run(JobName name, string runId) => $"{AllRuns}{name.Value}/{runId}";

    public string QueueOf(JobName name) => $"{AllQueued}{name.Value}/";

    public string Queued(JobName name, string runId) => $"{AllQueued}{name.Value}/{runId}";

    public string Owed(JobName name, string runId) => $"{AllOwed}{name.Value}/{runId}";

    /// <param name="runId">Empty = all runs of the job.</param>
    public string Killer(JobName name, string runId = "") => Killers + name.Value + (runId.Length > 0 ? $"/{runId}" : "");

    /// <summary>The job and the run that a key under killer/ is about; an empty run id = all. Null = DTS did not write it.</summary>
    public (JobName Name, string RunId)? TryParseKiller(string key) =>
        key[Killers.Length..].Split('/', 2) is [var job, .. var rest] && JobName.TryParse(job, out var name, out _)
            ? (name, rest.FirstOrDefault() ?? "")
            : null;

    public string History(JobName name) => AllHistory + name.Value;

    public string VersionsOf(JobName name) => $"{AllVersions}{name.Value}/";

    public string Version(JobName name, string id) => $"{AllVersions}{name.Value}/{id}";

    public string Request(JobName name, string digest) => $"{AllRequests}{name.Value}/{digest}";

    public string Worker(string id) => Workers + id;

    public string Drain(string id) => AllDrained + id;

    public string Person(string name) => People + name;

    public string Token(string name) => Tokens + name;

    public string Session(string digest) => Sessions + digest;

    public string Lock(string what) => $"{prefix}lock/{what}";

    public static bool TryParseName(string key, string under, [NotNullWhen(true)] out JobName? name)
    {
        name = JobName.TryParse(key[under.Length..], out var parsed, out _) ? parsed : null;
        return name is not null;
    }

    public string WorkerOf(string key) => key[Workers.Length..];

    /// <summary>
    /// The job and the run id of a key under runs/, queue/ or owed/, or the version's id of one under versions/; null = DTS did not
    /// write it. Ids and names have no '/'.
    /// </summary>
    /// <param name="under">One of the prefixes of this key space.</param>
    public static (JobName Name, string RunId)? TryParseRun(string key, string under) =>
        key[under.Length..].Split('/', 2) is [var job, { Length: > 0 } runId] && JobName.TryParse(job, out var name, out _)
            ? (name, runId)
            : null;
}
