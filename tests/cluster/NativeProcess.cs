using System.Diagnostics;
using Dts.Tests.Support;

namespace Dts.Tests.Cluster;

/// <summary>One of the published executables, running, with its output in a file.</summary>
internal sealed class NativeProcess : IAsyncDisposable
{
    private readonly Process _process;
    private readonly string _logFile;

    private NativeProcess(Process process, string logFile) => (_process, _logFile) = (process, logFile);

    /// <summary>Where <c>make publish</c> puts the executables.</summary>
    public static string Folder { get; } = Environment.GetEnvironmentVariable("DTS_BIN") is { Length: > 0 } folder
        ? folder
        : throw new InvalidOperationException("DTS_BIN is not set: these tests need the native executables; run them with make test");

    public int Pid => _process.Id;

    public bool HasExited => _process.HasExited;

    public static NativeProcess Start(string executable, string logFile, params string[] arguments) =>
        StartBehind([], executable, logFile, arguments);

    /// <param name="front">A command that executes another, such as env or ip netns exec, and its arguments.</param>
    public static NativeProcess StartBehind(IEnumerable<string> front, string executable, string logFile, params string[] arguments)
    {
        string[] command =
        [
            "-c",
            "log=$1; shift; exec \"$@\" >>\"$log\" 2>&1 </dev/null",
            "sh",
            logFile,
            .. front,
            Path.Combine(Folder, executable),
            .. arguments,
        ];
        return new NativeProcess(Process.Start(new ProcessStartInfo("/bin/sh", command))!, logFile);
    }

    public string ReadLog() => File.Exists(_logFile) ? File.ReadAllText(_logFile) : "";

    public Task LogsSoon(string text) =>
        Patience.Until(() => ReadLog().Contains(text, StringComparison.Ordinal), () => $"no \"{text}\" in:\n{ReadLog()}");

    public int CountInLog(string text) => ReadLog().Split(text).Length - 1;

    /// <summary>Tells it to end and returns its exit code.</summary>
    public async Task<int> StopAsync()
    {
        using (Process.Start("kill", ["-TERM", $"{Pid}"]))
        {
            return await WaitAsync();
        }
    }

    /// <summary>Stops it where it is, as a stalled host would, or lets it go on.</summary>
    public void Signal(string signal)
    {
        using var kill = Process.Start("kill", [$"-{signal}", $"{Pid}"]);
        kill.WaitForExit();
    }

    public async Task<int> KillAsync()
    {
        _process.Kill();
        return await WaitAsync();
    }

    public async Task<int> WaitAsync()
    {
        await _process.WaitForExitAsync().WaitAsync(Patience.Limit);
        return _process.ExitCode;
    }

    public async ValueTask DisposeAsync()
    {
        if (!HasExited)
        {
            await KillAsync();
        }

        _process.Dispose();
    }
}
