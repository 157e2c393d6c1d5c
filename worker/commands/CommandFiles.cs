using System.Text;
using Dts.Worker.Native;
using Microsoft.Win32.SafeHandles;

namespace Dts.Worker.Commands;

/// <summary>
/// The files that a command needs but its user may not open: the worker opens them and passes the descriptors on (unix(7), SCM_RIGHTS).
/// A negative descriptor means that there is no such file.
/// </summary>
/// <param name="Output">The file for the command's whole output.</param>
/// <param name="Cgroup">The cgroup.procs of its cgroup: the command writes to it to enter, and reading it lists the members.</param>
/// <param name="CgroupKill">The cgroup.kill that ends every process in the cgroup.</param>
/// <param name="Secrets">The secrets, in the order of the command's <see cref="SecretFiles"/>; null = it has none.</param>
internal readonly record struct CommandFiles(int Output, int Cgroup, int CgroupKill, IReadOnlyList<int>? Secrets = null)
{
    public static readonly CommandFiles None = new(-1, -1, -1);

    /// <summary>Opens the files of a command as far as possible, and creates the file for its output.</summary>
    public static CommandFiles Open(ShellCommand command) => new(
        command.OutputTarget is { } target ? FileDescriptors.OpenForWriting(target.Path, make: true) : -1,
        command.Cgroup is { } entered ? FileDescriptors.OpenForUpdate(entered.Procs) : -1,
        command.Cgroup is { } killed ? FileDescriptors.OpenForWriting(killed.KillSwitch, make: false) : -1,
        command.Secrets?.Files.Select(file => FileDescriptors.OpenForReading(file.Source)).ToList());

    /// <summary>The open descriptors, in the order that <see cref="Take"/> expects.</summary>
    public int[] ToArray() => [.. new[] { Output, Cgroup, CgroupKill }.Concat(Secrets ?? []).Where(fd => fd >= 0)];

    /// <summary>For the receiver: replaces each descriptor that was sent with the one that was received.</summary>
    public CommandFiles Take(Queue<int> received)
    {
        return new CommandFiles(Next(Output), Next(Cgroup), Next(CgroupKill), Secrets?.Select(Next).ToList());

        int Next(int sent) => sent >= 0 && received.TryDequeue(out var fd) ? fd : -1;
    }

    /// <summary>The pids in the cgroup. The command's user cannot open the file, but the kernel checks who did.</summary>
    public HashSet<int> Members()
    {
        var text = new List<byte>();
        try
        {
            using var procs = new SafeFileHandle(Cgroup, ownsHandle: false);
            Span<byte> piece = stackalloc byte[4096];
            while (Cgroup >= 0 && RandomAccess.Read(procs, piece, text.Count) is > 0 and var count)
            {
                text.AddRange(piece[..count]);
            }
        }
        catch (IOException)
        {
            return []; // The cgroup was removed.
        }

        return RunCgroup.PidsIn(Encoding.ASCII.GetString([.. text]).Split('\n', StringSplitOptions.RemoveEmptyEntries));
    }

    /// <summary>Kills all processes in the cgroup at once, even one that is being forked; needs Linux 5.14.</summary>
    public void KillCgroup()
    {
        if (CgroupKill >= 0)
        {
            _ = FileDescriptors.Write(CgroupKill, "1"u8);
        }
    }

    /// <summary>Closes the secrets, once they are copied.</summary>
    public CommandFiles CloseSecrets()
    {
        (None with { Secrets = Secrets }).Close();
        return this with { Secrets = null };
    }

    public void Close()
    {
        foreach (var fd in ToArray())
        {
            FileDescriptors.Close(fd);
        }
    }
}
