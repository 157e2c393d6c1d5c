using System.Globalization;
using System.Text;
using System.Text.Json.Nodes;
using Dts.Common.Jobs;
using Dts.Common.Logs;
using Dts.Tests.Support;

namespace Dts.Tests.Cluster.ConsolePages;

/// <summary>
/// The days of an ordinary cluster, for the browser: jobs that are well, some that are not, jobs with hostile texts, and what has become of
/// their runs until now.
/// </summary>
internal static class SomeDay
{
    public const string HostileName = "<img src=x onerror=window.hacked=1>";
    public const string RightToLeft = "وظيفة النسخ الاحتياطي";
    public static readonly string LongName = string.Concat(Enumerable.Repeat("long-", 39)) + "name!";

    private const string NoWorker = "no live worker matches its target (zone=us-east) within 60 s";
    private const int RunsOfEach = 60;

    private static readonly Kind[] Kinds =
    [
        new("backup-postgres-main", "0 * * * *", "data", 3600, 220, RunStatus.Failed, "pg_dump: error: connection to \"db-2\" failed", 4),
        new("backup-etcd-snapshot", "17 */6 * * *", "platform", 21_600, 4),
        new("backup-mailstore", "30 2 * * *", "mail", 86_400, 1320),
        new("cert-renewal", "17 4 * * *", "platform", 86_400, 2),
        new("cleanup-sessions", "*/10 * * * *", "web", 600, 6, RunStatus.Skipped, "the previous run was still going"),
        new("cleanup-tmp-build-hosts", "40 3 * * *", "ci", 86_400, 31),
        new("docker-image-prune", "1 15 * * *", "ci", 86_400, 180),
        new("etl-clickstream-hourly", "5 * * * *", "data", 3600, 360),
        new("etl-exchange-rates", "*/15 8-18 * * 1-5", "finance", 900, 1, RunStatus.Cancelled, "the job was paused before it started"),
        new("etl-orders-to-warehouse", "50 11 * * *", "data", 86_400, 1440),
        new("etl-sync-inventory", "*/30 * * * *", "shop", 1800, 72, RunStatus.Killed, "killed: shop maintenance"),
        new("invoice-run-monthly", "0 18 LW * *", "finance", 2_592_000, 3060),
        new("ldap-group-sync", "5/20 * * * *", "platform", 1200, 9),
        new("logs-rotate-edge", "0 */3 * * *", "web", 10_800, 12, RunStatus.Lost, "worker eu-11 was gone"),
        new("metrics-rollup-5m", "*/5 * * * *", "platform", 300, 21),
        new("ml-embed-refresh", "*/7 * * * *", "ml", 840, 123, RunStatus.TimedOut, "waiting for lock on stock_items", 1),
        new("report-daily-revenue", "30 7 * * *", "finance", 86_400, 72, RunStatus.Missed, NoWorker, 1),
    ];

    /// <param name="more">How many jobs besides, that have not run yet.</param>
    public static async Task FillAsync(NativeCluster cluster, int more = 0)
    {
        using (var log = new SqliteLogStore(Path.Combine(cluster.Folder, "log.db")))
        {
            await log.WriteAsync([.. Kinds.SelectMany(RecordsOf)], CancellationToken.None);
        }

        var jobs = new JsonArray(
        [
            .. Kinds.Select(kind => JobOf(kind.Name, kind.CronExpr, kind.Team, "sleep 7200")), // To the end of the tests.
            JobOf(HostileName, "0 0 1 1 *", "<b>bold</b>", "printf '\\033[31m<script>window.hacked=1</script>'; exit 3"),
            JobOf(RightToLeft, "15 3 * * *", "data", "true"),
            JobOf(LongName, "15 3 * * *", "data", "true"),
            .. Enumerable.Range(0, more)
                .Select(n => JobOf(string.Create(CultureInfo.InvariantCulture, $"job-{n:0000}"), "H H 1 1 *", "bulk", "true")),
        ]);
        await PostAsync(cluster, "/api/v1/apply", jobs.ToJsonString());
        await cluster.CallAsync("/api/v1/jobs/cert-renewal/pause");
    }

    /// <summary>Waits until the master has read the endings of all jobs.</summary>
    public static async Task ReadAsync(NativeCluster cluster)
    {
        JsonNode? now = null;
        await Patience.Until(
            () => (int)(now = cluster.GetAsync("/api/v1/now").Result)["counts"]!["unknown"]! == 0 && (int)now["counts"]!["jobs"]! > 0,
            () => $"{now}");
    }

    private static JsonObject JobOf(string name, string cronExpr, string team, string command) => new()
    {
        ["name"] = name,
        ["command"] = command,
        ["cronExpr"] = cronExpr,
        ["timeZone"] = "Europe/Berlin",
        ["labels"] = new JsonObject { ["team"] = team },
    };

    private static async Task PostAsync(NativeCluster cluster, string path, string json)
    {
        using var http = new HttpClient { BaseAddress = cluster.MasterUri };
        using var content = new StringContent(json, Encoding.UTF8, "application/json");
        using var answer = await http.PostAsync(path, content);
        Xunit.Assert.True(answer.IsSuccessStatusCode, await answer.Content.ReadAsStringAsync());
    }

    private static IEnumerable<RunRecord> RecordsOf(Kind kind)
    {
        var random = new Random(kind.Name.Length);
        var latest = DateTimeOffset.FromUnixTimeSeconds((DateTimeOffset.UtcNow.ToUnixTimeSeconds() - 60) / kind.Every * kind.Every);
        for (var n = RunsOfEach - 1; n >= 0; n--)
        {
            var isBad = kind.Bad is not null && (n < kind.AtTheEnd || (n > kind.AtTheEnd && random.Next(20) == 0));
            yield return RecordOf(kind, latest.AddSeconds(-n * kind.Every), isBad ? kind.Bad!.Value : RunStatus.Succeeded, random);
        }
    }

    private static RunRecord RecordOf(Kind kind, DateTimeOffset planTime, RunStatus status, Random random)
    {
        var hasRun = status is not (RunStatus.Skipped or RunStatus.Missed or RunStatus.Cancelled);
        var planned = planTime.ToUnixTimeMilliseconds();
        var took = hasRun ? (long)(kind.Seconds * 1000 * (0.8 + (random.NextDouble() * 0.4))) : 0;
        var line = status == RunStatus.Succeeded
            ? string.Create(CultureInfo.InvariantCulture, $"done: {random.Next(100, 9000)} items, {random.Next(90)} changed")
            : status is RunStatus.Failed or RunStatus.TimedOut ? kind.Says : "";
        return new RunRecord(
            kind.Name,
            "sleep 7200",
            status == RunStatus.Succeeded ? "" : status == RunStatus.Failed ? "exit status 1" : kind.Says,
            line + "\n",
            planned,
            planned - 900,
            planned + random.Next(3),
            planned + took,
            $"{kind.Name}/{RunId.Of(planTime)}",
            status,
            ExitCode: !hasRun || status is RunStatus.Killed or RunStatus.Lost ? null : status == RunStatus.Succeeded ? 0 : 1,
            Signal: status == RunStatus.Killed ? 15 : null,
            Worker: hasRun ? $"w{random.Next(1, 3)}" : "",
            OutputBytes: line.Length,
            LastLine: line,
            ExpireAt: planTime.AddDays(60));
    }

    /// <param name="Every">Seconds from run to run.</param>
    /// <param name="Bad">How some runs ended; null = all succeeded.</param>
    /// <param name="Says">The last line, or the reason, of those.</param>
    /// <param name="AtTheEnd">How many of the latest runs ended so.</param>
    private sealed record Kind(
        string Name, string CronExpr, string Team, int Every, int Seconds, RunStatus? Bad = null, string Says = "", int AtTheEnd = 0);
}
