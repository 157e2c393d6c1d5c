using Xunit;

namespace Dts.Tests.Support;

/// <summary>A cgroup (version 2) of a test's own, removed at its end; skips the test on a host that cannot provide one.</summary>
internal sealed class CgroupFolder : IDisposable
{
    public CgroupFolder()
    {
        var mount = System.IO.File.ReadLines("/proc/self/mountinfo")
            .FirstOrDefault(line => line.Contains(" - cgroup2 ", StringComparison.Ordinal))
            ?.Split(' ')[4];
        Assert.SkipWhen(mount is null, "this host has no cgroup v2");
        Path = System.IO.Path.Combine(mount!, $"dts-test-{Guid.NewGuid():N}");
        Directory.CreateDirectory(Path);
    }

    public string Path { get; }

    /// <summary>The command that starts a program in it.</summary>
    public string[] Front => ["sh", "-c", "echo 0 > \"$0\" && exec \"$@\"", File("cgroup.procs")];

    public string File(string name) => System.IO.Path.Combine(Path, name);

    public static int[] PidsIn(string folder) =>
        [.. System.IO.File.ReadLines(System.IO.Path.Combine(folder, "cgroup.procs")).Select(int.Parse)];

    public void Dispose()
    {
        System.IO.File.WriteAllText(File("cgroup.kill"), "1");
        Patience.Until(() => !System.IO.File.ReadAllText(File("cgroup.events")).Contains("populated 1"), () => $"processes in {Path}")
            .GetAwaiter()
            .GetResult();
        foreach (var folder in Directory.GetDirectories(Path, "*", SearchOption.AllDirectories)
            .OrderByDescending(folder => folder.Length)
            .Append(Path))
        {
            Directory.Delete(folder);
        }
    }
}
