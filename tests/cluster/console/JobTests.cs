using System.Text.RegularExpressions;
using Xunit;
using static Microsoft.Playwright.Assertions;

namespace Dts.Tests.Cluster.ConsolePages;

/// <summary>The page of a job, as a person uses it.</summary>
public sealed class JobTests(ConsoleBrowser browser) : IClassFixture<ConsoleBrowser>, IAsyncLifetime
{
    public async ValueTask InitializeAsync()
    {
        if ((await browser.Cluster.RecordsAsync(JobWithPast.Name)).Count == 0)
        {
            await JobWithPast.FillAsync(browser.Cluster);
        }
    }

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;

    [Fact]
    public async Task The_calendar_says_why_a_fire_was_skipped_and_leads_to_the_run_that_was_in_the_way()
    {
        await using var tab = await browser.OpenAsync($"/jobs/{JobWithPast.Name}/calendar");
        await tab[".ask input"].FillAsync("yesterday 3:30");

        await tab.PressAsync("Enter");

        await Expect(tab[".fire"]).ToContainTextAsync("skipped");
        await Expect(tab[".fire"]).ToContainTextAsync("the previous run was still going");
        await Expect(tab[".fire .facts"]).ToContainTextAsync("31 min");
        Assert.Contains("?at=", tab.Page.Url, StringComparison.Ordinal);
        await tab.Page.ReloadAsync();
        await Expect(tab[".cal .picked"]).ToHaveCountAsync(1);
        await tab.Find(".fire a", "Run of 03:00").ClickAsync();
        await Expect(tab["#page h1"]).ToContainTextAsync("Succeeded after 31 min");
    }

    [Fact]
    public async Task A_fire_that_did_not_start_is_made_up_for_by_a_run_that_knows_its_planned_time()
    {
        await using var tab = await browser.OpenAsync($"/jobs/{JobWithPast.Name}/calendar");
        await tab[".ask input"].FillAsync("yesterday 3:30");
        await tab.PressAsync("Enter");

        await tab.Find(".fire button", "Run for 03:30").ClickAsync();
        await tab.Find(".toast a", "Watch").ClickAsync();

        await Expect(tab.Find(".time li", "Planned")).ToContainTextAsync("03:30:00");
        await Expect(tab["#page .say"]).ToContainTextAsync("by hand");
        await Expect(tab["#page .say"]).ToContainTextAsync("03:30");
    }

    [Fact]
    public async Task The_calendar_names_the_planned_times_around_one_that_was_not_planned()
    {
        await using var tab = await browser.OpenAsync($"/jobs/{JobWithPast.Name}/calendar");

        await tab[".ask input"].FillAsync("yesterday 4:10");
        await tab.PressAsync("Enter");

        await Expect(tab[".why-said"]).ToContainTextAsync("Nothing was planned then.");
        await Expect(tab[".why-said button"]).ToContainTextAsync(["04:00", "04:30"]);
        await tab[".ask input"].FillAsync("soon");
        await tab.PressAsync("Enter");
        await Expect(tab[".why-said"]).ToContainTextAsync("“soon” is not a time");
    }

    [Fact]
    public async Task The_calendar_is_walked_by_keys_and_says_each_reason()
    {
        await using var tab = await browser.OpenAsync($"/jobs/{JobWithPast.Name}/calendar");
        await tab[".ask input"].FillAsync("yesterday 3:00");
        await tab.PressAsync("Enter");
        await tab[".cal .picked"].FocusAsync();

        await tab.PressAsync("ArrowRight");
        await Expect(tab[".tip"]).ToContainTextAsync("skipped");
        await tab.PressAsync("ArrowDown");
        await tab.PressAsync("Enter");
        await Expect(tab[".fire h2"]).ToContainTextAsync("03:30");
        await tab.PressAsync("End");
        await tab.PressAsync("Enter");
        await Expect(tab[".fire h2"]).ToContainTextAsync("23:30");
        await tab.PressAsync("Home");
        await tab.PressAsync("Enter");
        await Expect(tab[".fire h2"]).ToContainTextAsync("00:00");
    }

    [Fact]
    public async Task Fires_that_were_missed_in_a_row_are_one_outage_and_the_legend_filters()
    {
        await using var tab = await browser.OpenAsync($"/jobs/{JobWithPast.Name}/calendar");

        await tab[".cal .c.missed"].First.HoverAsync();
        await Expect(tab[".tip"]).ToContainTextAsync("11:00 to 11:30: 2 missed");
        await tab.Find(".legend button", "missed").ClickAsync();

        await Expect(tab[".cal .c[data-at]:not(.off)"]).ToHaveCountAsync(2);
        Assert.Contains("only=missed", tab.Page.Url, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Statistics_show_how_long_it_took_how_it_ended_and_where()
    {
        await using var tab = await browser.OpenAsync($"/jobs/{JobWithPast.Name}/statistics");

        await Expect(tab[".strip"]).ToContainTextAsync("Succeeded");
        await Expect(tab[".strip"]).ToContainTextAsync("1 min");
        await Expect(tab.Find("section", "Where it ran")).ToContainTextAsync("w1");
        await Expect(tab[".chart"]).ToHaveCountAsync(2);
    }

    [Fact]
    public async Task Runs_are_filtered_and_say_their_last_line_or_why_they_did_not_start()
    {
        await using var tab = await browser.OpenAsync($"/jobs/{JobWithPast.Name}");
        await Expect(tab.Find("tbody tr", JobWithPast.LastLine)).ToBeVisibleAsync();

        await tab[".filter input"].FillAsync("ending:skipped");

        await Expect(tab["tbody tr"].First).ToContainTextAsync("the previous run was still going");
        await Expect(tab["tbody .s-succeeded"]).ToHaveCountAsync(0);
    }

    [Fact]
    public async Task Runs_of_a_job_that_runs_every_few_seconds_are_told_apart_by_their_seconds()
    {
        await browser.Cluster.SaveAsync("often", "true", "*/2 * * * * *");
        await browser.Cluster.RecordsSoon("often", records => records.Count > 1);
        await browser.Cluster.CallAsync("/api/v1/jobs/often/pause");
        await using var tab = await browser.OpenAsync("/jobs/often");

        await Expect(tab["tbody tr time"].First).ToHaveTextAsync(new Regex(@"^\d\d:\d\d:\d\d$"));
    }

    [Fact]
    public async Task A_name_of_two_hundred_letters_takes_two_lines_and_no_more()
    {
        await using var tab = await browser.OpenAsync($"/jobs/{Uri.EscapeDataString(SomeDay.LongName)}", 390, 844);

        Assert.InRange(await tab["#page h1"].EvaluateAsync<int>("(node) => node.offsetHeight"), 20, 60);
    }

    [Fact]
    public async Task A_version_that_compares_with_nothing_shows_its_definition()
    {
        await browser.Cluster.SaveAsync("only-once", "echo once", "0 4 * * *");
        await using var tab = await browser.OpenAsync("/jobs/only-once/history");
        await Expect(tab[".json"]).ToContainTextAsync("echo once");
        await Expect(tab[".json"]).ToBeVisibleAsync();

        (await browser.Cluster.DeleteAsync("/api/v1/jobs/only-once")).Dispose();
        await tab.Page.ReloadAsync();

        await Expect(tab[".vers li"]).ToHaveCountAsync(2);
        await Expect(tab[".json"]).ToBeVisibleAsync();
        await Expect(tab[".diff"]).ToHaveCountAsync(0);
    }

    [Fact]
    public async Task A_version_is_compared_with_what_is_in_force_restored_and_restored_back()
    {
        await browser.Cluster.SaveAsync("versioned", "echo one\necho two", "0 4 * * *");
        await browser.Cluster.SaveAsync("versioned", "echo one\necho three", "0 4 * * *", new { timeoutSeconds = 60 });
        await using var tab = await browser.OpenAsync("/jobs/versioned/history");
        await Expect(tab[".vers li"]).ToHaveCountAsync(2);
        await Expect(tab[".diff .del"]).ToContainTextAsync(["echo two"]);
        await Expect(tab[".diff .add"]).ToContainTextAsync(["echo three"]);
        await Expect(tab[".diff .same"]).ToContainTextAsync("echo one");

        await tab.Find("button", "Restore 1…").ClickAsync();
        await Expect(tab[".dlg"]).ToContainTextAsync("It becomes version 3 and is in force at once.");
        await tab.Find(".dlg button", "Restore as 3").ClickAsync();

        await Expect(tab[".vers li"]).ToHaveCountAsync(3);
        Assert.Equal("echo one\necho two", (string)(await browser.Cluster.GetAsync("/api/v1/jobs/versioned"))["command"]!);
        await tab.Find(".toast button", "Undo").ClickAsync();
        await Expect(tab[".vers li"]).ToHaveCountAsync(4);
        Assert.Equal("echo one\necho three", (string)(await browser.Cluster.GetAsync("/api/v1/jobs/versioned"))["command"]!);
    }

    [Fact]
    public async Task A_job_is_deleted_at_once_and_is_there_again_after_Undo()
    {
        await browser.Cluster.SaveAsync("deletable", "true", "0 4 * * *", new { timeoutSeconds = 61 });
        await using var tab = await browser.OpenAsync("/jobs/deletable");

        await tab[".head .more"].ClickAsync();
        await tab.Find(".menu button", "Delete").ClickAsync();
        await Expect(tab.Find(".toast", "deletable is deleted")).ToBeVisibleAsync();
        await Expect(tab["#page h1"]).Not.ToContainTextAsync("deletable"); // The list of jobs is shown.
        await tab.Find(".toast button", "Undo").ClickAsync();

        await Expect(tab["#page h1"]).ToContainTextAsync("deletable");
        Assert.Equal(61, (int)(await browser.Cluster.GetAsync("/api/v1/jobs/deletable"))["timeoutSeconds"]!);
    }
}
