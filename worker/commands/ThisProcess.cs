using Dts.Common.Jobs;

namespace Dts.Worker.Commands;

/// <summary>The identity of this process, and whether another one of this host still lives.</summary>
internal static class ThisProcess
{
    public static ProcessIdentity Identity { get; } =
        new(ReadBoot(), Environment.ProcessId, ProcessTable.Find(Environment.ProcessId)?.StartTicks ?? 0);

    /// <summary>True = the process ran on this host and has ended. False = it lives, or that cannot be told from here.</summary>
    public static bool SeesEnded(ProcessIdentity process) =>
        process.Boot == Identity.Boot && ProcessTable.Find(process.Pid)?.StartTicks != process.StartTicks;

    /// <summary>The command line that runs this program with other arguments.</summary>
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
            return Guid.NewGuid().ToString(); // Unknown: no process of another start counts as of this boot.
        }
    }
}
