using System.Diagnostics;
using System.Globalization;

namespace Dts.Tests.Support;

/// <summary>A command in a session of its own, as in its own terminal: SIGINT reaches all of it, and is not ignored.</summary>
/// <remarks>
/// The child of this process is a shell in the tests' own session. .NET ends the process when another reaps a child of it, and tests of
/// holders reap what ends in other sessions.
/// </remarks>
internal sealed class OwnSession : IDisposable
{
    private const string Script = "setsid env --default-signal=INT,QUIT \"$@\" >/dev/null & echo $!; exec >&-; wait $!";

    private readonly Process _shell;
    private readonly int _leader;

    public OwnSession(IEnumerable<string> command)
    {
        var start = new ProcessStartInfo("/bin/bash", ["-c", Script, "session", .. command]) { RedirectStandardOutput = true };
        start.Environment.Remove("MAKEFLAGS"); // They belong to the make that runs the tests.
        _shell = Process.Start(start)!;
        _leader = int.Parse(_shell.StandardOutput.ReadLine()!, CultureInfo.InvariantCulture);
    }

    /// <returns>The exit code.</returns>
    public async Task<int> EndedAsync()
    {
        await _shell.WaitForExitAsync().WaitAsync(Patience.Limit);
        return _shell.ExitCode;
    }

    /// <summary>Ctrl-C.</summary>
    public Task<string> InterruptAsync() => Tool.RunAsync("kill", "-INT", "--", $"-{_leader}");

    /// <summary>Kills what is left of it.</summary>
    public void Dispose()
    {
        using var kill = Process.Start("bash", ["-c", $"kill -KILL -- -{_leader} 2>/dev/null || true"]);
        kill.WaitForExit();
        _shell.Dispose();
    }
}
