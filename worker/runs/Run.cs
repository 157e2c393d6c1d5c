using System.Diagnostics;
using Dts.Common.Etcd;
using Dts.Common.Jobs;
using Dts.Worker.Commands;
using Mvccpb;

namespace Dts.Worker.Runs;

/// <summary>A run that this worker has claimed, until etcd has its completion.</summary>
/// <param name="job">The definition as it was when the run was claimed.</param>
/// <param name="fencingToken">The revision of the claim.</param>
/// <param name="session">The session under which it was claimed.</param>
internal sealed class Run(
    JobName name, Job job, long jobRevision, RunSpec spec, DateTimeOffset claimedAt, long fencingToken, LeaseId session)
{
    /// <summary>Why a run is killed that others have declared lost and run again.</summary>
    public const string RunElsewhere = "declared lost while this worker was cut off from etcd, and run again";

    /// <summary>A claim whose answer was lost takes effect within this time, or never.</summary>
    public static readonly TimeSpan HeardWithin = TimeSpan.FromMinutes(1);

    private long _session = session.Value;
    private long _heldAt = fencingToken;
    private long _killRevision;
    private long _lostAtMs;

    public JobName Name { get; } = name;

    public Job Job { get; } = job;

    public long JobRevision { get; } = jobRevision;

    public RunSpec Spec { get; } = spec;

    public DateTimeOffset ClaimedAt { get; } = claimedAt;

    public long FencingToken { get; } = fencingToken;

    public string Id { get; } = spec.Id;

    /// <summary>After this moment it must not start.</summary>
    public DateTimeOffset StartDeadline => Spec.NotBefore + TimeSpan.FromSeconds(Job.StartDeadlineSeconds);

    /// <summary>The record's id, <c>job/runId</c>.</summary>
    public string Key { get; } = $"{name}/{spec.Id}";

    /// <summary>The name of the user that the command runs as; empty = the worker's own.</summary>
    public string User { get; set; } = "";

    /// <summary>Set when it has started.</summary>
    public RunningCommand? Command { get; set; }

    /// <summary>The cgroup that enforces its limits; null = it has none of its own.</summary>
    public RunCgroup? Cgroup { get; set; }

    /// <summary>The secrets that its command gets; null = none.</summary>
    public SecretFiles? Secrets { get; set; }

    /// <summary>The file for its command's whole output.</summary>
    public OutputTarget? Output { get; set; }

    /// <summary>Its span for an OTLP receiver; null = there is none.</summary>
    public Activity? Span { get; set; }

    /// <summary>Set when it has ended.</summary>
    public RunStatus? Status { get; set; }

    /// <summary>The session that holds it: the claim's, or the one that it was moved to.</summary>
    public LeaseId Session => new(Volatile.Read(ref _session));

    /// <summary>The revision at which this worker last wrote its key: by a claim, or by the move to a new session.</summary>
    public long HeldAt => Volatile.Read(ref _heldAt);

    /// <summary>The revision of the kill request that ended it; 0 = none.</summary>
    public long KillRevision
    {
        get => Volatile.Read(ref _killRevision);
        set => Volatile.Write(ref _killRevision, value);
    }

    /// <summary>When it turned out that others had declared it lost, in Unix milliseconds; 0 = they have not.</summary>
    public long LostAtMs
    {
        get => Volatile.Read(ref _lostAtMs);
        set => Volatile.Write(ref _lostAtMs, value);
    }

    /// <summary>Others have declared it lost, and run it again.</summary>
    public bool IsRunElsewhere => LostAtMs > 0 && Job.OnWorkerLost == OnWorkerLost.Rerun;

    /// <summary>Whether this key is its own, and not of a later claim by another worker.</summary>
    public bool IsOf(KeyValue pair) => pair.CreateRevision == FencingToken || pair.ModRevision == HeldAt;

    /// <summary>Its key was written again: under a new session, or by a claim after etcd was restored.</summary>
    public void MoveToSession(LeaseId to, long revision)
    {
        Volatile.Write(ref _heldAt, revision);
        Volatile.Write(ref _session, to.Value);
    }
}
