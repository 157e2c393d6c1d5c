namespace Dts.Common.Shell;

/// <summary>The descriptors that a command needs and its own user may not open: the worker opens them and hands them over (unix(7), SCM_RIGHTS).</summary>
/// <param name="Output">What takes its whole output; below 0, as the others = there is none.</param>
/// <param name="Cgroup">What it writes to in order to enter its cgroup.</param>
/// <param name="CgroupKill">What ends all that is in the cgroup.</param>
internal readonly record struct CommandFiles(int Output, int Cgroup, int CgroupKill)
{
    public static readonly CommandFiles None = new(-1, -1, -1);

    /// <summary>What can be opened of them. A file of the output is made.</summary>
    public static CommandFiles Open(ShellCommand command) => new(
        command.OutputTarget is { } target ? Native.OpenForWriting(target.Path, make: true) : -1,
        command.Cgroup is { } entered ? Native.OpenForWriting(entered.Procs, make: false) : -1,
        command.Cgroup is { } killed ? Native.OpenForWriting(killed.KillSwitch, make: false) : -1);

    /// <summary>Those that there are, in an order that <see cref="Take"/> understands.</summary>
    public int[] ToArray() => [.. new[] { Output, Cgroup, CgroupKill }.Where(fd => fd >= 0)];

    /// <summary>The same, for the other side: 1 in the place of each that there is.</summary>
    public CommandFiles Take(Queue<int> received)
    {
        return new CommandFiles(Next(Output), Next(Cgroup), Next(CgroupKill));

        int Next(int sent) => sent >= 0 && received.TryDequeue(out var fd) ? fd : -1;
    }

    /// <summary>Kills all that is in the cgroup at once, also what is just being forked; kernels before 5.14 cannot.</summary>
    public void KillCgroup()
    {
        if (CgroupKill >= 0)
        {
            _ = Native.Write(CgroupKill, "1"u8);
        }
    }

    public void Close()
    {
        foreach (var fd in ToArray())
        {
            Native.Close(fd);
        }
    }
}
