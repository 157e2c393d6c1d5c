using Dts.Worker.Commands;
using Dts.Worker.Records;
using Dts.Worker.Runs;
using Microsoft.Extensions.Logging;

namespace Dts.Worker.Sessions;

/// <summary>
/// The commands that an earlier process of this worker started: this process adopts those that a holder still has, or whose ending a holder
/// has left, and kills the others.
/// </summary>
internal sealed class FormerCommands(
    string workerId, OwnRuns runs, HeldCommands commands, LaunchJournal journal, RunCgroups cgroups, ILogger log)
{
    public void Adopt(LiveOutput outputs)
    {
        foreach (var former in commands.TakeFormer())
        {
            if (HeldRun.TryRead(former) is not { } run || !runs.TryAdd(run))
            {
                former.Running.Kill("it was started by another version of this worker, and cannot be followed any more");
                commands.Forget(former.Id);
                continue;
            }

            // Its cgroup still exists, but its limits are set again: systemd may have had to lift them.
            _ = cgroups.TryMake(run, out var cgroup, out _);
            run.Cgroup = cgroup;
            journal.Launched(run, former.Running);
            outputs.GoOn(run, run.Output!);
            log.Adopted(run.Name, run.Id, former.Running.Pid, former.Running.Ended.IsCompleted ? "it has ended meanwhile" : "it goes on");
        }
    }

    /// <summary>Kills the commands that no holder has: nobody would learn how they end.</summary>
    public async Task KillLeftBehindAsync()
    {
        foreach (var launch in journal.Former.Where(launch => !runs.All.Any(run => run.Key == launch.Key)))
        {
            var killed = await KillLeftBehindAsync(commands, cgroups, launch, workerId);
            if (killed is > 0 and var processes)
            {
                log.LeftBehindKilled(launch.Key, processes);
            }
            else if (killed is null)
            {
                log.LeftoverStays(launch.Key, launch.User);
            }
        }
    }

    /// <summary>
    /// Kills the processes of a command that no holder has, and returns their number; null if no process can run as the command's user.
    /// </summary>
    public static async Task<int?> KillLeftBehindAsync(
        HeldCommands commands, RunCgroups cgroups, LaunchJournal.Launch launch, string workerId)
    {
        var (key, pid, startTicks, userName) = launch;
        var (name, runId) = (key[..key.LastIndexOf('/')], key[(key.LastIndexOf('/') + 1)..]);
        var inCgroup = cgroups.KillLeft(name, runId);
        var mark = new Dictionary<string, string> { ["DTS_JOB"] = name, ["DTS_RUN_ID"] = runId, ["DTS_WORKER"] = workerId };
        var found = userName.Length > 0 && UserAccount.Find(userName) is { } user
            ? await commands.KillLeftAsync(user, mark, pid, startTicks) // Only that user may read the environment of its processes.
            : LeftBehind.Kill(mark, pid, startTicks);
        return found is { } count ? Math.Max(inCgroup, count) : null;
    }
}
