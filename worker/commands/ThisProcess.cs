using Dts.Common.Jobs;

namespace Dts.Worker.Commands;

/// <summary>The identity of this process, and whether another one of this host still lives.</summary>
internal static class ThisProcess
{
    public static ProcessIdentity Identity { get; } =
        new(ReadBoot(), Environment.ProcessId, ProcessTable.Find(Environment.ProcessId)?.StartTicks ?? 0);

    /// <summary>A process was here and has ended. False when it is alive, and when that cannot be told from here.</summary>
    public static bool SeesEnded(ProcessIdentity process) =>
        process.Boot == Identity.Boot && ProcessTable.Find(process.Pid)?.StartTicks != process.StartTicks;

    /// <summary>What runs this program once more, with these arguments.</summary>
    public static IReadOnlyList<string> Invocation(params string[] arguments)
    {
        var program = Environment.ProcessPath!;
        return Path.GetFileNameWithoutExtension(program) == "dotnet"
            ? [program, Environment.GetCommandLineArgs()[0], .. arguments]
            : [program, .. arguments];
    }

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
