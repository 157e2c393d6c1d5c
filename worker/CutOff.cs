using Dts.Common.Etcd;
using Dts.Common.Jobs;
using Dts.Common.Shell;

namespace Dts.Worker;

/// <summary>Ends the runs whose jobs must not overlap whatever happens (onDisconnect: kill) before others may take over from a worker that is cut off from etcd.</summary>
/// <remarks>Others may after the session's local deadline. The kill begins early enough to be over by then: with the command's grace, or what there is time for.</remarks>
internal sealed class CutOff(SessionKeeper sessions, RunsInFlight runs, HeldCommands commands, TimeSpan ttl, TimeProvider time)
{
    private static readonly TimeSpan LookEvery = TimeSpan.FromMilliseconds(250);
    // The session is prolonged every third of its time to live; what is kept here must be well within the other two.
    private readonly TimeSpan _graceMax = ttl / 4;
    private readonly TimeSpan _surelyOver = ttl / 8; // After SIGKILL, and until the next look.

    public async Task RunAsync(CancellationToken stop)
    {
        using var timer = new PeriodicTimer(LookEvery, time);
        try
        {
            while (await timer.WaitForNextTickAsync(stop))
            {
                var current = sessions.Current;
                foreach (var run in runs.All.Where(run => run.Job.OnDisconnect == OnDisconnect.Kill && run is { Command: not null, Status: null }))
                {
                    var grace = TimeSpan.FromSeconds(Math.Min(run.Job.KillGraceSeconds, _graceMax.TotalSeconds));
                    var holdsFor = current?.Lease == run.Session ? current.HoldsFor : TimeSpan.Zero;
                    if (holdsFor < grace + _surelyOver)
                    {
                        run.Command?.Kill("this worker is cut off from etcd, and the job says onDisconnect: kill", holdsFor > TimeSpan.Zero ? grace : TimeSpan.Zero);
                    }
                    else
                    {
                        commands.KillAfter(run.Key, holdsFor - grace - _surelyOver, "its worker is gone, and the job says onDisconnect: kill", grace);
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
