using Dts.Common.Jobs;
using Dts.Worker.Commands;
using Dts.Worker.Runs;

namespace Dts.Worker.Sessions;

/// <summary>
/// Ends the runs whose jobs must not overlap whatever happens (onDisconnect: kill) before others may take over from a worker that is cut
/// off from etcd.
/// </summary>
/// <remarks>
/// Others may after the session's local deadline. The kill begins early enough to be over by then: with the command's grace, or what there
/// is time for.
/// </remarks>
internal sealed class CutOff(SessionKeeper sessions, RunsInFlight runs, HeldCommands commands, TimeSpan ttl, TimeProvider time)
{
    private static readonly TimeSpan LookEvery = TimeSpan.FromMilliseconds(250);

    /// <summary>When a run is to be over at the latest, as its session stands now; null = it may go on.</summary>
    public static KillDeadline? FindDeadline(Run run, Session? session, TimeSpan ttl)
    {
        if (run.Job.OnDisconnect != OnDisconnect.Kill)
        {
            return null;
        }

        // The session is prolonged every third of its time to live; what is kept here must be well within the other two.
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
        using var timer = new PeriodicTimer(LookEvery, time);
        try
        {
            for (var hadSession = false; await timer.WaitForNextTickAsync(stop);)
            {
                var session = sessions.Current;
                hadSession |= session is not null; // Before the first one, what was adopted has the deadline that it came with.
                foreach (var run in runs.All.Where(run => hadSession && run is { Command: not null, Status: null }))
                {
                    if (FindDeadline(run, session, ttl) is { } deadline)
                    {
                        commands.KillAfter(deadline);
                    }
                }
            }
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested)
        {
            // Told to end.
        }
    }
}
