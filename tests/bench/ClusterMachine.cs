using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;
using Dts.Tests.Support;

namespace Dts.Bench;

/// <summary>The machine that figures are taken on, and whether somebody else is using it.</summary>
internal static class ClusterMachine
{
    public const double TicksPerSecond = 100; // proc(5), USER_HZ

    private const double Calm = 0.2; // of a core, over a second

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30); // for the whole run
    private static readonly Stopwatch Waited = new();

    /// <summary>One line: when, which commit, which processors and versions.</summary>
    public static async Task<string> DescribeAsync()
    {
        var etcd = (await Tool.RunAsync("etcd", "--version")).Split('\n')[0].Replace(" Version:", "", StringComparison.Ordinal);
        var model = File.ReadLines("/proc/cpuinfo")
            .FirstOrDefault(line => line.StartsWith("model name", StringComparison.Ordinal))
            ?.Split(": ")[^1];
        return $"{DateTime.UtcNow:yyyy-MM-dd HH:mm} UTC, {await DescribeCommitAsync()}, {Environment.ProcessorCount} cores ({model}), "
            + $"Linux {File.ReadAllText("/proc/sys/kernel/osrelease").Trim()}, {etcd}, {RuntimeInformation.FrameworkDescription}, "
            + $"load {ReadLoad()} at the start.";
    }

    /// <summary>Waits until the processors are idle; if they never are, says so, and the figures are what they are.</summary>
    public static async Task CalmAsync()
    {
        using var timer = new PeriodicTimer(TimeSpan.FromSeconds(1));
        Waited.Start();
        double busy;
        do
        {
            var before = ReadBusy();
            await timer.WaitForNextTickAsync();
            busy = ReadBusy() - before;
        }
        while (busy > Calm && Waited.Elapsed < Patience);

        Waited.Stop();
        if (busy > Calm)
        {
            await Console.Error.WriteLineAsync(
                $"this machine is not idle: others use {busy:F1} of its {Environment.ProcessorCount} cores, load {ReadLoad()}");
        }
    }

    /// <summary>Seconds of processor time that have been used by everybody, hypervisor included.</summary>
    public static double ReadBusy()
    {
        // proc(5): user, nice, system, idle, iowait, irq, softirq, steal; what follows is contained in these.
        var ticks = File.ReadLines("/proc/stat").First().Split(' ', StringSplitOptions.RemoveEmptyEntries)[1..9]
            .Select(number => double.Parse(number, CultureInfo.InvariantCulture)).ToArray();
        return (ticks.Sum() - ticks[3] - ticks[4]) / TicksPerSecond;
    }

    private static async Task<string> DescribeCommitAsync()
    {
        var root = Tool.InRepository(".");
        var commit = (await Tool.RunAsync("git", "-C", root, "rev-parse", "--short", "HEAD")).Trim();
        var changed = await Tool.RunAsync("git", "-C", root, "status", "--porcelain", "--", "common", "master", "worker", "tests/bench");
        return changed.Length > 0 ? $"commit {commit} with changes" : $"commit {commit}";
    }

    private static string ReadLoad() => File.ReadAllText("/proc/loadavg").Split(' ')[0];
}
