using System.Threading.Channels;
using Dts.Common.Jobs;

namespace Dts.Worker.Watches;

/// <summary>What can change the schedule: the scheduler's one inbox.</summary>
internal abstract record ScheduleMessage
{
    private ScheduleMessage()
    {
    }

    /// <summary>False = the worker is stopping, and takes no more.</summary>
    public async Task<bool> TrySendAsync(ChannelWriter<ScheduleMessage> inbox, CancellationToken cancel)
    {
        while (await inbox.WaitToWriteAsync(cancel))
        {
            if (inbox.TryWrite(this))
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>A job was put, and can run; paused or not.</summary>
    /// <param name="DealtWithUntil">The cursor found at the start of this worker; null = the past is unknown or of no interest.</param>
    public sealed record JobPut(JobName Name, JobPlan Plan, DateTimeOffset? DealtWithUntil) : ScheduleMessage;

    /// <summary>A job was deleted, or put so that it cannot run.</summary>
    public sealed record JobGone(JobName Name, long Revision, string Why) : ScheduleMessage;

    /// <summary>All jobs that there were at the start have been put.</summary>
    public sealed record JobsListed : ScheduleMessage;

    /// <summary>A run was put into the queue.</summary>
    public sealed record RunAsked(JobName Name, RunSpec Run, long Revision) : ScheduleMessage;

    /// <summary>A run has left the queue.</summary>
    public sealed record RunTaken(JobName Name, string RunId) : ScheduleMessage;

    public sealed record KillAsked(JobName Name, KillRequest Request, long Revision) : ScheduleMessage;

    /// <summary>etcd was restored or wiped; what follows is of its present data.</summary>
    public sealed record OtherData : ScheduleMessage;

    public sealed record WorkerCame(string Id, IReadOnlyDictionary<string, string> Labels) : ScheduleMessage;

    public sealed record WorkerLeft(string Id) : ScheduleMessage;

    /// <summary>A worker is to claim nothing new, or is taken back.</summary>
    public sealed record Drained(string Id, bool IsOn) : ScheduleMessage;

    /// <summary>This worker has other labels from now on.</summary>
    public sealed record Relabelled(IReadOnlyDictionary<string, string> Labels) : ScheduleMessage;

    public sealed record Beat(Pulse Pulse) : ScheduleMessage;

    /// <summary>Time has passed, or the clock was stepped.</summary>
    public sealed record Tick : ScheduleMessage;
}

/// <summary>
/// Goes the way of a fire through the loops that schedule, claim and launch, and takes along how they stand. It comes out only while all of
/// them turn.
/// </summary>
internal sealed class Pulse
{
    private readonly TaskCompletionSource _out = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Completes when it has come out.</summary>
    public Task Out => _out.Task;

    /// <summary>How many jobs are known.</summary>
    public int Jobs { get; set; }

    /// <summary>How many commands run.</summary>
    public int Running { get; set; }

    /// <summary>How late the last command started; null = none has yet.</summary>
    public double? LagMs { get; set; }

    public void ComeOut() => _out.TrySetResult();
}
