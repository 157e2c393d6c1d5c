using Xunit;

namespace Dts.Tests.Cluster.ConsolePages;

/// <summary>
/// The pages of a job, a run and the settings, in both languages, themes and widths. <see cref="AxeTests"/> has the lists.
/// </summary>
public sealed class PageTests(ConsoleBrowser browser) : IClassFixture<ConsoleBrowser>
{
    private const string Drawn = "document.querySelector('#live').textContent !== '' && !document.querySelector('.bones')";

    public static TheoryData<string, int, bool, string> Views() => AxeTests.ViewsOf(
        [
            "/jobs/etl-sync-inventory", "/jobs/etl-sync-inventory/calendar", "/jobs/etl-sync-inventory/statistics",
            "/jobs/etl-sync-inventory/history", "/jobs/etl-sync-inventory/json", "/jobs/etl-sync-inventory/edit", "/new", "/settings",
            "/settings/people", "/settings/alerts", "/settings/audit", "/settings/import", "/signin", "RUN", "LONG",
            "/jobs/%3Cimg%20src=x%20onerror=window.hacked=1%3E",
        ],
        isWideDark: true);

    [Theory]
    [MemberData(nameof(Views))]
    public async Task A_page_fits_its_width_runs_no_text_of_others_and_has_no_finding(string path, int width, bool isDark, string language)
    {
        var address = path switch
        {
            "RUN" => await LatestRunAsync("backup-postgres-main"),
            "LONG" => $"/jobs/{Uri.EscapeDataString(SomeDay.LongName)}/edit",
            _ => path,
        };
        await using var tab = await browser.OpenAsync(address, width, 900, language, isDark);
        await ConsoleTab.UntilAsync(tab.Page, Drawn);

        Assert.Equal(width, await tab.Page.EvaluateAsync<int>("Math.max(innerWidth, document.documentElement.scrollWidth)"));
        Assert.Equal("undefined", await tab.Page.EvaluateAsync<string>("typeof window.hacked"));
        await AxeTests.AssertCleanAsync(tab);
    }

    private async Task<string> LatestRunAsync(string job)
    {
        var id = (string)(await browser.Cluster.GetAsync($"/api/v1/runs?filter=job:{job}&limit=1"))["runs"]![0]!["_id"]!;
        return $"/runs/{id}";
    }
}
