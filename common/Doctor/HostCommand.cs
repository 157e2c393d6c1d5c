using System.Diagnostics;

namespace Dts.Common.Doctor;

/// <summary>A short shell command that the doctor runs on this host, without the service's secrets.</summary>
public static class HostCommand
{
    private static readonly TimeSpan EndsWithin = TimeSpan.FromSeconds(3);

    /// <summary>Runs it; an exit code of null means that it did not end in time.</summary>
    /// <param name="within">Null = three seconds.</param>
    public static (int? ExitCode, string Output) Run(string script, TimeSpan? within = null)
    {
        var limit = within ?? EndsWithin;
        var start = new ProcessStartInfo("/bin/sh", ["-c", $"exec 2>&1 </dev/null; {script}"]) { RedirectStandardOutput = true };
        foreach (var secret in start.Environment.Keys.Where(name => name.StartsWith("DTS_", StringComparison.Ordinal)).ToList())
        {
            start.Environment.Remove(secret);
        }

        using var shell = Process.Start(start)!;
        var output = shell.StandardOutput.ReadToEndAsync();
        if (!output.Wait(limit) || !shell.WaitForExit(limit))
        {
            shell.Kill(entireProcessTree: true);
            return (null, "");
        }

        return (shell.ExitCode, output.Result.TrimEnd('\n'));
    }
}
