using System.Text;

namespace Dts.Common.Shell;

/// <summary>Commands that a process before this one started, and that nobody holds.</summary>
public static class LeftBehind
{
    /// <summary>Ends every process that carries all of these variables in its environment, and returns how many it was.</summary>
    public static int Kill(IReadOnlyDictionary<string, string> mark)
    {
        var entries = mark.Select(pair => Encoding.UTF8.GetBytes($"{pair.Key}={pair.Value}")).ToList();
        var found = ProcessTable.List().Where(process => process.IsAlive && ProcessTable.HasInEnvironment(process.Pid, entries)).ToList();
        foreach (var group in found.Where(ProcessTree.IsStill).Select(process => process.Group).Distinct())
        {
            _ = Native.SendSignalToGroup(group, Native.SIGKILL); // Commands are started in sessions of their own, so it is no stranger's group.
        }

        return found.Count;
    }
}
