using Dts.Common.Jobs;
using Dts.Master.Logs;

namespace Dts.Master.Views;

/// <summary>One change of the view, for the observers of <see cref="ClusterView"/>.</summary>
internal abstract record ClusterChange
{
    private ClusterChange()
    {
    }

    /// <param name="Before">Null = it is new.</param>
    public sealed record JobPut(JobFace? Before, JobEntry Job) : ClusterChange;

    public sealed record JobGone(JobFace Before) : ClusterChange;

    /// <summary>The known endings of a job were replaced by others.</summary>
    public sealed record EndingsRead(JobEntry Job) : ClusterChange;

    public sealed record Queued(string Job, string RunId) : ClusterChange;

    /// <summary>A run has left the queue: it was claimed or cancelled.</summary>
    public sealed record Dequeued(string Job, string RunId) : ClusterChange;

    /// <summary>A run was claimed; it starts at its time.</summary>
    public sealed record Claimed(string Job, string RunId) : ClusterChange;

    /// <summary>A run has left etcd; its record comes later.</summary>
    public sealed record Ended(string Job, string RunId, string Worker) : ClusterChange;

    /// <summary>The record of an ending is there.</summary>
    /// <param name="Endings">The known endings of the job up to and including this one, the oldest first.</param>
    /// <param name="IsFirstRead">Nothing was known of the job's endings before, so this may have happened long ago.</param>
    public sealed record Recorded(JobEntry Job, EndedRun Run, IReadOnlyList<Ending> Endings, bool IsFirstRead) : ClusterChange;

    /// <param name="IsNew">It was not there, or had left.</param>
    public sealed record WorkerPut(string Id, bool IsNew) : ClusterChange;

    public sealed record WorkerLeft(string Id) : ClusterChange;
}

/// <summary>The part of a job's definition that filters ask for.</summary>
internal interface IJobFace
{
    string Name { get; }

    string Command { get; }

    string Description { get; }

    IReadOnlyList<KeyValuePair<string, string>> Labels { get; }

    string User { get; }
}

/// <summary>That part at one moment.</summary>
internal sealed record JobFace(
    string Name, string Command = "", string Description = "", IReadOnlyList<KeyValuePair<string, string>>? Labels = null, string User = "")
    : IJobFace
{
    public IReadOnlyList<KeyValuePair<string, string>> Labels { get; } = Labels ?? [];

    public static JobFace Of(JobEntry job) => new(job.Name, job.Command, job.Description, job.Labels, job.User);

    public static JobFace Of(Job job) => new(job.Name, job.Command, job.Description, [.. job.Labels], job.User);
}
