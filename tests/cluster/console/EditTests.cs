using Dts.Tests.Support;
using Xunit;
using static Microsoft.Playwright.Assertions;

namespace Dts.Tests.Cluster.ConsolePages;

/// <summary>A job is written and saved in the console.</summary>
public sealed class EditTests(ConsoleBrowser browser) : IClassFixture<ConsoleBrowser>
{
    [Fact]
    public async Task A_job_is_created_run_watched_and_killed_by_keys_alone()
    {
        await using var tab = await browser.OpenAsync("/");
        await tab.PressAsync("n");
        await Expect(tab["#f-name"]).ToBeFocusedAsync();
        await tab.Page.Keyboard.TypeAsync("by-keys");
        await tab.PressAsync("Tab");
        await tab.Page.Keyboard.TypeAsync("30 2 * * 1-5");
        await Expect(tab[".words"]).ToContainTextAsync("at 02:30 on Monday to Friday", new() { IgnoreCase = true });
        await Expect(tab[".five"]).ToContainTextAsync("02:30");
        await TabToAsync(tab, "#f-command");
        await tab.Page.Keyboard.TypeAsync("echo started; sleep 120");
        await tab.PressAsync("Control+s");
        await Expect(tab["#page h1"]).ToContainTextAsync("by-keys");

        await tab.PressAsync("r");
        await TabToAsync(tab, ".toast:last-child a", isBackwards: true);
        await tab.PressAsync("Enter");
        await Expect(tab["#page h1"]).ToContainTextAsync("Running for");
        await Expect(tab.Find(".out .ln", "started")).ToBeVisibleAsync();
        await TabToAsync(tab, ".head .b.danger");
        await tab.PressAsync("Enter");
        await tab.Page.Keyboard.TypeAsync("it was a trial");
        await tab.PressAsync("Enter");

        await Expect(tab["#page h1"]).ToContainTextAsync("Killed after");
        await Expect(tab[".head .why"]).ToContainTextAsync("it was a trial");
    }

    [Fact]
    public async Task A_wrong_schedule_is_explained_at_its_field_and_the_last_good_preview_stays()
    {
        await browser.Cluster.SaveAsync("edited", "true", "0 3 * * *", new { timeZone = "America/New_York" });
        await using var tab = await browser.OpenAsync("/jobs/edited/edit");
        await Expect(tab[".words"]).ToContainTextAsync("03:00 every day");
        await Expect(tab[".five"]).ToContainTextAsync("Berlin, you");
        await Expect(tab[".load svg rect.f-accent"]).ToHaveCountAsync(1);

        await tab["#f-cronExpr"].FillAsync("0 25 * * *");

        await Expect(tab["#f-cronExpr-fault"]).ToContainTextAsync("25 is above 23 in hours");
        await Expect(tab[".words"]).ToContainTextAsync("the last valid schedule");
        await Expect(tab[".five"]).ToContainTextAsync("03:00");
        await tab["#f-cronExpr"].FillAsync("30 2 * * *");
        await Expect(tab["#f-cronExpr-fault"]).ToBeEmptyAsync();
        await Expect(tab[".bench"]).ToContainTextAsync("02:30 does not exist and runs at 03:00");
    }

    [Fact]
    public async Task A_busy_minute_is_named_and_a_quieter_one_offered()
    {
        for (var n = 0; n < 30; n++)
        {
            await browser.Cluster.SaveAsync($"crowd-{n}", "true", "15 5 * * *", new { timeZone = "UTC" });
        }

        await using var tab = await browser.OpenAsync("/new");
        await tab["#f-timeZone"].FillAsync("UTC");
        await tab["#f-cronExpr"].FillAsync("15 5 * * *");
        await Expect(tab[".note[data-busy]"]).ToContainTextAsync("05:15 is busy:");

        await tab[".note[data-busy] button"].ClickAsync();

        await Expect(tab["#f-cronExpr"]).Not.ToHaveValueAsync("15 5 * * *");
        await Expect(tab[".note[data-busy]"]).ToHaveCountAsync(0);
    }

    [Fact]
    public async Task What_changes_is_shown_before_it_is_saved_and_can_be_undone_after()
    {
        await browser.Cluster.SaveAsync("changed", "true", "0 3 * * *", new { strange = new { kept = true } });
        await using var tab = await browser.OpenAsync("/jobs/changed/edit");
        await Expect(tab.Find(".dock button", "Save")).ToBeDisabledAsync();
        await tab.Find("summary", "How long, how much").ClickAsync();
        await tab["#f-timeoutSeconds"].FillAsync("2700");
        await tab["#f-memoryMax"].FillAsync("512M");
        await Expect(tab[".dock .diff"]).ToContainTextAsync("timeoutSeconds");
        await Expect(tab.Find("summary", "How long, how much")).ToContainTextAsync("at most 45 min; 512M of memory");
        await Expect(tab.Find("summary", "Other")).ToContainTextAsync("strange");

        await tab.Find(".dock button", "Save").ClickAsync();
        await Expect(tab.Find(".toast", "Saved changed")).ToBeVisibleAsync();
        var saved = await browser.Cluster.GetAsync("/api/v1/jobs/changed");
        Assert.Equal(2700, (int)saved["timeoutSeconds"]!);
        Assert.True((bool)saved["strange"]!["kept"]!);
        await tab.Find(".toast button", "Undo").ClickAsync();

        await Patience.Until(
            () => (int)browser.Cluster.GetAsync("/api/v1/jobs/changed").Result["timeoutSeconds"]! == 0, () => "still 2700");
    }

    [Fact]
    public async Task What_the_master_refuses_is_said_at_its_field()
    {
        await browser.Cluster.SaveAsync("refused", "true", "0 3 * * *");
        await using var tab = await browser.OpenAsync("/jobs/refused/edit");
        await tab.Find("summary", "When it fails").ClickAsync();

        await tab["#f-retry-max"].FillAsync("1000");

        await Expect(tab["#f-retry-max-fault"]).ToContainTextAsync("retry.max is 1000");
        await Expect(tab["#f-retry-max"]).ToHaveAttributeAsync("aria-invalid", "true");
    }

    [Fact]
    public async Task Changes_of_two_people_to_different_members_are_both_saved()
    {
        await browser.Cluster.SaveAsync("shared", "true", "0 3 * * *");
        await using var tab = await browser.OpenAsync("/jobs/shared/edit");
        await tab["#f-cronExpr"].FillAsync("30 2 * * *");
        await browser.Cluster.CallAsync("/api/v1/jobs/shared/pause");

        await tab.PressAsync("Control+s");
        await Expect(tab[".dock"]).ToContainTextAsync("Somebody else saved");
        await Expect(tab[".dock"]).ToContainTextAsync("They changed different members, so both can be kept.");
        await tab.Find(".dock button", "Save both").ClickAsync();

        await Expect(tab.Find(".toast", "Saved shared")).ToBeVisibleAsync();
        var saved = await browser.Cluster.GetAsync("/api/v1/jobs/shared");
        Assert.False((bool)saved["enabled"]!);
        Assert.Equal("30 2 * * *", (string)saved["cronExpr"]!);
    }

    [Fact]
    public async Task Changes_of_two_people_to_the_same_member_must_be_chosen()
    {
        await browser.Cluster.SaveAsync("disputed", "echo theirs and mine", "0 3 * * *");
        await using var tab = await browser.OpenAsync("/jobs/disputed/edit");
        await tab["#f-command"].FillAsync("echo mine");
        await browser.Cluster.SaveAsync("disputed", "echo theirs", "0 4 * * *");

        await tab.Find(".dock button", "Save").ClickAsync();
        await Expect(tab[".clash"]).ToContainTextAsync("command");
        await tab.Find(".dock button", "Save as chosen").ClickAsync();
        await Expect(tab[".dock"]).ToContainTextAsync("Choose first: command");
        await tab.Find(".clash label", "mine").ClickAsync();
        await tab.Find(".dock button", "Save as chosen").ClickAsync();

        await Expect(tab.Find(".toast", "Saved disputed")).ToBeVisibleAsync();
        var saved = await browser.Cluster.GetAsync("/api/v1/jobs/disputed");
        Assert.Equal("echo mine", (string)saved["command"]!);
        Assert.Equal("0 4 * * *", (string)saved["cronExpr"]!);
    }

    [Fact]
    public async Task On_a_phone_a_conflict_comes_into_view_where_it_can_be_decided()
    {
        await browser.Cluster.SaveAsync("far", "true", "0 3 * * *");
        await using var tab = await browser.OpenAsync("/jobs/far/edit", 390, 844);
        await tab["#f-cronExpr"].FillAsync("30 2 * * *");
        await browser.Cluster.CallAsync("/api/v1/jobs/far/pause");

        await tab.PressAsync("Control+s");

        await Expect(tab.Find(".dock", "Somebody else saved")).ToBeInViewportAsync();
        await Expect(tab.Find(".dock button", "Save both")).ToBeInViewportAsync();
    }

    [Fact]
    public async Task A_long_command_is_shown_whole()
    {
        await browser.Cluster.SaveAsync("long-command", $"echo {string.Join(' ', Enumerable.Repeat("word", 120))}", "0 3 * * *");
        await using var tab = await browser.OpenAsync("/jobs/long-command/edit");

        Assert.True(await tab["#f-command"].EvaluateAsync<bool>("(field) => field.scrollHeight <= field.clientHeight + 2"));
    }

    [Fact]
    public async Task Leaving_with_changes_asks_in_place_and_an_existing_name_is_not_overwritten()
    {
        await browser.Cluster.SaveAsync("taken", "true", "0 3 * * *");
        await using var tab = await browser.OpenAsync("/new");
        await tab["#f-name"].FillAsync("taken");
        await tab["#f-cronExpr"].FillAsync("0 5 * * *");
        await tab["#f-command"].FillAsync("false");
        await tab.PressAsync("Control+s");
        await Expect(tab["#f-name-fault"]).ToContainTextAsync("A job of this name exists already.");

        await tab.Find("#nav a", "Workers").ClickAsync();
        await Expect(tab[".dlg"]).ToContainTextAsync("Leave without saving?");
        await tab.Find(".dlg button", "Stay").ClickAsync();
        await Expect(tab["#f-command"]).ToHaveValueAsync("false");
        await tab.Find("#nav a", "Workers").ClickAsync();
        await tab.Find(".dlg button", "Leave").ClickAsync();

        await Expect(tab["#page h1"]).ToContainTextAsync("slots");
        Assert.Equal("true", (string)(await browser.Cluster.GetAsync("/api/v1/jobs/taken"))["command"]!);
    }

    private static async Task TabToAsync(ConsoleTab tab, string selector, bool isBackwards = false)
    {
        await Expect(tab[selector]).ToBeVisibleAsync();
        for (var n = 0; n < 60; n++)
        {
            await tab.PressAsync(isBackwards ? "Shift+Tab" : "Tab");
            if (await tab.Page.EvaluateAsync<bool>("(selector) => document.activeElement === document.querySelector(selector)", selector))
            {
                return;
            }
        }

        Assert.Fail($"Tab does not lead to {selector}");
    }
}
