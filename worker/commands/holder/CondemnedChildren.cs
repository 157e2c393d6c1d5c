namespace Dts.Worker.Commands.Holders;

/// <summary>The children that will be killed, all together, at the end of the loop's round.</summary>
/// <remarks>Not thread-safe. The child loop is its only caller.</remarks>
internal sealed class CondemnedChildren
{
    private readonly ProcessSnapshots _snapshots = new();
    private List<Child> _children = [];

    /// <summary>Condemns a child; of several kills the first counts.</summary>
    /// <param name="grace">Null = the command's own.</param>
    public void Add(Child child, CommandOutcome outcome, TimeSpan? grace = null)
    {
        if (child.Kill is null)
        {
            child.Kill = new KillSequence(child, outcome, grace ?? child.Command.KillGrace);
            _children.Add(child);
        }
    }

    /// <summary>Begins the kills of those that still run. If the table of processes cannot be read, the fault says so.</summary>
    public (IReadOnlyList<Child> Begun, IOException? Fault) Begin(ChildTable children, long now)
    {
        var condemned = _children.Where(child => !child.HasEnded && children.Find(child.Pid) == child).ToList();
        _children = [];
        try
        {
            if (condemned.Count > 0)
            {
                KillSequence.Begin([.. condemned.Select(child => child.Kill).OfType<KillSequence>()], _snapshots, now);
            }

            return (condemned, null);
        }
        catch (IOException failure)
        {
            return (condemned, failure);
        }
    }
}
