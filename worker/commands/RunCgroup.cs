using System.Globalization;

namespace Dts.Worker.Commands;

/// <summary>
/// The cgroup of one run (cgroups(7), version 2). Its command enters it before the shell is executed, so none of its processes is outside.
/// </summary>
/// <param name="path">Its folder, which exists.</param>
/// <param name="mustHold">Whether the command fails if it cannot enter.</param>
/// <remarks>
/// <para>Thread-safe: all state is the kernel's. Files that cannot be read or written count as absent and cause no exception.</para>
/// <para>The process moves itself. The kernel takes half a millisecond for that, at times fifteen, and longer on a busy host: the thread
/// that starts commands cannot wait so long.</para>
/// </remarks>
internal sealed class RunCgroup(string path, bool mustHold)
{
    private const string Enter =
        "echo 0 >&3 || { echo 'dts: cannot enter the cgroup that enforces the limits of this job'; exit 125; }; exec \"$@\" 3>&-";
    private const string TryEnter = "{ echo 0 >&3; } 2>/dev/null; exec \"$@\" 3>&-";

    public string Path { get; } = path;

    public bool MustHold { get; } = mustHold;

    /// <summary>
    /// The program that precedes the command. It writes to <see cref="Procs"/>, its descriptor 3: the kernel checks the rights of the
    /// process that opened the file.
    /// </summary>
    internal IEnumerable<string> Front => ["/bin/sh", "-c", MustHold ? Enter : TryEnter, "dts"];

    internal string Procs => File("cgroup.procs");

    internal string KillSwitch => File("cgroup.kill");

    /// <summary>Sets a limit; false = the kernel refuses it.</summary>
    public bool TrySet(string file, string value) => TryDo(() => System.IO.File.WriteAllText(File(file), value));

    /// <summary>The pids in it.</summary>
    public HashSet<int> Members() => PidsIn(ReadLines("cgroup.procs"));

    internal static HashSet<int> PidsIn(IEnumerable<string> lines) =>
        [.. lines.Select(line => int.Parse(line, CultureInfo.InvariantCulture))];

    /// <summary>Kills all its processes at once, even one that is being forked; kernels before 5.14 cannot.</summary>
    public void Kill()
    {
        if (System.IO.File.Exists(KillSwitch))
        {
            _ = TrySet("cgroup.kill", "1");
        }
    }

    /// <summary>What its processes used; 0 = the kernel does not say.</summary>
    public CgroupUse ReadUse() => new(
        PeakMemoryBytes: ReadLines("memory.peak").Select(line => long.Parse(line, CultureInfo.InvariantCulture)).FirstOrDefault(),
        OomKilled: ReadEntry("memory.events", "oom_kill") > 0,
        CpuMs: ReadEntry("cpu.stat", "usage_usec") / 1000);

    /// <summary>Removes it, with the cgroups that the command made in it; false = it has processes.</summary>
    public bool TryRemove() => TryDo(() =>
    {
        foreach (var inner in Directory.GetDirectories(Path))
        {
            _ = new RunCgroup(inner, mustHold: false).TryRemove();
        }

        Directory.Delete(Path);
    });

    private static bool TryDo(Action action)
    {
        try
        {
            action();
            return true;
        }
        catch (DirectoryNotFoundException)
        {
            return true; // The cgroup is gone.
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }

    private string File(string name) => System.IO.Path.Combine(Path, name);

    private long ReadEntry(string file, string name) => ReadLines(file)
        .Where(line => line.StartsWith($"{name} ", StringComparison.Ordinal))
        .Select(line => long.Parse(line.AsSpan(name.Length + 1), CultureInfo.InvariantCulture))
        .FirstOrDefault();

    private string[] ReadLines(string file)
    {
        string[] lines = [];
        _ = TryDo(() => lines = System.IO.File.Exists(File(file)) ? System.IO.File.ReadAllLines(File(file)) : []);
        return lines;
    }
}

/// <summary>What all processes of a run used, including those that nobody waited for.</summary>
/// <param name="PeakMemoryBytes">The most memory they had at one time; 0 = unknown.</param>
/// <param name="OomKilled">Whether the kernel killed one because memory ran out.</param>
/// <param name="CpuMs">Processor time.</param>
internal sealed record CgroupUse(long PeakMemoryBytes, bool OomKilled, long CpuMs);
