using Xunit;
using static Microsoft.Playwright.Assertions;

namespace Dts.Tests.Cluster.ConsolePages;

/// <summary>The page of a run, as a person uses it.</summary>
public sealed class RunTests(ConsoleBrowser browser) : IClassFixture<ConsoleBrowser>
{
    private const string Never = "0 0 1 1 *";

    [Fact]
    public async Task A_run_is_watched_live_and_killed_with_a_reason_that_its_record_keeps()
    {
        await browser.Cluster.SaveAsync(
            "watched", "for i in $(seq 1 600); do echo \"batch $i of 600\"; sleep 0.3; done", Never, new { killGraceSeconds = 5 });
        await using var tab = await browser.OpenAsync("/jobs/watched");
        await tab.Find(".acts button", "Run now").ClickAsync();
        await tab.Find(".toast a", "Watch").ClickAsync();
        await Expect(tab["#page h1"]).ToContainTextAsync("Running for");
        await Expect(tab.Find(".out .ln", "of 600")).ToBeVisibleAsync();

        await tab.Find(".acts button", "Kill…").ClickAsync();
        await Expect(tab[".dlg"]).ToContainTextAsync("SIGKILL after 5 s");
        await tab[".dlg input"].FillAsync("the disk is full");
        await tab.Find(".dlg button", "Kill it").ClickAsync();

        await Expect(tab["#page h1"]).ToContainTextAsync("Killed after");
        await Expect(tab[".head .why"]).ToContainTextAsync("the disk is full");
        await Expect(tab.Find(".time li", "Started")).ToBeVisibleAsync();
        await Expect(tab[".procs tbody tr"].First).ToContainTextAsync("bash");
        await Expect(tab.Find(".out-bar", "all kept")).ToBeVisibleAsync();
    }

    [Fact]
    public async Task Hostile_output_is_text_with_its_colours_and_runs_nowhere()
    {
        await browser.Cluster.SaveAsync(
            "hostile-output",
            """
            printf '\033[31m<img src=x onerror=window.hacked=1>\033[0m \033[2J\033]0;x\007 \342\200\256evil\n'
            echo '<script>window.hacked=1</script>'
            exit 3
            """,
            Never);
        await using var tab = await OpenEndedRunAsync("hostile-output");

        await Expect(tab["#page h1"]).ToContainTextAsync("Failed with exit 3");
        await Expect(tab[".head .say"]).Not.ToContainTextAsync("exit status");
        await Expect(tab[".out .fg-red"]).ToHaveTextAsync("<img src=x onerror=window.hacked=1>");
        await Expect(tab.Find(".out .ln", "evil")).ToContainTextAsync("␛[2J␛]0;x␇ ⟨202E⟩evil");
        await Expect(tab[".out .ln.err"]).ToContainTextAsync("<script>window.hacked=1</script>");
        Assert.Equal("undefined", await tab.Page.EvaluateAsync<string>("typeof window.hacked"));
    }

    [Fact]
    public async Task Of_a_hundred_thousand_lines_the_end_is_shown_first_found_in_and_linked_to_and_few_are_in_the_page()
    {
        await browser.Cluster.SaveAsync("many-lines", "seq -f 'line %.0f of a long output' 1 100000", Never);
        await using var tab = await OpenEndedRunAsync("many-lines");
        await Expect(tab.Find(".out .ln", "line 100000 of")).ToBeVisibleAsync();
        await Expect(tab.Find(".out-note", "are not loaded")).ToBeVisibleAsync();
        Assert.InRange(await tab[".out .ln"].CountAsync(), 10, 150);

        await tab.Find(".out-note button", "Load all").ClickAsync();
        await tab[".out .find input"].FillAsync("line 54321 of");
        await Expect(tab[".out .find .hits"]).ToHaveTextAsync("1 / 1");
        await Expect(tab[".out mark"]).ToHaveTextAsync("line 54321 of");
        await tab[".out .ln.hit .no"].ClickAsync();
        Assert.EndsWith("?line=54321", tab.Page.Url, StringComparison.Ordinal);
        await tab.Page.ReloadAsync();

        await Expect(tab[".out .ln.on"]).ToContainTextAsync("line 54321 of a long output");
        Assert.InRange(await tab[".out .ln"].CountAsync(), 10, 150);
    }

    [Fact]
    public async Task A_long_line_is_wrapped_when_asked_and_cut_when_not()
    {
        await browser.Cluster.SaveAsync("long-line", "head -c 20000 /dev/zero | tr '\\0' x; echo; echo end", Never);
        await using var tab = await OpenEndedRunAsync("long-line");
        await Expect(tab.Find(".out .ln", "16,000 more characters")).ToBeVisibleAsync();

        await tab.Find(".out label", "Wrap").ClickAsync();

        await Expect(tab.Find(".out .ln", "16,000 more characters")).ToHaveCountAsync(0);
        Assert.False(await tab[".out-body"].EvaluateAsync<bool>("(body) => body.scrollWidth > body.clientWidth"));
    }

    [Fact]
    public async Task A_retried_run_shows_its_attempts_and_what_its_end_led_to()
    {
        await browser.Cluster.SaveAsync("cleaner", "true", Never);
        var more = new { retry = new { max = 1, delaySeconds = 0 }, onFailure = new[] { "cleaner" } };
        await browser.Cluster.SaveAsync("retried", "exit 7", Never, more);
        var first = await browser.Cluster.RunAsync("retried");
        await browser.Cluster.RecordsSoon("cleaner", records => records.Count == 1);
        await using var tab = await browser.OpenAsync($"/runs/retried/{first}");

        await Expect(tab[".attempts tr"]).ToHaveCountAsync(2);
        await tab.Find(".attempts tr", "attempt 2").Locator("a").ClickAsync();
        await Expect(tab[".attempts tr.on"]).ToContainTextAsync("attempt 2");
        await Expect(tab.Find("section", "Because of")).ToHaveCountAsync(0); // It is the attempt above.
        await Expect(tab.Find("section", "It led to")).ToContainTextAsync("cleaner");
        await tab.Find("section a", "cleaner").ClickAsync();

        await Expect(tab.Find("section", "Because of")).ToContainTextAsync("retried");
    }

    private async Task<ConsoleTab> OpenEndedRunAsync(string job)
    {
        var run = await browser.Cluster.RunAsync(job);
        await browser.Cluster.RecordsSoon(job, records => records.Count == 1);
        return await browser.OpenAsync($"/runs/{job}/{run}");
    }
}
