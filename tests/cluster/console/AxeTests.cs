using Deque.AxeCore.Commons;
using Deque.AxeCore.Playwright;
using Xunit;

namespace Dts.Tests.Cluster.ConsolePages;

/// <summary>No page has a finding of axe-core, of any grade.</summary>
public sealed class AxeTests(ConsoleBrowser browser) : IClassFixture<ConsoleBrowser>
{
    public static TheoryData<string, int, bool, string> Views() => ViewsOf(
        ["/", "/jobs", "/jobs?filter=nothing-has-this", "/runs", "/runs?view=worker", "/workers", "/nowhere"], isWideDark: false);

    /// <summary>Each page wide and English, and on a phone and Chinese; one of the two is dark.</summary>
    internal static TheoryData<string, int, bool, string> ViewsOf(IEnumerable<string> paths, bool isWideDark)
    {
        var views = new TheoryData<string, int, bool, string>();
        foreach (var path in paths)
        {
            views.Add(path, 1440, isWideDark, "en");
            views.Add(path, 390, !isWideDark, "zh");
        }

        return views;
    }

    [Theory]
    [MemberData(nameof(Views))]
    public async Task A_page_has_no_finding(string path, int width, bool isDark, string language)
    {
        await using var tab = await browser.OpenAsync(path == "/nowhere" ? "/jobs/a/b/c" : path, width, 900, language, isDark);
        await ConsoleTab.UntilAsync(tab.Page, "document.querySelector('#live').textContent !== ''");

        await AssertCleanAsync(tab);
    }

    [Fact]
    public async Task Menus_questions_the_jump_box_and_the_list_of_keys_have_no_finding()
    {
        await using var tab = await browser.OpenAsync("/jobs?filter=report-daily-revenue"); // One row: axe takes long with many.
        await tab["tbody .more"].First.ClickAsync();
        await AssertCleanAsync(tab);
        await tab.PressAsync("Escape");
        await tab.PressAsync("j");
        await tab.PressAsync("x");
        await tab.Find(".chosenbar button", "Delete…").ClickAsync();
        await tab.Page.WaitForSelectorAsync(".dlg");
        await AssertCleanAsync(tab);
        await tab.PressAsync("Escape");
        await tab.PressAsync("Control+k");
        await AssertCleanAsync(tab);
        await tab.PressAsync("Escape");
        await tab.PressAsync("?");
        await AssertCleanAsync(tab);
    }

    internal static async Task AssertCleanAsync(ConsoleTab tab)
    {
        tab.MayHaveErrors = true; // axe itself evaluates text, which the page's policy refuses; it does without.
        var result = await tab.Page.RunAxe(new AxeRunOptions { ResultTypes = [ResultType.Violations] });

        Assert.Equal("", string.Join('\n', result.Violations.Select(finding =>
            $"{finding.Impact} {finding.Id}: {finding.Help}: {string.Join(" | ", finding.Nodes.Select(node => node.Html).Take(4))}")));
    }
}
