using Dts.Common.Jobs;

namespace Dts.Master.Jobs;

/// <summary>A job as etcd has it.</summary>
/// <param name="Job">Null = there is none, or none that can be read.</param>
/// <param name="Revision">etcd's revision of its latest change; 0 = there is none.</param>
internal readonly record struct StoredJob(Job? Job, long Revision)
{
    public bool Exists => Revision > 0;
}

/// <summary>A change of a job that etcd has accepted, or would accept.</summary>
/// <param name="Former">Null = there was none, or none that can be read.</param>
/// <param name="Next">Null = the job is deleted.</param>
/// <param name="Revision">etcd's revision of the change.</param>
internal sealed record JobChange(Job? Former, Job? Next, long Revision);

/// <summary>What a kill request was meant for.</summary>
/// <param name="Running">Ids of the runs in flight whose workers are asked to end them.</param>
/// <param name="Cancelled">Ids of the runs that ended in the queue.</param>
internal sealed record KillEffect(IReadOnlyList<string> Running, IReadOnlyList<string> Cancelled);

/// <summary>What became of a request to run a job that may be sent twice.</summary>
internal abstract record RunOnce
{
    private RunOnce()
    {
    }

    /// <summary>The run is in the queue; for a repeated request, or was.</summary>
    public sealed record Accepted(string RunId, bool IsRepeated) : RunOnce;

    public sealed record NoSuchJob : RunOnce;

    /// <summary>An earlier request with this key asked for something else.</summary>
    public sealed record OtherRequest : RunOnce;
}

/// <summary>The value of a key under requests/: a request that is answered alike when it is sent again.</summary>
/// <param name="Digest">Of what it asked for.</param>
internal sealed record RequestMark(string Digest, string RunId);
