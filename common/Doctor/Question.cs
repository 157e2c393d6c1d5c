using System.Diagnostics;

namespace Dts.Common.Doctor;

/// <summary>A short command that the doctor waits for, and its answer.</summary>
public static class Question
{
    private static readonly TimeSpan AnswerWithin = TimeSpan.FromSeconds(3);

    /// <summary>The exit code, and what it printed to both outputs; null = it did not end in time.</summary>
    public static (int? ExitCode, string Output) Ask(string script)
    {
        var start = new ProcessStartInfo("/bin/sh", ["-c", $"exec 2>&1 </dev/null; {script}"]) { RedirectStandardOutput = true };
        foreach (var secret in start.Environment.Keys.Where(name => name.StartsWith("DTS_", StringComparison.Ordinal)).ToList())
        {
            start.Environment.Remove(secret);
        }

        using var shell = Process.Start(start)!;
        var said = shell.StandardOutput.ReadToEndAsync();
        if (!said.Wait(AnswerWithin) || !shell.WaitForExit(AnswerWithin))
        {
            shell.Kill(entireProcessTree: true);
            return (null, "");
        }

        return (shell.ExitCode, said.Result.TrimEnd('\n'));
    }
}
