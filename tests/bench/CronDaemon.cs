using System.Diagnostics;
using System.Globalization;
using Dts.Tests.Support;

namespace Dts.Bench;

/// <summary>
/// Debian's cron with a crontab of its own, in a mount namespace. Beside other measurements it starts its commands at the beginning of each
/// minute: so many at one minute, so many at the next.
/// </summary>
internal sealed class CronDaemon : IDisposable
{
    private const int Minute = 60_000;

    private const string Run = """
        set -e
        mount --bind "$1" /etc/crontab
        mount -t tmpfs tmpfs /etc/cron.d
        mount -t tmpfs tmpfs /run
        mount -t tmpfs tmpfs /var/spool/cron
        mkdir -m 1730 /var/spool/cron/crontabs
        exec cron -f
        """;

    private readonly Process _process;
    private readonly int[] _counts;
    private readonly string _folder;
    private readonly long _since = DateTimeOffset.UtcNow.ToUnixTimeMilliseconds();

    private CronDaemon(Process process, int[] counts, string folder) => (_process, _counts, _folder) = (process, counts, folder);

    public bool IsAlive => !_process.HasExited;

    public static CronDaemon Start(string folder, int[] counts)
    {
        var lines = counts.SelectMany((count, n) => Enumerable.Repeat(
            string.Create(CultureInfo.InvariantCulture, $"{n}-59/{counts.Length} * * * * root {ClockOf(folder, count).Command}"), count));
        var crontab = Path.Combine(folder, "crontab");
        File.WriteAllLines(crontab, ["SHELL=/bin/bash", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "MAILTO=\"\"", .. lines]);
        File.SetUnixFileMode(crontab, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead | UnixFileMode.OtherRead);
        string[] command = ["-m", "bash", "-c", $"exec >{folder}/cron.log 2>&1 </dev/null; {Run}", "cron", crontab];
        return new CronDaemon(Process.Start("unshare", command), counts, folder);
    }

    /// <summary>Whether cron starts commands, or is about to, at some time of this span.</summary>
    public static bool IsBusy(long from, long to) => from / Minute != (to + 1000) / Minute || from % Minute < 3000;

    /// <summary>The lags of so many commands, for each minute at which they were due.</summary>
    public IReadOnlyList<Lags> Read(int count) =>
        [.. ClockOf(_folder, count).Read(_since, long.MaxValue, Minute)
            .GroupBy(start => start.Plan)
            .Select(minute => new Lags([.. minute.Select(start => start.At - start.Plan)], count))];

    public string Describe() => File.ReadAllText(Path.Combine(_folder, "cron.log"));

    public void Dispose()
    {
        if (IsAlive)
        {
            _process.Kill();
            _process.WaitForExit(Patience.Limit);
        }

        _process.Dispose();
    }

    private static ClockFile ClockOf(string folder, int count) => new(Path.Combine(folder, $"cron-{count}"));
}
