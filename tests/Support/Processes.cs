using System.Diagnostics;

namespace Dts.Tests.Support;

/// <summary>Reads processes from the kernel, independently of the product.</summary>
internal static class Processes
{
    /// <summary>Whether the process exists and is not a zombie.</summary>
    public static bool IsAlive(int pid) => StateOf(pid) is not (null or "Z" or "X");

    /// <summary>Processes that have this entry ("NAME=value") in their environment.</summary>
    public static List<int> With(string environmentEntry) =>
        [.. Directory.GetDirectories("/proc")
            .Select(Path.GetFileName)
            .Select(name => int.TryParse(name, out var pid) ? pid : 0)
            .Where(pid => pid > 0 && EnvironmentOf(pid).Contains(environmentEntry) && IsAlive(pid))];

    /// <summary>Processes whose command line contains this text.</summary>
    public static List<int> Running(string text) =>
        [.. Directory.GetDirectories("/proc")
            .Select(Path.GetFileName)
            .Select(name => int.TryParse(name, out var pid) ? pid : 0)
            .Where(pid => pid > 0 && Describe(pid).Contains(text, StringComparison.Ordinal) && IsAlive(pid))];

    /// <summary>Kills a process that a test has left behind on purpose, and that may have ended meanwhile.</summary>
    public static void Kill(int pid)
    {
        try
        {
            using var process = Process.GetProcessById(pid);
            process.Kill();
        }
        catch (Exception ended) when (ended is ArgumentException or InvalidOperationException)
        {
            // It has ended by itself.
        }
    }

    /// <summary>Sends a signal ("STOP") to a process that may have ended.</summary>
    public static void Signal(int pid, string signal)
    {
        using var kill = Process.Start("kill", [$"-{signal}", $"{pid}"]);
        kill.WaitForExit();
    }

    /// <summary>The letter of a process's state (proc(5)), or null if there is no such process.</summary>
    public static string? StateOf(int pid)
    {
        try
        {
            return File.ReadAllText($"/proc/{pid}/stat").Split(") ")[^1][..1];
        }
        catch (IOException)
        {
            return null;
        }
    }

    /// <summary>A process in one line, for the message of a failed test.</summary>
    public static string Describe(int pid)
    {
        try
        {
            var status = File.ReadAllLines($"/proc/{pid}/status").Where(line => line.StartsWith("Name", StringComparison.Ordinal)
                || line.StartsWith("State", StringComparison.Ordinal) || line.StartsWith("Sig", StringComparison.Ordinal)
                || line.StartsWith("PPid", StringComparison.Ordinal) || line.StartsWith("ShdPnd", StringComparison.Ordinal));
            return $"{pid} {string.Join(' ', status).Replace('\t', ' ')} {File.ReadAllText($"/proc/{pid}/cmdline").Replace('\0', ' ')} "
                + $"waits in {File.ReadAllText($"/proc/{pid}/wchan")}";
        }
        catch (IOException)
        {
            return $"{pid} gone";
        }
    }

    private static string[] EnvironmentOf(int pid)
    {
        try
        {
            return File.ReadAllText($"/proc/{pid}/environ").Split('\0');
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return [];
        }
    }
}
