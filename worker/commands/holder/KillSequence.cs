using Dts.Common.Logs;
using Dts.Worker.Native;

namespace Dts.Worker.Commands.Holders;

/// <summary>Kills a command: SIGTERM, a grace, then SIGKILL in rounds until nothing is left.</summary>
/// <remarks>
/// Not thread-safe. The child loop is its only caller. Until it is over, the command's own process is not reaped
/// (see <see cref="ProcessTree"/>). Times are milliseconds of the loop's monotonic clock.
/// </remarks>
internal sealed class KillSequence(Child child, CommandOutcome outcome, TimeSpan grace)
{
    private const int FirstPauseMs = 5;
    private const int PauseMaxMs = 200;
    private const int RoundsMax = 25; // with these pauses, about four seconds
    private const int LooksMax = 10; // A process that escapes again and again must not keep the loop.

    private readonly int _pid = child.Pid;
    private readonly ProcessTree _tree = new(child);
    private readonly long _graceMs = (long)grace.TotalMilliseconds;
    private readonly HashSet<int> _terminated = []; // the process groups that got SIGTERM
    private List<ProcessEntry> _others = []; // its living descendants, as of the last look
    private int _pauseMs = FirstPauseMs;
    private int _rounds;

    public bool HasBegun { get; private set; }

    /// <summary>When SIGKILL follows.</summary>
    public long GraceEndsMs { get; private set; }

    /// <summary>The outcome for the ending.</summary>
    public CommandOutcome Outcome { get; } = outcome;

    /// <summary>All descendants of the command that were seen.</summary>
    public IEnumerable<int> Descendants => _tree.Seen.Select(process => process.Pid);

    /// <summary>Its processes just before the first signal.</summary>
    public IReadOnlyList<RunProcess> Processes { get; private set; } = [];

    /// <summary>The processes that survived, once this is over.</summary>
    public IReadOnlyList<Leftover> Leftovers { get; private set; } = [];

    /// <summary>Sends SIGTERM to these commands and all their descendants. For many it costs about as much as for one.</summary>
    /// <remarks>
    /// Signals go to whole process groups: that reaches processes that are just being forked, which signals to one process after the other
    /// would miss. It looks again until no further group appears, because a process may have left its group before the signal came. A group
    /// gets SIGTERM once: processes that start in it later clean up.
    /// </remarks>
    /// <exception cref="IOException">The table of processes cannot be read.</exception>
    public static void Begin(IReadOnlyList<KillSequence> kills, ProcessSnapshots snapshots, long nowMs)
    {
        var byPid = FindOthers(kills).DistinctBy(process => process.Pid).ToDictionary(process => process.Pid);
        foreach (var (kill, processes) in kills.Zip(snapshots.Take([.. kills.Select(kill => kill.ListAll(byPid))])))
        {
            kill.Processes = processes;
        }

        for (var looks = 1; TerminateAll(kills) && looks < LooksMax; looks++)
        {
            FindOthers(kills);
        }

        foreach (var kill in kills)
        {
            kill.GraceEndsMs = nowMs + kill._graceMs;
            kill.HasBegun = true;
        }
    }

    /// <summary>Looks for remaining processes and, after the grace, kills them. Returns when to look again; null = all is done.</summary>
    /// <remarks>A command that has ended must have ended before the table was read, else its last child might be missed.</remarks>
    public long? Look(IReadOnlyList<ProcessEntry> table, bool hasEnded, long nowMs)
    {
        _others = _tree.FindOthers(table);
        if (hasEnded && _others.Count == 0 && !_tree.HasMembers)
        {
            return null;
        }

        if (nowMs < GraceEndsMs)
        {
            return Math.Min(NextLook(nowMs), GraceEndsMs);
        }

        if (_rounds == RoundsMax)
        {
            Leftovers = [.. Survivors(hasEnded)];
            return null;
        }

        _pauseMs = _rounds++ == 0 ? FirstPauseMs : _pauseMs;
        child.Files.KillCgroup();
        foreach (var group in Groups())
        {
            Send(group, ChildProcesses.SIGKILL);
        }

        return NextLook(nowMs);
    }

    private long NextLook(long nowMs)
    {
        var next = nowMs + _pauseMs;
        _pauseMs = Math.Min(_pauseMs * 2, PauseMaxMs);
        return next;
    }

    /// <summary>Finds the descendants of each command, and returns the table of processes.</summary>
    private static List<ProcessEntry> FindOthers(IReadOnlyList<KillSequence> kills)
    {
        var table = ProcessTable.List();
        foreach (var kill in kills)
        {
            kill._others = kill._tree.FindOthers(table);
        }

        return table;
    }

    /// <summary>Its living processes, beginning with the command's own.</summary>
    private List<ProcessEntry> ListAll(Dictionary<int, ProcessEntry> byPid) =>
        byPid.TryGetValue(_pid, out var own) && own.IsAlive ? [own, .. _others] : [.. _others];

    private static bool TerminateAll(IReadOnlyList<KillSequence> kills)
    {
        var found = false;
        foreach (var kill in kills)
        {
            found |= kill.Terminate();
        }

        return found;
    }

    private bool Terminate()
    {
        var groups = Groups().Where(_terminated.Add).ToList();
        groups.ForEach(group => Send(group, ChildProcesses.SIGTERM));

        // Stopped processes would sleep through the grace. From the last group to the first: the kernel sends SIGHUP to a group that is
        // still stopped when the process that it depends on ends.
        groups.Reverse();
        groups.ForEach(group => Send(group, ChildProcesses.SIGCONT));
        return groups.Count > 0;
    }

    // The command's own group comes first: else its script would go on to its next line when a child of another group is gone.
    private IEnumerable<int> Groups() => _others.Select(process => process.Group).Prepend(_pid).Distinct();

    // A group keeps its number while it has a member; the command's keeps it until the command is reaped.
    private void Send(int group, int signal)
    {
        if (group == _pid || _others.Any(process => process.Group == group && ProcessTree.IsStill(process)))
        {
            _ = ChildProcesses.SignalGroup(group, signal);
        }
    }

    private IEnumerable<Leftover> Survivors(bool hasEnded)
    {
        var pids = _others.Select(process => process.Pid);
        return (hasEnded ? pids : pids.Prepend(_pid)).Select(pid => new Leftover(pid, ProcessTable.NameOf(pid)));
    }
}
