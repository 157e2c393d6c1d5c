namespace Dts.Worker.Commands;

/// <summary>
/// The files that a command needs but its user may not open: the worker opens them and passes the descriptors on (unix(7), SCM_RIGHTS).
/// A negative descriptor means that there is no such file.
/// </summary>
/// <param name="Output">The file for the command's whole output.</param>
/// <param name="Cgroup">The cgroup.procs that the command writes to in order to enter its cgroup.</param>
/// <param name="CgroupKill">The cgroup.kill that ends every process in the cgroup.</param>
internal readonly record struct CommandFiles(int Output, int Cgroup, int CgroupKill)
{
    public static readonly CommandFiles None = new(-1, -1, -1);

    /// <summary>Opens the files of a command as far as possible, and creates the file for its output.</summary>
    public static CommandFiles Open(ShellCommand command) => new(
        command.OutputTarget is { } target ? Native.OpenForWriting(target.Path, make: true) : -1,
        command.Cgroup is { } entered ? Native.OpenForWriting(entered.Procs, make: false) : -1,
        command.Cgroup is { } killed ? Native.OpenForWriting(killed.KillSwitch, make: false) : -1);

    /// <summary>The open descriptors, in the order that <see cref="Take"/> expects.</summary>
    public int[] ToArray() => [.. new[] { Output, Cgroup, CgroupKill }.Where(fd => fd >= 0)];

    /// <summary>On the receiving side: replaces each descriptor that was sent with the one that was received.</summary>
    public CommandFiles Take(Queue<int> received)
    {
        return new CommandFiles(Next(Output), Next(Cgroup), Next(CgroupKill));

        int Next(int sent) => sent >= 0 && received.TryDequeue(out var fd) ? fd : -1;
    }

    /// <summary>Kills every process in the cgroup at once, also one that is being forked; needs Linux 5.14.</summary>
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
