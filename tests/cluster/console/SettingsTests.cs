using Xunit;
using static Microsoft.Playwright.Assertions;

namespace Dts.Tests.Cluster.ConsolePages;

/// <summary>The pages of settings.</summary>
public sealed class SettingsTests(ConsoleBrowser browser) : IClassFixture<ConsoleBrowser>
{
    internal const string Crontab = """
        MAILTO=ops@example.com
        15 2 * * *    /usr/local/bin/nightly-dump main
        0 8 * * 1     mail -s "Weekly report" ops@example.com%See the attached%
        @reboot       mount -a
        """;

    [Fact]
    public async Task A_crontab_is_imported_line_by_line_and_a_second_time_changes_nothing()
    {
        await using var tab = await browser.OpenAsync("/settings/import");
        await tab[".crontab"].FillAsync(Crontab);
        await Expect(tab[".imported tbody tr"]).ToHaveCountAsync(4);
        await Expect(tab.Find(".imported tr", "nightly-dump-main")).ToContainTextAsync("at 02:15 every day");
        await Expect(tab.Find(".imported tr", "left out")).ToContainTextAsync("@reboot is refused");
        await Expect(tab.Find(".imported tr", "08:00")).ToContainTextAsync("standard input");

        await tab.Find("button", "Save 2 jobs, paused").ClickAsync();
        await Expect(tab.Find(".toast", "Saved 2 jobs.")).ToBeVisibleAsync();

        Assert.False((bool)(await browser.Cluster.GetAsync("/api/v1/jobs/nightly-dump-main"))["enabled"]!);
        await tab.Find("button", "Start again").ClickAsync();
        await tab[".crontab"].FillAsync(Crontab);
        await Expect(tab.Find(".imported tr", "nightly-dump-main")).ToContainTextAsync("as it is");
        await Expect(tab.Find("button", "Save")).ToHaveCountAsync(0);
    }

    [Fact]
    public async Task Language_theme_and_zone_are_chosen_and_remembered()
    {
        await using var tab = await browser.OpenAsync("/settings", 390);
        await tab.Find(".settings-main .seg button", "中文").ClickAsync();
        await Expect(tab["#page h1"]).ToHaveTextAsync("您");
        await tab.Find(".settings-main .seg button", "深色").ClickAsync();
        await tab.Page.ReloadAsync();

        await Expect(tab["#page h1"]).ToHaveTextAsync("您");
        Assert.Equal("dark", await tab.Page.EvaluateAsync<string>("document.documentElement.dataset.theme"));
        Assert.Equal("zh-CN", await tab.Page.EvaluateAsync<string>("document.documentElement.lang"));
    }

    [Fact]
    public async Task The_audit_shows_what_others_do_while_it_is_open()
    {
        await using var tab = await browser.OpenAsync("/settings/audit");
        await Expect(tab["#page h1"]).ToHaveTextAsync("Audit");

        await browser.Cluster.CallAsync("/api/v1/jobs/job-0007/pause");

        await Expect(tab.Find("tbody tr", "job-0007")).ToContainTextAsync("paused");
    }
}
