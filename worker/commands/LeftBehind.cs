using System.Text;
using Dts.Worker.Commands.Holders;

namespace Dts.Worker.Commands;

/// <summary>Commands that a process before this one started, and that nobody holds.</summary>
internal static class LeftBehind
{
    /// <summary>
    /// Ends every process that carries all of these variables in its environment, and the group that the command itself leads, and returns
    /// how many it found.
    /// </summary>
    /// <remarks>
    /// Finds commands of this process's own user only: reading the environment of another user's process needs a capability, and a pid
    /// alone identifies a command only if its process has this user.
    /// </remarks>
    /// <param name="pid">The command; 0 = not known.</param>
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
            // Commands are started in sessions of their own, so it is no stranger's group.
            _ = Native.SendSignalToGroup(group, Native.SIGKILL);
        }

        return found.Count;
    }
}
