using Dts.Common.Jobs;
using Dts.Worker.Commands;
using Dts.Worker.Runs;

namespace Dts.Worker.Sessions;

/// <summary>
/// Renews at the holder the moment at which runs of jobs with <c>onDisconnect: kill</c> are killed: before another worker may run them.
/// While this worker is cut off from etcd it renews nothing, and the holder kills them, even without a worker.
/// </summary>
/// <remarks>
/// Another worker may run them once this session no longer holds. The kill begins early enough to be over by then. Its grace period is the
/// job's, at most a quarter of <c>sessionTtl</c>.
/// </remarks>
internal sealed class DisconnectKills(SessionKeeper sessions, OwnRuns runs, HeldCommands commands, TimeSpan ttl, TimeProvider time)
{
    private static readonly TimeSpan LookEvery = TimeSpan.FromMilliseconds(250);

    /// <summary>When to begin the kill of a run unless its session is prolonged; null = the run may go on.</summary>
    public static KillDeadline? FindDeadline(Run run, Session? session, TimeSpan ttl)
    {
        if (run.Job.OnDisconnect != OnDisconnect.Kill)
        {
            return null;
        }

        // The session is prolonged every third of its time to live. The time kept for the kill must be well within the other two thirds.
        var grace = TimeSpan.FromSeconds(Math.Min(run.Job.KillGraceSeconds, (ttl / 4).TotalSeconds));
        var surelyOver = ttl / 8; // After SIGKILL, and until the next look.
        var holdsFor = session?.Lease == run.Session ? session.HoldsFor : TimeSpan.Zero;
        return new KillDeadline(
            run.Key,
            holdsFor - grace - surelyOver,
            "this worker is cut off from etcd, or gone, and the job says onDisconnect: kill",
            holdsFor > TimeSpan.Zero ? grace : TimeSpan.Zero);
    }

    public async Task RunAsync(CancellationToken stop)
    {
        for (var hadSession = false; !stop.IsCancellationRequested;)
        {
            // A new run brings a deadline that lasts for more than a quarter of the time to live, so the first look may come late.
            var isAny = runs.All.Any(run => run.Job.OnDisconnect == OnDisconnect.Kill);
            await Task.Delay(isAny ? LookEvery : ttl / 8, time, stop).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            var session = sessions.Current;
            hadSession |= session is not null; // Until the first session, an adopted run keeps the deadline that it came with.
            foreach (var run in runs.All.Where(run => hadSession && run is { Command: not null, Status: null }))
            {
                if (!stop.IsCancellationRequested && FindDeadline(run, session, ttl) is { } deadline)
                {
                    commands.KillAfter(deadline);
                }
            }
        }
    }
}
