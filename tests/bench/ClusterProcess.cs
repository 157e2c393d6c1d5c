using System.Diagnostics;
using System.Globalization;
using Dts.Tests.Support;

namespace Dts.Bench;

/// <summary>
/// One service that figures are taken of, a worker with the process that holds its commands: its output is in a file, what it uses is what
/// the kernel says.
/// </summary>
internal sealed class ClusterProcess : IDisposable
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(60);

    private readonly Process _process;
    private readonly Stopwatch _sinceStart;

    private ClusterProcess(Process process, Stopwatch sinceStart, string logFile) =>
        (_process, _sinceStart, LogFile) = (process, sinceStart, logFile);

    public string LogFile { get; }

    public int Pid => _process.Id;

    /// <summary>In the command line of the processes beside it that belong to it; null = there are none.</summary>
    public string? Beside { get; init; }

    public static ClusterProcess Start(string logFile, string? beside, string program, params string[] arguments)
    {
        File.Delete(logFile); // of one of the same name before
        var sinceStart = Stopwatch.StartNew();
        string[] command = ["-c", "log=$1; shift; exec \"$@\" >\"$log\" 2>&1 </dev/null", "sh", logFile, program, .. arguments];
        return new ClusterProcess(Process.Start(new ProcessStartInfo("/bin/sh", command))!, sinceStart, logFile) { Beside = beside };
    }

    /// <summary>The time from its start until its log has a text.</summary>
    public async Task<TimeSpan> LogsAsync(string text)
    {
        using var timer = new PeriodicTimer(TimeSpan.FromMilliseconds(1));
        while (!File.Exists(LogFile) || !(await File.ReadAllTextAsync(LogFile)).Contains(text, StringComparison.Ordinal))
        {
            if (_process.HasExited || _sinceStart.Elapsed > Limit)
            {
                throw new TimeoutException($"no \"{text}\" in {LogFile}:\n{await File.ReadAllTextAsync(LogFile)}");
            }

            await timer.WaitForNextTickAsync();
        }

        return _sinceStart.Elapsed;
    }

    /// <summary>Resident memory in MB: now, and the most it has been.</summary>
    public string DescribeMemory()
    {
        var all = Pids()
            .Select(
                pid => File.ReadLines($"/proc/{pid}/status").Select(line => line.Split(':')).ToDictionary(line => line[0], line => line[1]))
            .ToList();
        return string.Create(CultureInfo.InvariantCulture, $"{Megabytes("VmRSS"):F1} ({Megabytes("VmHWM"):F1})");

        double Megabytes(string name) => all.Sum(lines => Number(lines[name].Replace("kB", "", StringComparison.Ordinal))) / 1024;
    }

    public (double Megabytes, int Threads) ReadMemoryAndThreads()
    {
        var lines = File.ReadLines($"/proc/{_process.Id}/status").Select(line => line.Split(':'))
            .ToDictionary(line => line[0], line => line[1]);
        return (Number(lines["VmRSS"].Replace("kB", "", StringComparison.Ordinal)) / 1024, (int)Number(lines["Threads"]));
    }

    /// <summary>The number of a line in /proc/pid/status.</summary>
    public long ReadStatus(string name) => (long)Number(
        File.ReadLines($"/proc/{_process.Id}/status").First(line => line.StartsWith($"{name}:", StringComparison.Ordinal))
            .Split(':')[1].Replace("kB", "", StringComparison.Ordinal));

    /// <summary>Resident memory of a process, in bytes.</summary>
    public static double ReadMemory(int pid) => 1024 * Number(
        File.ReadLines($"/proc/{pid}/status").First(line => line.StartsWith("VmRSS:", StringComparison.Ordinal))
            .Split(':')[1].Replace("kB", "", StringComparison.Ordinal));

    /// <summary>Seconds of processor time: its own, and that of its children which have been reaped.</summary>
    public (double Own, double Children) ReadCpu()
    {
        // proc(5): the first one here is the 3rd, state
        var fields = Pids().Select(pid => File.ReadAllText($"/proc/{pid}/stat").Split(") ")[^1].Split(' ')).ToList();
        return (Sum(11), Sum(13));

        double Sum(int first) => fields.Sum(each => Number(each[first]) + Number(each[first + 1])) / ClusterMachine.TicksPerSecond;
    }

    public void Dispose()
    {
        if (!_process.HasExited)
        {
            _process.Kill();
            _process.WaitForExit(Limit);
        }

        _process.Dispose();
    }

    /// <summary>Itself and what is beside it.</summary>
    public IEnumerable<int> Pids() => Beside is null ? [_process.Id] : [_process.Id, .. Processes.Running(Beside)];

    private static double Number(string text) => double.Parse(text, CultureInfo.InvariantCulture);
}
