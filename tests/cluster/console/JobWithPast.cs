using System.Globalization;
using System.Text.Json;
using Dts.Common.Jobs;
using Dts.Common.Logs;
using Dts.Tests.Support;
using Microsoft.Extensions.Logging.Abstractions;

namespace Dts.Tests.Cluster.ConsolePages;

/// <summary>A job that has run every half hour for thirty days: etcd knows its schedule since then, the log its endings.</summary>
internal static class JobWithPast
{
    public const string Name = "etl-sync-stock";
    public const string LastLine = "synced 18,204 items";

    private const int Days = 30;
    private const string Zone = "Europe/Berlin";

    private static readonly TimeSpan Step = TimeSpan.FromMinutes(30);
    private static readonly TimeZoneInfo Berlin = TimeZoneInfo.FindSystemTimeZoneById(Zone);

    /// <summary>In Berlin 03:00 takes 31 minutes, so 03:30 is skipped; five days ago three fires were missed from 11:00 on.</summary>
    public static async Task FillAsync(NativeCluster cluster)
    {
        var now = DateTimeOffset.UtcNow;
        var start = new DateTimeOffset(now.UtcDateTime.Date, TimeSpan.Zero).AddDays(-Days);
        var more = new { timeZone = Zone, labels = new { team = "data" }, description = "Syncs the stock" };
        await cluster.SaveAsync(Name, "sync --batch 500", "*/30 * * * *", more);
        using (var etcd = cluster.Etcd.Connect(NullLogger.Instance))
        {
            var change = new ScheduleChange(start.AddSeconds(-1), "*/30 * * * *", Zone);
            await etcd.PutAsync(
                new Keys("/cron/").AllHistory + Name,
                JsonSerializer.Serialize([change], JobsJson.Readable.IReadOnlyListScheduleChange));
        }

        List<RunRecord> records = [];
        for (var at = start; at < now.AddMinutes(-2); at += Step)
        {
            records.Add(RecordOf(at, TimeZoneInfo.ConvertTime(at, Berlin), now));
        }

        using var log = new SqliteLogStore(Path.Combine(cluster.Folder, "log.db"));
        await log.WriteAsync(records, CancellationToken.None);
    }

    private static RunRecord RecordOf(DateTimeOffset at, DateTimeOffset wall, DateTimeOffset now)
    {
        var (hour, minute) = (wall.Hour, wall.Minute);
        var isOutage = wall.Date == TimeZoneInfo.ConvertTime(now, Berlin).Date.AddDays(-5) && hour == 11;
        return isOutage ? Record(at, RunStatus.Missed, TimeSpan.Zero, "no live worker matches its target (zone=eu) within 60 s")
            : (hour, minute) == (3, 30) ? Record(at, RunStatus.Skipped, TimeSpan.Zero, "the previous run was still going")
            : (hour, minute) == (3, 0) ? Record(at, RunStatus.Succeeded, TimeSpan.FromMinutes(31))
            : (hour, minute, wall.Day % 9) == (14, 30, 0) ? Record(at, RunStatus.Failed, TimeSpan.FromSeconds(4), "exit status 75")
            : Record(at, RunStatus.Succeeded, TimeSpan.FromSeconds(60 + (at.Day % 20)));
    }

    private static RunRecord Record(DateTimeOffset at, RunStatus status, TimeSpan took, string err = "")
    {
        var planned = at.ToUnixTimeMilliseconds();
        var hasRun = took > TimeSpan.Zero;
        var line = status == RunStatus.Succeeded ? LastLine : hasRun ? "error: shop-api answered 503" : "";
        return new RunRecord(
            Name,
            "sync --batch 500",
            err,
            line + "\n",
            planned,
            planned - 1101,
            planned + (hasRun ? 1 : 0),
            planned + (hasRun ? 1 : 0) + (long)took.TotalMilliseconds,
            string.Create(CultureInfo.InvariantCulture, $"{Name}/{RunId.Of(at)}"),
            status,
            ExitCode: !hasRun ? null : status == RunStatus.Succeeded ? 0 : 75,
            Worker: hasRun ? "w1" : "",
            OutputBytes: line.Length + 1,
            LastLine: line,
            MaxRssKb: hasRun ? 420_000 : 0,
            ExpireAt: at.AddDays(90));
    }
}
