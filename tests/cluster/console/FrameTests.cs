using System.Text.RegularExpressions;
using Xunit;
using static Microsoft.Playwright.Assertions;

namespace Dts.Tests.Cluster.ConsolePages;

/// <summary>The frame of the console, and the pages Now, Jobs, Runs and Workers, as a person uses them.</summary>
public sealed partial class FrameTests(ConsoleBrowser browser) : IClassFixture<ConsoleBrowser>
{
    [Fact]
    public async Task The_first_line_says_how_many_jobs_need_somebody_and_each_says_why()
    {
        await using var tab = await browser.OpenAsync("/");

        await Expect(tab["#page h1"]).ToHaveTextAsync(new Regex("^[0-9]+ jobs need you$"));
        await Expect(tab.Find(".needs li", "backup-postgres-main")).ToContainTextAsync("failed 4 times in a row");
        await Expect(tab.Find(".needs li", "backup-postgres-main")).ToContainTextAsync("pg_dump: error: connection to \"db-2\" failed");
        await Expect(tab.Find(".needs li", "report-daily-revenue")).ToContainTextAsync("missed");
        await Expect(tab["#nav [data-count=now]"]).ToHaveTextAsync(new Regex("^[0-9]+need you$"));
    }

    [Fact]
    public async Task Every_page_has_an_address_and_Back_leads_to_the_one_before()
    {
        await using var tab = await browser.OpenAsync("/");

        await tab.Find("#nav a", "Jobs").ClickAsync();
        await tab.Find(".seg button", "Paused").ClickAsync();
        await Expect(tab.Page).ToHaveURLAsync(new Uri(browser.Cluster.MasterUri, "/jobs?filter=state%3Apaused").ToString());
        await tab.Find("#nav a", "Workers").ClickAsync();
        await Expect(tab["#page h1"]).ToContainTextAsync("slots are taken");
        await tab.Page.GoBackAsync();

        await Expect(tab["tbody tr:not(.pad)"]).ToHaveCountAsync(1);
        await Expect(tab["tbody tr:not(.pad)"]).ToContainTextAsync("cert-renewal");
        await tab.Page.ReloadAsync();
        await Expect(tab["tbody tr:not(.pad)"]).ToContainTextAsync("cert-renewal");
    }

    [Fact]
    public async Task The_filter_completes_makes_chips_and_stands_in_the_address()
    {
        await using var tab = await browser.OpenAsync("/jobs");
        await tab.PressAsync("f");

        await tab.Page.Keyboard.TypeAsync("ending:");
        await Expect(tab[".choices li"]).ToHaveCountAsync(8);
        await Expect(tab["#page .fault"]).ToHaveCountAsync(0); // A key alone is no fault yet.
        await tab.Page.Keyboard.TypeAsync("fa");
        await Expect(tab[".choices li"]).ToContainTextAsync(["failed"]);
        await tab.PressAsync("ArrowDown");
        await tab.PressAsync("Enter");

        await Expect(tab[".chip"]).ToHaveTextAsync("endingfailed×");
        await Expect(tab.Find("tbody tr", "backup-postgres-main")).ToBeVisibleAsync();
        await Expect(tab["tbody .s-succeeded"]).ToHaveCountAsync(0);
        await tab.Page.Keyboard.TypeAsync("nothing has this");
        await Expect(tab[".empty"]).ToContainTextAsync("No job matches");
        await Expect(tab.Page).ToHaveURLAsync(new Regex(Regex.Escape("filter=ending%3Afailed+nothing+has+this") + "$"));
        await tab.Find("button", "Clear").ClickAsync();
        await Expect(tab["#crumbs"]).ToContainTextAsync(new Regex("^Jobs 2[0-9]{2}$"));
    }

    [Fact]
    public async Task The_page_holds_the_rows_in_sight_only()
    {
        await using var tab = await browser.OpenAsync("/jobs?sort=name");
        await ConsoleTab.UntilAsync(tab.Page, "document.querySelectorAll('tbody tr:not(.pad)').length >= 20"); // The first draw has fewer.

        Assert.InRange(await tab["tbody tr:not(.pad)"].CountAsync(), 20, 60);
        await tab.Page.EvaluateAsync("scrollTo(0, document.body.scrollHeight)");
        await Expect(tab[".foot"]).ToContainTextAsync("200 of 2");
        await tab.Page.EvaluateAsync("scrollTo(0, document.body.scrollHeight)");
        await Expect(tab[".foot"]).ToContainTextAsync("All 2");

        Assert.InRange(await tab["tbody tr:not(.pad)"].CountAsync(), 20, 60);
    }

    [Fact]
    public async Task A_job_is_run_and_paused_from_its_row_by_keys_alone_and_pausing_can_be_undone()
    {
        await using var tab = await browser.OpenAsync("/");
        await Task.WhenAll(tab.PressAsync("g"), tab.PressAsync("j")); // The second counts only soon after the first.
        await Expect(tab["#crumbs"]).ToContainTextAsync("Jobs");
        await tab.PressAsync("f");
        await tab.Page.Keyboard.TypeAsync("ldap");
        await Expect(tab["tbody tr:not(.pad)"]).ToHaveCountAsync(1);
        await tab.PressAsync("Escape");
        await tab.PressAsync("Escape");
        await tab.PressAsync("j");
        await Expect(tab["tbody tr.at"]).ToHaveCountAsync(1); // Drawn, so the keys are at it.

        await tab.PressAsync("r");
        await Expect(tab.Find(".toast", "ldap-group-sync was asked to run")).ToBeVisibleAsync();
        await Expect(tab["tbody tr:not(.pad)"]).ToContainTextAsync("running");
        await tab.PressAsync("p");
        await Expect(tab["tbody tr:not(.pad)"]).ToContainTextAsync("paused");
        await tab.Find(".toast button", "Undo").ClickAsync();

        await Expect(tab["tbody tr:not(.pad)"]).ToContainTextAsync("running");
        Assert.True((bool)(await browser.Cluster.GetAsync("/api/v1/jobs/ldap-group-sync"))["enabled"]!);
    }

    [Fact]
    public async Task Many_jobs_are_chosen_and_deleted_after_the_page_has_said_which()
    {
        await using var tab = await browser.OpenAsync("/jobs?sort=name&filter=job-019");
        await Expect(tab["tbody tr:not(.pad)"]).ToHaveCountAsync(10);
        await tab.Page.GetByLabel("Choose all rows shown").CheckAsync();
        await tab.Page.GetByLabel("Choose job-0190").UncheckAsync();
        await Expect(tab[".chosenbar"]).ToContainTextAsync("9 jobs chosen");

        await tab.Find(".chosenbar button", "Delete…").ClickAsync();
        await Expect(tab[".dlg"]).ToContainTextAsync("Delete 9 jobs?");
        await Expect(tab[".dlg"]).ToContainTextAsync("job-0191");
        await tab.Find(".dlg button", "Delete 9").ClickAsync();

        await Expect(tab.Find(".toast", "9 jobs are deleted")).ToBeVisibleAsync();
        await Expect(tab["tbody tr:not(.pad)"]).ToHaveCountAsync(1);
    }

    [Fact]
    public async Task The_jump_box_finds_jobs_by_any_part_of_their_name()
    {
        await using var tab = await browser.OpenAsync("/workers");
        await tab.PressAsync("Control+k");
        await Expect(tab[".jumpbox input"]).ToBeFocusedAsync();
        await tab.Page.Keyboard.TypeAsync("warehouse");
        await Expect(tab[".jumpbox li[aria-selected=true]"]).ToContainTextAsync("etl-orders-to-warehouse");

        await tab.PressAsync("Enter");

        await Expect(tab.Page).ToHaveURLAsync(new Uri(browser.Cluster.MasterUri, "/jobs/etl-orders-to-warehouse").ToString());
    }

    [Fact]
    public async Task What_is_typed_at_once_after_the_key_of_the_jump_box_is_typed_into_it()
    {
        await using var tab = await browser.OpenAsync("/workers");

        Assert.Equal(
            "Jump to a job, a worker or a page",
            await tab.Page.EvaluateAsync<string>(
                "() => { dispatchEvent(new KeyboardEvent('keydown', { key: 'k', ctrlKey: true }));"
                    + " return document.activeElement.getAttribute('aria-label'); }"));
        await tab.Page.Keyboard.TypeAsync("warehouse\n");

        await Expect(tab.Page).ToHaveURLAsync(new Uri(browser.Cluster.MasterUri, "/jobs/etl-orders-to-warehouse").ToString());
    }

    [Fact]
    public async Task A_browser_that_stands_in_UTC_is_offered_UTC_once()
    {
        await using var tab = await browser.OpenAsync("/jobs", timeZone: "UTC");

        await Expect(tab["#switches .seg:first-child button"]).ToHaveTextAsync([new Regex("^UTC"), new Regex("^job’s own$")]);
    }

    [Fact]
    public async Task Plan_times_of_runs_have_seconds()
    {
        await using var tab = await browser.OpenAsync("/runs");

        await Expect(tab["tbody time"].First).ToHaveTextAsync(new Regex("[0-9]{2}:[0-9]{2}:[0-9]{2}$"));
    }

    [Fact]
    public async Task A_job_that_is_made_quiet_leaves_Now_until_it_recovers_and_Jobs_says_so()
    {
        await using var tab = await browser.OpenAsync("/");
        await tab.Find(".needs li", "ml-embed-refresh").Locator(".more").ClickAsync();
        await tab.Find(".menu button", "Quiet until it recovers").ClickAsync();

        await Expect(tab.Find(".toast", "ml-embed-refresh is quiet until it recovers.")).ToBeVisibleAsync();
        await Expect(tab["#page .lead p"]).ToContainTextAsync("1 is quiet");
        await Expect(tab.Page.Locator("#page .needs li", new() { HasText = "ml-embed-refresh" })).ToHaveCountAsync(0);
        await tab.Find("#nav a", "Jobs").ClickAsync();
        await Expect(tab.Find("tbody tr", "ml-embed-refresh")).ToContainTextAsync("quiet");

        var mutes = (await browser.Cluster.GetAsync("/api/v1/alerts"))["mutes"]!.AsArray();
        (await browser.Cluster.DeleteAsync($"/api/v1/alerts/mutes/{mutes.Single()!["id"]}")).Dispose();
        await tab.Find("#nav a", "Now").ClickAsync();
        await Expect(tab.Find(".needs li", "ml-embed-refresh")).ToBeVisibleAsync();
    }

    [Fact]
    public async Task A_worker_is_drained_after_the_page_has_said_what_will_happen_and_is_taken_back()
    {
        await using var tab = await browser.OpenAsync("/workers");
        await Expect(tab.Find("tbody tr", "w2")).ToContainTextAsync("here");
        await tab.Find("tbody tr", "w2").Locator(".more").ClickAsync();
        await tab.Find(".menu button", "Drain…").ClickAsync();
        await Expect(tab[".dlg"]).ToContainTextAsync("It claims nothing new, not even after a restart, until it is undrained.");

        await tab.Find(".dlg button", "Drain it").ClickAsync();
        await Expect(tab.Find(".toast", "w2 is drained")).ToBeVisibleAsync();
        await Expect(tab.Find("tbody tr", "w2")).ToContainTextAsync(DrainedOrDraining()); // By the minute, it may have runs of some jobs.
        await tab.Find("tbody tr", "w2").Locator(".more").ClickAsync();
        await tab.Find(".menu button", "Undrain").ClickAsync();

        await Expect(tab.Find("tbody tr", "w2")).ToContainTextAsync("here");
    }

    [Fact]
    public async Task Runs_are_narrowed_by_ending_and_shown_by_worker()
    {
        await using var tab = await browser.OpenAsync("/runs?filter=ending:failed");
        await Expect(tab.Find("tbody tr:not(.pad)", "backup-postgres-main").First).ToBeVisibleAsync();
        await Expect(tab["tbody tr:not(.pad) .s-succeeded"]).ToHaveCountAsync(0);

        await tab.Find(".seg button", "By worker").ClickAsync();

        await Expect(tab.Find(".lane", "w1")).ToContainTextAsync("busy");
        Assert.Contains("view=worker", tab.Page.Url, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Language_zone_and_theme_are_chosen_in_the_header_and_remembered()
    {
        await using var tab = await browser.OpenAsync("/jobs");
        await Expect(tab["#switches"]).ToContainTextAsync("Berlin");

        await tab.Find("#switches button", "中文").ClickAsync();
        await Expect(tab["#crumbs"]).ToContainTextAsync("任务");
        await tab.Find("#switches button", "UTC").ClickAsync();
        await tab["#switches .theme"].ClickAsync();
        await tab["#switches .theme"].ClickAsync();
        await tab.Page.ReloadAsync();

        await Expect(tab["html"]).ToHaveAttributeAsync("lang", "zh-CN");
        await Expect(tab["html"]).ToHaveAttributeAsync("data-theme", "dark");
        await Expect(tab.Find("#switches button", "UTC")).ToHaveAttributeAsync("aria-pressed", "true");
    }

    [Theory]
    [InlineData("/", 1440)]
    [InlineData("/jobs", 1440)]
    [InlineData("/jobs", 390)]
    [InlineData("/runs", 390)]
    [InlineData("/", 390)]
    [InlineData("/workers", 390)]
    public async Task Hostile_texts_are_shown_as_they_are_executed_nowhere_and_leave_the_layout_intact(string path, int width)
    {
        await browser.Cluster.RunAsync(Uri.EscapeDataString(SomeDay.HostileName));
        await using var tab = await browser.OpenAsync(path, width, width < 700 ? 844 : 900);
        if (path == "/jobs")
        {
            await Expect(tab.Find("tbody a", SomeDay.HostileName)).ToBeAttachedAsync();
            await tab.Page.GotoAsync(new Uri(browser.Cluster.MasterUri, "/jobs?filter=-job-").ToString());
            await Expect(tab.Find("tbody a", SomeDay.RightToLeft)).ToBeVisibleAsync();
            await Expect(tab.Find("tbody a", SomeDay.LongName)).ToBeVisibleAsync();
        }

        Assert.Null(await tab.Page.EvaluateAsync<object?>("window.hacked ?? null"));
        Assert.True(
            await tab.Page.EvaluateAsync<bool>("document.documentElement.scrollWidth <= innerWidth"), $"{path} is wider than {width}");
    }

    [Fact]
    public async Task Markup_from_text_and_scripts_in_the_page_are_refused_by_the_browser()
    {
        await using var tab = await browser.OpenAsync("/workers");
        tab.MayHaveErrors = true; // The browser reports what it refuses.

        Assert.True(await tab.Page.EvaluateAsync<bool>(
            "() => { try { document.body.innerHTML = '<b>x</b>'; return false; } catch (e) { return e instanceof TypeError; } }"));
        Assert.True(await tab.Page.EvaluateAsync<bool>(
            "() => { try { document.createElement('script').text = 'hacked = 1'; return false; } catch { return true; } }"));
    }

    [Fact]
    public async Task The_shell_is_at_most_40_KB_over_the_wire()
    {
        await using var tab = await browser.OpenAsync("/");
        await Expect(tab["#live"]).ToHaveTextAsync("live");

        var bytes = await tab.Page.EvaluateAsync<int>(
            "[...performance.getEntriesByType('resource'), ...performance.getEntriesByType('navigation')]"
                + ".filter((one) => !/\\/api\\/|\\/pages\\//.test(one.name)).reduce((sum, one) => sum + one.transferSize, 0)");

        Assert.InRange(bytes, 10_000, 40 * 1024);
    }

    [GeneratedRegex("drained|draining")]
    private static partial Regex DrainedOrDraining();
}
