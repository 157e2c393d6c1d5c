using System.Text;
using Dts.Worker.Native;

namespace Dts.Worker.Commands.Holders;

/// <summary>
/// The descendants of one command, wherever they moved: children, the sessions that they make, its cgroup, orphans with its variables.
/// </summary>
/// <remarks>
/// <para>Not thread-safe. Constraint: the command's own process is not reaped while this is used. So no other process can have its number,
/// which is also that of its session and its group.</para>
/// <para>A process that was found once remains a descendant, under its pid and start time, even if it can no longer be traced to the
/// command. So does its session, which only its own descendants can be in.</para>
/// </remarks>
internal sealed class ProcessTree
{
    private static readonly int OwnPid = Environment.ProcessId;
    private static readonly int OwnSession = ChildProcesses.SessionOf(0);

    private readonly HashSet<(int Pid, long StartTicks)> _seen = [];
    private readonly HashSet<int> _sessions;
    private readonly byte[][] _mark;
    private readonly CommandFiles _files;
    private readonly int _pid;
    private readonly long _startTicks;

    public ProcessTree(Child child)
    {
        (_pid, _startTicks, _sessions, _files) = (child.Pid, child.Running.StartTicks, [child.Pid], child.Files);
        var environment = child.Command.Environment;
        _mark = environment.ContainsKey("DTS_RUN_ID")
            ? [.. environment.Where(IsMark).Select(pair => Encoding.UTF8.GetBytes($"{pair.Key}={pair.Value}"))]
            : [];
    }

    /// <summary>The processes that were found, dead or alive.</summary>
    public IReadOnlyCollection<(int Pid, long StartTicks)> Seen => _seen;

    /// <summary>
    /// Whether the cgroup had a process at the last look, besides the command's own. The table alone may miss one: it is read process by
    /// process, and lacks those that start meanwhile.
    /// </summary>
    public bool HasMembers { get; private set; }

    /// <summary>The living descendants, without the command itself.</summary>
    public List<ProcessEntry> FindOthers(IReadOnlyList<ProcessEntry> table)
    {
        var found = new List<ProcessEntry>();
        var pids = new HashSet<int> { _pid };
        var members = _files.Members();
        HasMembers = members.Any(pid => pid != _pid && !table.Any(process => process.Pid == pid && process.Session == OwnSession));
        var rest = table.Where(process => process.IsAlive && process.Pid != _pid).ToList();
        int before;
        do
        {
            before = found.Count;
            rest.RemoveAll(process =>
            {
                var isOurs = pids.Contains(process.Parent)
                    || (members.Contains(process.Pid) && process.Session != OwnSession)
                    || IsOurs(process);
                if (isOurs)
                {
                    _ = pids.Add(process.Pid);
                    _ = _seen.Add((process.Pid, process.StartTicks));
                    _ = _sessions.Add(process.Session);
                    found.Add(process);
                }

                return isOurs;
            });
        }
        while (found.Count > before);

        return found;
    }

    /// <summary>Whether a process still has its number and group; if not, others may have them by now.</summary>
    public static bool IsStill(ProcessEntry process) =>
        ProcessTable.Find(process.Pid) is { } now && now.StartTicks == process.StartTicks && now.Group == process.Group;

    private static bool IsMark(KeyValuePair<string, string> pair) => pair.Key.StartsWith("DTS_", StringComparison.Ordinal);

    private bool IsOurs(ProcessEntry process) =>
        (_sessions.Contains(process.Session) && process.StartTicks >= _startTicks)
        || _seen.Contains((process.Pid, process.StartTicks))
        || IsMarkedOrphan(process);

    // All processes of commands are in other sessions than this process's.
    private bool IsMarkedOrphan(ProcessEntry process) =>
        process.Parent == OwnPid
        && process.Session != OwnSession
        && process.StartTicks >= _startTicks
        && _mark.Length > 0
        && ProcessTable.HasInEnvironment(process.Pid, _mark);
}
