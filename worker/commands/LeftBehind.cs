using System.Text;
using Dts.Worker.Commands.Holders;
using Dts.Worker.Native;

namespace Dts.Worker.Commands;

/// <summary>Commands that an earlier process started and that no holder has any more.</summary>
internal static class LeftBehind
{
    /// <summary>
    /// Kills the processes whose environment has all of these variables, and the group that the command leads. Returns the number of
    /// processes found.
    /// </summary>
    /// <remarks>
    /// Finds commands of this process's user only: to read another user's environment takes a capability, and a pid identifies a command
    /// only if the process is this user's.
    /// </remarks>
    /// <param name="pid">The command's; 0 = unknown.</param>
    public static int Kill(IReadOnlyDictionary<string, string> mark, int pid, long startTicks)
    {
        var entries = mark.Select(pair => Encoding.UTF8.GetBytes($"{pair.Key}={pair.Value}")).ToList();
        var found = ProcessTable.List()
            .Where(process => process.IsAlive
                && ((process.Pid == pid && process.StartTicks == startTicks && ProcessTable.UidOf(pid) == UserAccount.Own)
                    || ProcessTable.HasInEnvironment(process.Pid, entries)))
            .ToList();
        foreach (var group in found.Where(ProcessTree.IsStill).Select(process => process.Group).Distinct())
        {
            // Each command has a session of its own, so the group has no other processes.
            _ = ChildProcesses.SignalGroup(group, ChildProcesses.SIGKILL);
        }

        return found.Count;
    }
}
