using System.Buffers.Text;
using System.IO.Enumeration;
using Dts.Common.Hosting;
using Dts.Worker.Native;

namespace Dts.Worker.Commands;

/// <summary>One process, from /proc/PID/stat. Pid and start time together identify it within this boot.</summary>
internal readonly record struct ProcessEntry(int Pid, int Parent, int Group, int Session, long StartTicks, bool IsAlive)
{
    /// <summary>A signal stopped it, or a debugger.</summary>
    public bool IsStopped => State is 'T' or 't';

    /// <summary>The kernel's letter of its state.</summary>
    public char State { get; init; }

    /// <summary>Processor time since it started, in the kernel's ticks.</summary>
    public long CpuTicks { get; init; }

    /// <summary>Resident memory.</summary>
    public long RssPages { get; init; }
}

/// <summary>The processes of this host, from /proc (proc(5)).</summary>
internal static class ProcessTable
{
    private const int CommandBytesMax = 4096; // Of a command line that is shown.

    // No path in here is longer than "/proc/4194304/environ".
    private const int PathSizeMax = 64;

    /// <summary>Lists all processes; takes about ten microseconds for each.</summary>
    public static List<ProcessEntry> List()
    {
        var pids = new FileSystemEnumerable<int>("/proc", static (ref entry) => int.Parse(entry.FileName))
        {
            ShouldIncludePredicate = static (ref entry) => int.TryParse(entry.FileName, out _),
        };
        var table = new List<ProcessEntry>();
        foreach (var pid in pids)
        {
            if (Find(pid) is { } process)
            {
                table.Add(process);
            }
        }

        return table;
    }

    /// <summary>One process; null = there is none of that number.</summary>
    public static ProcessEntry? Find(int pid)
    {
        Span<byte> buffer = stackalloc byte[512];
        var count = ReadFile(pid, "/stat\0"u8, buffer);
        var rest = buffer[..Math.Max(count, 0)];
        if (rest.LastIndexOf((byte)')') is not (> 0 and var nameEnd))
        {
            return null;
        }

        // Fields from the third on. The second, the name in parentheses, may contain spaces and parentheses.
        rest = rest[(nameEnd + 2)..];
        var state = rest[0];
        Span<long> fields = stackalloc long[24 - 4 + 1]; // the fourth (parent) to the 24th (resident pages)
        for (var i = 0; i < fields.Length; i++)
        {
            rest = rest[(rest.IndexOf((byte)' ') + 1)..];
            _ = Utf8Parser.TryParse(rest, out fields[i], out _);
        }

        // A process whose main thread has ended looks like a zombie while its other threads live.
        var threads = fields[20 - 4];
        var isAlive = state is not ((byte)'Z' or (byte)'X') || threads > 1;
        return new ProcessEntry(pid, (int)fields[0], (int)fields[1], (int)fields[2], fields[22 - 4], isAlive)
        {
            State = (char)state,
            CpuTicks = fields[14 - 4] + fields[15 - 4],
            RssPages = fields[24 - 4],
        };
    }

    /// <summary>The program's name, at most 15 bytes; empty = the process is gone.</summary>
    public static string NameOf(int pid)
    {
        Span<byte> buffer = stackalloc byte[64];
        var count = ReadFile(pid, "/comm\0"u8, buffer);
        return count > 0 ? System.Text.Encoding.UTF8.GetString(buffer[..count]).TrimEnd('\n') : "";
    }

    /// <summary>
    /// The arguments, separated by spaces as ps(1) shows them, and cut if long; empty = there are none to read.
    /// </summary>
    /// <remarks>Blocks while the process's memory is locked, which may be forever if the process hangs.</remarks>
    public static string CommandLineOf(int pid)
    {
        Span<byte> buffer = stackalloc byte[CommandBytesMax + 1];
        var count = Math.Max(ReadFile(pid, "/cmdline\0"u8, buffer), 0);
        var isCut = count > CommandBytesMax;
        var line = isCut ? Utf8Cut.Front(buffer, CommandBytesMax) : buffer[..count];
        var text = System.Text.Encoding.UTF8.GetString(line).TrimEnd('\0').Replace('\0', ' ');
        return Display.Visible(isCut ? text + "…" : text);
    }

    /// <summary>The kernel function that it sleeps in; empty = it runs, is gone, or must not be looked into.</summary>
    public static string WaitChannelOf(int pid)
    {
        Span<byte> buffer = stackalloc byte[64];
        var count = Math.Max(ReadFile(pid, "/wchan\0"u8, buffer), 0);
        var name = System.Text.Encoding.UTF8.GetString(buffer[..count]);
        return name == "0" ? "" : Display.Visible(name);
    }

    /// <summary>The effective user of a process; null if it no longer exists.</summary>
    public static uint? UidOf(int pid)
    {
        Span<byte> buffer = stackalloc byte[1024];
        var count = ReadFile(pid, "/status\0"u8, buffer);
        var rest = buffer[..Math.Max(count, 0)];
        return rest.IndexOf("\nUid:\t"u8) is >= 0 and var at // real, effective, …
            && rest[(at + 6)..] is var uids
            && uids.IndexOf((byte)'\t') is >= 0 and var tab
            && Utf8Parser.TryParse(uids[(tab + 1)..], out uint uid, out _)
                ? uid
                : null;
    }

    /// <summary>The largest resident set that this process ever had, in KiB; null = it cannot be read.</summary>
    /// <remarks>getrusage(2) does not tell: its figure also counts the process that spawned this one, which may have been larger.</remarks>
    public static long? OwnMaxRssKb() =>
        Utf8Parser.TryParse(OwnStatus("\nVmHWM:\t"u8).TrimStart((byte)' '), out long kb, out _) ? kb : null;

    /// <summary>The effective capabilities of this process (capabilities(7)); 0 = it has none, or they cannot be read.</summary>
    public static ulong OwnCapabilities() =>
        Utf8Parser.TryParse(OwnStatus("\nCapEff:\t"u8), out ulong set, out _, 'x') ? set : 0;

    /// <summary>Whether the last arguments of a process are these.</summary>
    public static bool HasLastArguments(int pid, ReadOnlySpan<byte> zeroEnded) =>
        TryReadAll($"/proc/{pid}/cmdline").AsSpan().EndsWith(zeroEnded);

    /// <summary>Whether a process was started with each of these entries ("NAME=value") in its environment.</summary>
    public static bool HasInEnvironment(int pid, IReadOnlyList<byte[]> entries)
    {
        var environment = TryReadAll($"/proc/{pid}/environ");
        return entries.All(entry => Contains(environment, entry));
    }

    private static ReadOnlySpan<byte> OwnStatus(ReadOnlySpan<byte> field)
    {
        var status = TryReadAll("/proc/self/status").AsSpan();
        return status.IndexOf(field) is >= 0 and var at ? status[(at + field.Length)..] : [];
    }

    private static bool Contains(ReadOnlySpan<byte> environment, ReadOnlySpan<byte> entry)
    {
        foreach (var range in environment.Split((byte)0))
        {
            if (environment[range].SequenceEqual(entry))
            {
                return true;
            }
        }

        return false;
    }

    private static byte[] TryReadAll(string path)
    {
        try
        {
            return File.ReadAllBytes(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return []; // It is gone, or must not be looked into.
        }
    }

    private static int ReadFile(int pid, ReadOnlySpan<byte> nameAndZero, Span<byte> buffer)
    {
        Span<byte> path = stackalloc byte[PathSizeMax];
        "/proc/"u8.CopyTo(path);
        _ = Utf8Formatter.TryFormat(pid, path[6..], out var digits);
        nameAndZero.CopyTo(path[(6 + digits)..]);
        return FileDescriptors.ReadFile(path, buffer);
    }
}
