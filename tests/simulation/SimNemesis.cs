using Dts.Common.Jobs;
using Dts.Worker.Fires;

namespace Dts.Tests.Simulation;

/// <summary>Harms a simulated cluster, one fault after the other, preferably just around a claim or a start.</summary>
internal sealed class SimNemesis(SimWorld world, SimCluster cluster, IReadOnlyList<Job> jobs, IReadOnlyList<string> kinds)
{
    public static readonly IReadOnlyList<string> All =
    [
        "kill", "kill", "stall", "stall", "strike", "strike", "strike", "strike", "cut", "bad-net", "bad-net", "compact", "store-away",
        "disk-full", "step-clock", "restart", "reboot", "stall-holder", "stall-all", "kill-all", "cut-all", "etcd-away", "drain",
        "far-clock",
        "edit", "pause", "delete", "kill-job", "reschedule", "run", "burst", "burst",
    ];

    private const int RunsInBurst = 6;

    private readonly HashSet<string> _paused = [];
    private long _endsAt;
    private Func<FireAction, bool>? _waitsFor;
    private SimHost? _victim;
    private long _calmUntil; // A clock that is far off is found by the others' clocks, so these must be there.
    private SimHost? _offClock; // One clock at a time: of two workers none can tell who is wrong.

    /// <summary>What has been done, and how often.</summary>
    public SortedDictionary<string, int> Done { get; } = [];

    /// <param name="seconds">The mean time between two faults.</param>
    public void Start(long end, double seconds)
    {
        _endsAt = end;
        Next(seconds);
    }

    /// <summary>Ends a stroke that has not come to pass, and sets things right.</summary>
    public void Mend()
    {
        (_waitsFor, _victim) = (null, null);
        foreach (var host in cluster.Hosts)
        {
            Step(host, 0);
            cluster.Operator.Drain(host.Id, isOn: false);
            cluster.Start(host);
        }
    }

    /// <summary>Whether the process stops just before an action, for a while or for good.</summary>
    public bool StrikesBefore(FireAction action, SimWorker worker)
    {
        if (_waitsFor is null || worker.Host != _victim || !_waitsFor(action))
        {
            return false;
        }

        _waitsFor = null;
        var host = worker.Host;
        var isClaim = action is FireAction.Ask { Request: FireRequest.Claim };
        switch (world.Random.Next(isClaim ? 6 : 3))
        {
            case 0:
                Note("is stalled before an action", host);
                worker.Stall(Length(1, 25));
                return true;
            case 1:
                Note("is killed before an action", host);
                Kill(host, 1, 8);
                return true;
            case 2:
                Note("is cut off at an action", host);
                host.Link.Cut(Length(0.1, 14), world.Chance(0.5));
                return false;
            case 3:
                Note("loses an answer", host);
                host.Link.LoseAnswer();
                return false;
            case 4:
                Note("loses an answer and dies", host);
                host.Link.LoseAnswer();
                world.Do(world.Now + world.Between(0, 3 * SimWorld.Ms), () => Kill(host, 1, 8));
                return false;
            default:
                Note("sends a request that arrives late", host);
                host.Link.DelayRequest();
                return false;
        }
    }

    private void Next(double seconds)
    {
        var pause = (long)(-Math.Log(1 - world.Random.NextDouble()) * seconds * SimWorld.Second);
        world.Do(world.Now + pause, () =>
        {
            if (world.Now < _endsAt)
            {
                Harm(world.OneOf(kinds));
                Next(seconds);
            }
        });
    }

    private void Harm(string kind)
    {
        if (world.Now < _calmUntil)
        {
            return;
        }

        var host = world.OneOf(cluster.Hosts);
        var job = world.OneOf(jobs);
        var name = JobName.Parse(job.Name);
        Done[kind] = Done.GetValueOrDefault(kind) + 1;
        Note(kind, host);
        switch (kind)
        {
            case "kill":
                Kill(host, 0.5, 8);
                break;
            case "kill-all":
                ForAll(each => Kill(each, 1, 20));
                break;
            case "restart":
                host.Worker?.Do(() => host.Worker?.Stop(() => cluster.Start(host)));
                break;
            case "reboot":
                Reboot(host);
                break;
            case "stall":
                host.Worker?.Stall(Length(0.1, 25));
                break;
            case "stall-all":
                var same = Length(8, 20);
                ForAll(each => each.Worker?.Stall(same));
                break;
            case "stall-holder":
                host.Holder.Stall(Length(0.1, 10));
                break;
            case "strike":
                Arm(host);
                break;
            case "cut":
                host.Link.Cut(Length(0.1, 15), world.Chance(0.5));
                break;
            case "cut-all":
                ForAll(each => each.Link.Cut(Length(7, 14), world.Chance(0.5)));
                break;
            case "bad-net":
                host.Link.Worsen(Length(0.2, 10));
                break;
            case "etcd-away":
                cluster.Server.GoAway(Length(0.2, 14));
                break;
            case "compact":
                cluster.Server.Compact(cluster.Server.Etcd.Revision);
                break;
            case "store-away":
                cluster.Store.GoAway(Length(1, 20));
                break;
            case "disk-full":
                host.Disk.Fill(Length(0.5, 15));
                break;
            case "step-clock":
                StepForAWhile(host, world.OneOf((double[])[-1.5, -1, -0.4, 0.4, 1, 1.5]), Length(0.5, 14));
                break;
            case "far-clock":
                _calmUntil = world.Now + (80 * SimWorld.Second);
                var (far, time) = (world.OneOf((double[])[-3600, -30, -5, -2.5, 2.5, 5, 30, 3600]), Length(0.5, 20));
                world.Do(world.Now + (50 * SimWorld.Second), () => StepForAWhile(host, far, time));
                break;
            case "drain":
                cluster.Operator.Drain(host.Id, isOn: true);
                world.Do(world.Now + Length(1, 10), () => cluster.Operator.Drain(host.Id, isOn: false));
                break;
            default:
                Meddle(kind, job, name);
                break;
        }
    }

    private void Meddle(string kind, Job job, JobName name)
    {
        switch (kind)
        {
            case "edit":
                cluster.Operator.Save(job with { Enabled = !_paused.Contains(job.Name), Description = $"edit {world.Random.Next(1000)}" });
                break;
            case "pause" when _paused.Remove(job.Name):
                cluster.Operator.Enable(name, enabled: true);
                break;
            case "pause":
                _paused.Add(job.Name);
                cluster.Operator.Enable(name, enabled: false);
                break;
            case "delete":
                _paused.Remove(job.Name);
                cluster.Operator.Delete(name);
                world.Do(world.Now + Length(0.001, 3), () => cluster.Operator.Save(job));
                break;
            case "kill-job":
                cluster.Operator.Kill(name);
                break;
            case "reschedule":
                _paused.Remove(job.Name);
                cluster.Operator.Save(job with { CronExpr = "*/7 * * * * *" });
                world.Do(world.Now + Length(0.001, 10), () => cluster.Operator.Save(job));
                break;
            case "run":
                cluster.Operator.Run(name);
                break;
            case "burst":
                for (var n = 0; n < RunsInBurst; n++)
                {
                    cluster.Operator.Run(name);
                }

                break;
            default:
                throw new ArgumentOutOfRangeException(nameof(kind), kind, $"expected one of {string.Join(' ', All.Distinct())}");
        }
    }

    private void Arm(SimHost host)
    {
        _victim = host;
        _waitsFor = world.Random.Next(5) switch
        {
            0 or 1 => action => action is FireAction.Ask { Request: FireRequest.Claim },
            2 => action => action is FireAction.Start,
            3 => action => action is FireAction.Prepare or FireAction.RecordOwed,
            _ => action => action is FireAction.RecordNotStarted or FireAction.Kill or FireAction.RecordOwed,
        };
    }

    private void Kill(SimHost host, double least, double most)
    {
        cluster.Kill(host);
        world.Do(world.Now + Length(least, most), () => cluster.Start(host));
    }

    private void Reboot(SimHost host)
    {
        cluster.Kill(host);
        host.Holder.Die();
        host.Holder = new SimHolder(world, host);
        world.Do(world.Now + Length(2, 20), () => cluster.Start(host));
    }

    private void StepForAWhile(SimHost host, double seconds, long time)
    {
        if (_offClock is null && world.Now < _endsAt)
        {
            Note($"clock is stepped by {seconds} s", host);
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

    private long Length(double least, double most) => (long)((least + ((most - least) * world.Random.NextDouble())) * SimWorld.Second);

    private void Note(string what, SimHost host) => world.Note($"NEMESIS {what}", host.Id);
}
