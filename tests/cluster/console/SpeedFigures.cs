using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using Dts.Common.Etcd;
using Dts.Common.Jobs;
using Dts.Common.Logs;
using Dts.Tests.Support;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Playwright;
using Xunit;

namespace Dts.Tests.Cluster.ConsolePages;

/// <summary>
/// Prints how quick the console is with many jobs and runs: <c>make console-speed JOBS=10000 RUNS=1000000</c>. Skipped without
/// <c>CONSOLE_SPEED</c>.
/// </summary>
public sealed class SpeedFigures(ITestOutputHelper output)
{
    private static readonly string? Asked = Environment.GetEnvironmentVariable("CONSOLE_SPEED");

    /// <summary>Notes when rows are first there, and tasks of more than 50 ms.</summary>
    private const string Watch = """
        window.long = [];
        const note = (list) => long.push(...list.getEntries().map((one) => Math.round(one.duration)));
        new PerformanceObserver(note).observe({ type: 'longtask' });
        const look = () => {
          if (document.querySelector('.needs li, #page tbody tr:not(.pad)')) window.useful = Math.round(performance.now());
          else requestAnimationFrame(look);
        };
        look();
        """;

    [Fact]
    public async Task The_console_with_many_jobs_and_runs()
    {
        Assert.SkipWhen(Asked is null, "CONSOLE_SPEED says neither how many jobs nor how many runs");
        var (jobs, runs) = Asked!.Split(' ') is [var one, var two]
            ? (int.Parse(one, CultureInfo.InvariantCulture), int.Parse(two, CultureInfo.InvariantCulture))
            : throw new FormatException($"CONSOLE_SPEED is \"{Asked}\"; expected the numbers of jobs and runs");
        await using var cluster = await NativeCluster.StartAsync(1);
        await FillAsync(cluster, jobs, runs);
        using var playwright = await Playwright.CreateAsync();
        await using var browser = await playwright.Chromium.LaunchAsync(new()
        {
            ExecutablePath = "/usr/bin/chromium",
            Args = ["--no-sandbox", "--disable-gpu", "--enable-precise-memory-info", "--js-flags=--expose-gc"],
        });

        foreach (var path in new[] { "/", "/jobs", "/runs", "/", "/jobs", "/runs", "/", "/jobs", "/runs" })
        {
            await using var fresh = await browser.NewContextAsync(new() { ViewportSize = new() { Width = 1440, Height = 900 } });
            var cold = await OpenAsync(fresh, cluster, path);
            Print($"cold, {path}: {await cold.EvaluateAsync<string>(Waits)}");
        }

        await using var context = await browser.NewContextAsync(new() { ViewportSize = new() { Width = 1440, Height = 900 } });
        var page = await OpenAsync(context, cluster, "/");
        Print($"page to page: {await page.EvaluateAsync<string>(PageToPage)}");
        await page.GotoAsync(new Uri(cluster.MasterUri, "/jobs").ToString());
        await ConsoleTab.UntilAsync(page, "window.useful > 0");
        Print($"a letter in the filter to its rows: {await page.EvaluateAsync<string>(Typing)}");
        Print($"scrolling through 1,300 rows: {await page.EvaluateAsync<string>(Scrolling)}");
        Print($"memory then: {await page.EvaluateAsync<string>(Memory)}");
        await page.GotoAsync(new Uri(cluster.MasterUri, "/").ToString());
        await ConsoleTab.UntilAsync(page, "window.useful > 0");
        Print($"memory of Now: {await page.EvaluateAsync<string>(Memory)}");
        await LiveAsync(cluster, jobs);
        Print($"after {2 * RunsOfAnHour} events, an hour of a million runs a day: {await page.EvaluateAsync<string>(Memory)}");
    }

    private const int RunsOfAnHour = 1_000_000 / 24;

    /// <summary>Has the runs of an hour claimed and ended, in three minutes.</summary>
    private static async Task LiveAsync(NativeCluster cluster, int jobs)
    {
        const int atOnce = 50;
        using var etcd = cluster.Etcd.Connect(NullLogger.Instance);
        var session = new LeaseId((await etcd.ListAsync(Some.Keys.Workers))[0].Lease);
        var claim = new ClaimedRun("w1", $"{session}", DateTimeOffset.UtcNow, RunSpec.Scheduled(DateTimeOffset.UtcNow));
        List<string> before = [];
        using var clock = new PeriodicTimer(TimeSpan.FromSeconds(180.0 * atOnce / RunsOfAnHour));
        for (var n = 0; n < RunsOfAnHour; n += atOnce)
        {
            var names = Enumerable.Range(n, atOnce).Select(of => JobName.Parse(NameOf(of % jobs)));
            List<string> keys = [.. names.Select(name => Some.Keys.Run(name, claim.Run.Id))];
            var value = JsonSerializer.Serialize(claim, JobsJson.Readable.ClaimedRun);
            await etcd.TxnAsync(Txn.All([.. before.Select(Txn.Delete), .. keys.Select(key => Txn.Put(key, value))]));
            before = keys;
            await clock.WaitForNextTickAsync();
        }

        await etcd.TxnAsync(Txn.All(before.Select(Txn.Delete)));
    }

    private const string Memory = "() => { gc(); return `${(performance.memory.usedJSHeapSize / 1e6).toFixed(1)} MB`; }";

    /// <summary>When each of the things was there that the first rows wait for.</summary>
    private const string Waits = """
        () => {
          const all = performance.getEntriesByType('resource').filter((one) => one.responseEnd <= useful);
          const of = (pattern) => all.filter((one) => pattern.test(one.name));
          const ms = (value) => `${Math.round(value)} ms`;
          const last = (some) => some.reduce((end, one) => Math.max(end, one.responseEnd), 0);
          const data = of(new RegExp(`/api/v1/${location.pathname.slice(1) || 'now'}(\\?|$)`))[0];
          const begun = performance.getEntriesByType('navigation')[0].responseEnd;
          const paint = performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? NaN;
          return `first rows after ${ms(useful)}\nthat page had its document after ${ms(begun)}, its first paint ${ms(paint)}, `
            + `who we are ${ms(last(of(/\/me$/)))}, modules ${ms(last(of(/\.js$/)))}, `
            + `rows asked for ${ms(data.startTime)}, answered ${ms(data.responseEnd)}`;
        }
        """;

    private const string PageToPage = """
        async () => {
          const times = [];
          for (const path of ['/jobs', '/runs', '/workers', '/', '/jobs', '/runs', '/workers', '/']) {
            const begun = performance.now();
            document.querySelector(`#nav a[href="${path}"]`).click();
            const place = path.slice(1) || 'now';
            while (document.documentElement.dataset.page !== place || !document.querySelector('.needs li, #page tbody tr:not(.pad)')) {
              await new Promise(requestAnimationFrame);
            }
            times.push(`${place} ${Math.round(performance.now() - begun)} ms`);
            await new Promise((resolve) => setTimeout(resolve, 300));
          }
          return times.join(', ');
        }
        """;

    private const string Typing = """
        async () => {
          const input = document.querySelector('.filter input');
          input.focus();
          const times = [];
          for (const text of ['job-00', 'job-001', 'job-0012', 'job-00', 'job-005', 'job-0056']) {
            const shown = () => document.querySelector('.tools .end').textContent + document.querySelector('#crumbs').textContent;
            const before = shown();
            const begun = performance.now();
            input.value = text;
            input.dispatchEvent(new InputEvent('input', { bubbles: true }));
            while (shown() === before && performance.now() - begun < 3000) await new Promise(requestAnimationFrame);
            times.push(`${Math.round(performance.now() - begun)} ms`);
            await new Promise((resolve) => setTimeout(resolve, 400));
          }
          input.value = '';
          input.dispatchEvent(new InputEvent('input', { bubbles: true }));
          await new Promise((resolve) => setTimeout(resolve, 1000));
          return times.join(', ');
        }
        """;

    private const string Scrolling = """
        async () => {
          long.length = 0;
          let worst = 0;
          let last = performance.now();
          for (let n = 0; n < 400; n++) {
            scrollBy(0, 120);
            await new Promise(requestAnimationFrame);
            worst = Math.max(worst, performance.now() - last);
            last = performance.now();
          }
          return `tasks above 50 ms: ${long.length ? long.join(', ') : 'none'}; longest frame ${Math.round(worst)} ms`;
        }
        """;

    private static async Task<IPage> OpenAsync(IBrowserContext context, NativeCluster cluster, string path)
    {
        await context.AddInitScriptAsync(Watch);
        var page = await context.NewPageAsync();
        await page.GotoAsync(new Uri(cluster.MasterUri, path).ToString());
        await ConsoleTab.UntilAsync(page, "window.useful > 0");
        return page;
    }

    private static async Task FillAsync(NativeCluster cluster, int jobs, int runs)
    {
        const int atOnce = 5000;
        using (var log = new SqliteLogStore(Path.Combine(cluster.Folder, "log.db")))
        {
            var begin = DateTimeOffset.UtcNow.AddDays(-1);
            for (var first = 0; first < runs; first += atOnce)
            {
                var some = Enumerable.Range(first, Math.Min(atOnce, runs - first));
                await log.WriteAsync([.. some.Select(n => RecordOf(n % jobs, begin.AddDays((double)n / runs), n))], CancellationToken.None);
            }
        }

        using var http = new HttpClient { BaseAddress = cluster.MasterUri };
        for (var first = 0; first < jobs; first += atOnce)
        {
            var some = new JsonArray([.. Enumerable.Range(first, Math.Min(atOnce, jobs - first)).Select(JobOf)]);
            using var content = new StringContent(some.ToJsonString(), System.Text.Encoding.UTF8, "application/json");
            using var answer = await http.PostAsync("/api/v1/apply", content);
            Assert.True(answer.IsSuccessStatusCode, await answer.Content.ReadAsStringAsync());
        }

        await SomeDay.ReadAsync(cluster);
    }

    private static string NameOf(int n) => string.Create(CultureInfo.InvariantCulture, $"job-{n:00000}");

    private static JsonObject JobOf(int n) => new()
    {
        ["name"] = NameOf(n),
        ["command"] = "true",
        ["cronExpr"] = $"{n % 60} {n % 24} 1 1 *",
        ["labels"] = new JsonObject { ["team"] = $"team-{n % 40}" },
    };

    private static RunRecord RecordOf(int job, DateTimeOffset at, int n)
    {
        var isBad = n % 97 == 0;
        var start = at.ToUnixTimeMilliseconds();
        return new RunRecord(
            NameOf(job), "true", isBad ? "exit status 1" : "", "", start, start - 900, start + 1, start + (n % 90_000),
            $"{NameOf(job)}/{RunId.Of(at)}-{n}", isBad ? RunStatus.Failed : RunStatus.Succeeded, ExitCode: isBad ? 1 : 0, Worker: "w1",
            ExpireAt: at.AddDays(60));
    }

    private void Print(string line)
    {
        output.WriteLine(line);
        Console.WriteLine(line);
    }
}
