using Dts.Common.Jobs;

namespace Dts.Tests.Simulation;

/// <summary>People who edit, pause, delete, kill and run jobs while everything else goes wrong.</summary>
internal sealed class SimMeddler(SimWorld world, SimCluster cluster)
{
    private const int RunsInBurst = 6;
    private const string OtherSchedule = "*/7 * * * * *";

    private readonly HashSet<string> _paused = [];

    /// <summary>Whether the kind was one of these.</summary>
    public bool TryMeddle(string kind, Job job)
    {
        var name = JobName.Parse(job.Name);
        switch (kind)
        {
            case "edit":
                cluster.Operator.Save(job with { Enabled = !_paused.Contains(job.Name), Description = $"edit {world.Random.Next(1000)}" });
                return true;
            case "pause" when _paused.Remove(job.Name):
                cluster.Operator.Enable(name, enabled: true);
                return true;
            case "pause":
                _paused.Add(job.Name);
                cluster.Operator.Enable(name, enabled: false);
                return true;
            case "delete":
                _paused.Remove(job.Name);
                cluster.Operator.Delete(name);
                world.Do(world.Now + world.Seconds(0.001, 3), () => cluster.Operator.Save(job));
                return true;
            case "kill-job":
                cluster.Operator.Kill(name);
                return true;
            case "kill-run":
                cluster.Operator.KillRun(name);
                return true;
            case "reschedule":
                _paused.Remove(job.Name);
                cluster.Operator.Save(job with { CronExpr = OtherSchedule });
                world.Do(world.Now + world.Seconds(0.001, 10), () => cluster.Operator.Save(job));
                return true;
            case "move":
                _paused.Remove(job.Name);
                var to = world.OneOf([.. cluster.Hosts.Select(host => host.Id), "nobody"]);
                cluster.Operator.Save(job with { Target = new Target([to]) });
                world.Do(world.Now + world.Seconds(0.001, 10), () => cluster.Operator.Save(job));
                return true;
            case "run":
                cluster.Operator.Run(name);
                return true;
            case "burst":
                for (var n = 0; n < RunsInBurst; n++)
                {
                    cluster.Operator.Run(name);
                }

                return true;
            default:
                return false;
        }
    }
}
