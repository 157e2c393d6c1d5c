namespace Dts.Common.Shell;

/// <summary>Names one process for good: pids are used again, and on other hosts.</summary>
/// <param name="Boot">The kernel's boot id (random(4)) and the pid namespace (namespaces(7)) in which the pid counts.</param>
/// <param name="StartTicks">When it started, in clock ticks since boot (proc(5), stat, field 22).</param>
public sealed record ProcessIdentity(string Boot, int Pid, long StartTicks)
{
    public static ProcessIdentity Current { get; } = new(ReadBoot(), Environment.ProcessId, ProcessTable.Find(Environment.ProcessId)?.StartTicks ?? 0);

    /// <summary>It was here, and is no more. False when it is alive, and when that cannot be told from here.</summary>
    public bool IsCertainlyDead => Boot == Current.Boot && ProcessTable.Find(Pid)?.StartTicks != StartTicks;

    private static string ReadBoot()
    {
        try
        {
            var boot = File.ReadAllText("/proc/sys/kernel/random/boot_id").Trim();
            return $"{boot} {File.ResolveLinkTarget("/proc/self/ns/pid", returnFinalTarget: false)?.Name}";
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            return Guid.NewGuid().ToString(); // Nobody can tell: nothing is certain.
        }
    }
}
