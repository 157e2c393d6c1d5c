using Dts.Common.Jobs;
using Dts.Worker.Fires;

namespace Dts.Tests.Simulation;

/// <summary>Harms a simulated cluster, one fault after the other, preferably just around a claim or a start.</summary>
internal sealed class SimNemesis(SimWorld world, SimCluster cluster, IReadOnlyList<Job> jobs, IReadOnlyList<string> kinds)
{
    public static readonly IReadOnlyList<string> All =
    [
        "kill", "kill", "stall", "stall", "strike", "strike", "strike", "strike", "cut", "bad-net", "bad-net", "compact", "store-away",
        "disk-full", "step-clock", "restart", "reboot", "stall-holder", "kill-holder", "stall-all", "kill-all", "cut-all", "etcd-away",
        "drain", "far-clock",
        "edit", "pause", "delete", "kill-job", "kill-run", "reschedule", "move", "run", "burst", "burst",
    ];

    /// <summary>With an etcd that loses what it knew: then less is promised (docs/guarantees.md).</summary>
    public static readonly IReadOnlyList<string> AllAndRestore = [.. All, Restore];

    public const string Restore = "restore";

    private readonly SimMeddler _meddler = new(world, cluster);
    private SimStrike? _strike;
    private bool _isOver;
    private long _calmUntil; // A clock that is far off is found by the others' clocks, so these must be there.
    private SimHost? _offClock; // One clock at a time: of two workers none can tell who is wrong.

    private SimStrike Strike => _strike ??= new SimStrike(world, cluster, _meddler, jobs);

    /// <param name="seconds">The mean time between two faults.</param>
    public void Start(double seconds)
    {
        var pause = (long)(-Math.Log(1 - world.Random.NextDouble()) * seconds * SimWorld.Second);
        world.Do(world.Now + pause, () =>
        {
            if (!_isOver)
            {
                Harm(world.OneOf(kinds));
                Start(seconds);
            }
        });
    }

    /// <summary>Causes no more faults. Those that have begun go on to their ends.</summary>
    public void Stop() => _isOver = true;

    /// <summary>Ends a stroke that has not come to pass, and sets things right.</summary>
    public void Mend()
    {
        Strike.Disarm();
        foreach (var host in cluster.Hosts)
        {
            Step(host, 0);
            cluster.Operator.Drain(host.Id, isOn: false);
            cluster.Start(host);
        }
    }

    /// <inheritdoc cref="SimStrike.Strikes"/>
    public bool StrikesBefore(FireAction action, SimWorker worker) => Strike.Strikes(action, worker);

    private void Harm(string kind)
    {
        if (world.Now < _calmUntil)
        {
            return;
        }

        var host = world.OneOf(cluster.Hosts);
        var job = world.OneOf(jobs);
        world.Tally($"fault: {kind}");
        world.Note($"NEMESIS {kind}", host.Id);
        if (!HarmWorker(kind, host) && !HarmAll(kind) && !HarmAround(kind, host) && !_meddler.TryMeddle(kind, job))
        {
            throw new ArgumentOutOfRangeException(nameof(kind), kind, $"expected one of {string.Join(' ', AllAndRestore.Distinct())}");
        }
    }

    private bool HarmWorker(string kind, SimHost host)
    {
        switch (kind)
        {
            case "kill":
                cluster.KillForAWhile(host, world.Seconds(0.5, 8));
                return true;
            case "restart":
                host.Worker?.Do(() => host.Worker?.Stop(() => cluster.Start(host)));
                return true;
            case "reboot":
                cluster.Reboot(host, world.Seconds(2, 20));
                return true;
            case "stall":
                host.Worker?.Stall(world.Seconds(0.1, 25));
                return true;
            case "strike":
                Strike.Arm(host);
                return true;
            case "drain":
                cluster.Operator.Drain(host.Id, isOn: true);
                world.Do(world.Now + world.Seconds(1, 10), () => cluster.Operator.Drain(host.Id, isOn: false));
                return true;
            case "stall-holder":
                host.Holder.Stall(world.Seconds(0.1, 10));
                return true;
            case "kill-holder":
                cluster.ReplaceHolder(host, leavesOrphans: world.Chance(0.5));
                return true;
            default:
                return false;
        }
    }

    private bool HarmAll(string kind)
    {
        switch (kind)
        {
            case "kill-all":
                ForAll(each => cluster.KillForAWhile(each, world.Seconds(1, 20)));
                return true;
            case "stall-all":
                var same = world.Seconds(8, 20);
                ForAll(each => each.Worker?.Stall(same));
                return true;
            case "cut-all":
                ForAll(each => each.Link.Cut(world.Seconds(7, 14), world.Chance(0.5)));
                return true;
            case "etcd-away":
                cluster.Server.GoAway(world.Seconds(0.2, 14));
                return true;
            case "compact":
                cluster.Server.Compact(cluster.Server.Etcd.Revision);
                return true;
            case Restore:
                cluster.Server.RestoreLater(world.Seconds(0.01, 40), world.Seconds(0.5, 20));
                return true;
            case "store-away":
                cluster.Store.GoAway(world.Seconds(1, 20));
                return true;
            default:
                return false;
        }
    }

    private bool HarmAround(string kind, SimHost host)
    {
        switch (kind)
        {
            case "cut":
                host.Link.Cut(world.Seconds(0.1, 15), world.Chance(0.5));
                return true;
            case "bad-net":
                host.Link.Worsen(world.Seconds(0.2, 10));
                return true;
            case "disk-full":
                host.Disk.Fill(world.Seconds(0.5, 45)); // The reaper records an ending that is owed for half a minute.
                return true;
            case "step-clock":
                StepForAWhile(host, world.OneOf((double[])[-1.5, -1, -0.4, 0.4, 1, 1.5]), world.Seconds(0.5, 14));
                return true;
            case "far-clock":
                _calmUntil = world.Now + (80 * SimWorld.Second);
                var (far, time) = (world.OneOf((double[])[-3600, -30, -5, -2.5, 2.5, 5, 30, 3600]), world.Seconds(0.5, 20));
                world.Do(world.Now + (50 * SimWorld.Second), () =>
                {
                    StepForAWhile(host, far, time);
                    RunEverywhere(within: time); // It meets a worker that may not claim.
                });
                return true;
            default:
                return false;
        }
    }

    private void RunEverywhere(long within)
    {
        foreach (var job in jobs.Where(job => job.Mode == JobMode.All))
        {
            world.Do(world.Now + world.Between(0, within), () => _meddler.TryMeddle("burst", job));
        }
    }

    private void StepForAWhile(SimHost host, double seconds, long time)
    {
        if (_offClock is null && !_isOver)
        {
            world.Note($"NEMESIS clock is stepped by {seconds} s", host.Id);
            _offClock = host;
            Step(host, seconds);
            world.Do(world.Now + time, () =>
            {
                Step(host, 0);
                _offClock = null;
            });
        }
    }

    private static void Step(SimHost host, double seconds)
    {
        host.Clock.Set((long)(seconds * SimWorld.Second));
        host.Worker?.ClockStepped();
    }

    private void ForAll(Action<SimHost> harm)
    {
        foreach (var host in cluster.Hosts)
        {
            harm(host);
        }
    }
}
