using Xunit;
using static Microsoft.Playwright.Assertions;

namespace Dts.Tests.Cluster.ConsolePages;

/// <summary>
/// Writes a picture of each page and state into the folder that <c>SCREENSHOTS</c> names: <c>make screenshots</c>. Skipped without it.
/// </summary>
public sealed class Screenshots(ConsoleBrowser browser) : IClassFixture<ConsoleBrowser>
{
    private static readonly string? Folder = Environment.GetEnvironmentVariable("SCREENSHOTS");

    /// <summary>A page, and what is done before its picture is taken.</summary>
    private static readonly (string Name, string Path, Func<ConsoleTab, Task>? Prepare)[] Views =
    [
        ("now", "/", null),
        ("jobs", "/jobs", null),
        ("jobs-filtered", "/jobs?filter=label:team%3Ddata+ending:failed|succeeded", null),
        ("jobs-nothing", "/jobs?filter=nothing-has-this", null),
        ("jobs-completion", "/jobs", async tab =>
        {
            await tab["#page .filter input"].ClickAsync();
            await tab.Page.Keyboard.TypeAsync("state:");
            await tab.Page.WaitForSelectorAsync(".choices li");
        }),
        ("jobs-hostile", "/jobs?sort=name&filter=-job-", tab => tab.Page.EvaluateAsync("scrollTo(0, 1e6)")),
        ("runs", "/runs", null),
        ("runs-failed", "/runs?filter=ending:failed", null),
        ("runs-by-job", "/runs?view=job", null),
        ("runs-by-worker", "/runs?view=worker", null),
        ("workers", "/workers", null),
        ("lost", "/jobs/a/b/c/d", null),
        ("job-runs", $"/jobs/{JobWithPast.Name}", null),
        ("job-calendar", $"/jobs/{JobWithPast.Name}/calendar", async tab =>
        {
            await tab[".ask input"].FillAsync("昨天 3:30");
            await tab.PressAsync("Enter");
            await tab.Page.WaitForSelectorAsync(".cal .picked");
        }),
        ("job-statistics", $"/jobs/{JobWithPast.Name}/statistics", null),
        ("job-history", $"/jobs/{JobWithPast.Name}/history", null),
        ("job-json", $"/jobs/{JobWithPast.Name}/json", null),
        ("job-hostile", $"/jobs/{Uri.EscapeDataString(SomeDay.HostileName)}/edit", null),
        ("job-long-name", $"/jobs/{Uri.EscapeDataString(SomeDay.LongName)}", null),
        ("run-failed", "/runs?filter=ending:failed", async tab =>
        {
            await tab["tbody .s-failed"].First.ClickAsync();
            await tab.Page.WaitForSelectorAsync(".out .ln");
        }),
        ("edit", $"/jobs/{JobWithPast.Name}/edit", async tab =>
        {
            await tab["#f-cronExpr"].FillAsync("30 2 * * *");
            await Expect(tab[".load svg .f-accent"]).ToHaveCountAsync(1); // Of the schedule before it there were many.
        }),
        ("edit-wrong", "/new", async tab =>
        {
            await tab["#f-cronExpr"].FillAsync("30 25 * * *");
            await tab.Page.WaitForSelectorAsync(".fault");
        }),
        ("settings", "/settings", null),
        ("settings-people", "/settings/people", null),
        ("settings-alerts", "/settings/alerts", null),
        ("settings-audit", "/settings/audit", null),
        ("settings-import", "/settings/import", async tab =>
        {
            await tab[".crontab"].FillAsync(SettingsTests.Crontab);
            await tab.Page.WaitForSelectorAsync(".imported");
        }),
        ("signin", "/signin?to=/jobs", null),
    ];

    /// <summary>What only a wide screen has.</summary>
    private static readonly (string Name, string Path, Func<ConsoleTab, Task> Prepare)[] WideViews =
    [
        ("jobs-chosen", "/jobs?sort=name", async tab =>
        {
            foreach (var key in "jjxjxjx")
            {
                await tab.PressAsync($"{key}");
            }
        }),
        ("jobs-delete", "/jobs?sort=name", async tab =>
        {
            foreach (var key in "jjxjx")
            {
                await tab.PressAsync($"{key}");
            }

            await tab[".chosenbar .danger"].Last.ClickAsync();
            await tab.Page.WaitForSelectorAsync(".dlg");
        }),
        ("workers-drain", "/workers", async tab =>
        {
            await tab["tbody .more"].First.ClickAsync();
            await tab.Find(".menu button", "Drain…").Or(tab.Find(".menu button", "排空…")).ClickAsync();
            await tab.Page.WaitForSelectorAsync(".dlg");
        }),
        ("jobs-menu", "/jobs", async tab => await tab["tbody .more"].First.ClickAsync()),
        ("jump", "/", async tab =>
        {
            await tab.PressAsync("Control+k");
            await tab.Page.Keyboard.TypeAsync("etl");
            await tab.Page.WaitForSelectorAsync(".jumpbox li bdi");
        }),
        ("keys", "/workers", tab => tab.PressAsync("?")),
    ];

    [Fact]
    public async Task Of_each_page_wide_and_narrow_light_and_dark_English_and_Chinese()
    {
        Assert.SkipWhen(Folder is null, "SCREENSHOTS names no folder");
        await browser.Cluster.SaveAsync(JobWithPast.Name, "sync --batch 200 --retry", "0 * * * *"); // An earlier version to compare with.
        await JobWithPast.FillAsync(browser.Cluster);
        foreach (var (name, path, prepare) in Views)
        {
            await TakeAsync(name, path, prepare, 1440, "en", isDark: false);
            await TakeAsync($"{name}-zh-dark", path, prepare, 1440, "zh", isDark: true);
            await TakeAsync($"{name}-phone", path, prepare, 390, "en", isDark: false);
            await TakeAsync($"{name}-phone-zh-dark", path, prepare, 390, "zh", isDark: true);
        }

        foreach (var (name, path, prepare) in WideViews)
        {
            await TakeAsync(name, path, prepare, 1440, "en", isDark: false);
            await TakeAsync($"{name}-zh-dark", path, prepare, 1440, "zh", isDark: true);
        }

        await TakeAsync("now-narrow-desk", "/", null, 1000, "en", isDark: false);
        await TakeAsync("jobs-narrow-desk", "/jobs", null, 1000, "en", isDark: false);
    }

    [Fact]
    public async Task Of_a_cluster_that_has_nothing_and_of_one_without_etcd()
    {
        Assert.SkipWhen(Folder is null, "SCREENSHOTS names no folder");
        await using var bare = await NativeCluster.StartAsync(1);
        foreach (var (name, path) in new[] { ("now-empty", "/"), ("jobs-empty", "/jobs"), ("runs-empty", "/runs") })
        {
            await TakeAsync(name, path, null, 1440, "en", isDark: false, bare.MasterUri);
            await TakeAsync($"{name}-phone", path, null, 390, "zh", isDark: true, bare.MasterUri);
        }

        await bare.SaveAsync("hello", "true", "0 0 1 1 *");
        await SomeDay.ReadAsync(bare);
        await TakeAsync("now-well", "/", null, 1440, "en", isDark: false, bare.MasterUri);

        await using var ailing = await NativeCluster.StartAsync(2);
        await SomeDay.FillAsync(ailing);
        await SomeDay.ReadAsync(ailing);
        await ailing.Workers["w2"].KillAsync();
        var uri = ailing.MasterUri;
        await TakeAsync("workers-gone", "/workers", tab => tab.Find("tbody tr", "gone").WaitForAsync(), 1440, "en", isDark: false, uri);
        await ailing.Etcd.StopAsync();
        foreach (var (name, path) in new[] { ("now-outage", "/"), ("jobs-outage", "/jobs") })
        {
            await TakeAsync(name, path, tab => tab["#outage"].WaitForAsync(), 1440, "en", isDark: false, uri);
            await TakeAsync($"{name}-phone", path, tab => tab["#outage"].WaitForAsync(), 390, "zh", isDark: true, uri);
        }
    }

    private async Task TakeAsync(
        string name, string path, Func<ConsoleTab, Task>? prepare, int width, string language, bool isDark, Uri? master = null)
    {
        await using var tab = await browser.OpenAsync(path, width, width < 700 ? 844 : 900, language, isDark, master);
        const string isDrawn = "document.querySelector('#live').textContent !== '' && !document.querySelector('.bones')";
        await ConsoleTab.UntilAsync(tab.Page, isDrawn); // The stream of events keeps the network busy for good.
        await (prepare?.Invoke(tab) ?? Task.CompletedTask);
        await ConsoleTab.UntilAsync(tab.Page, isDrawn);
        await tab.Page.ScreenshotAsync(new() { Path = Path.Combine(Folder!, $"{name}.png") });
    }
}
