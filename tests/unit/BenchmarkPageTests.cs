using Dts.Bench;
using Dts.Tests.Support;
using Xunit;

namespace Dts.Tests.Unit;

/// <summary>The writer of docs/benchmarks.md: what it replaces, and how it judges a figure.</summary>
public sealed class BenchmarkPageTests
{
    private const string Written = """
        # Benchmarks

        By hand.

        <!-- bench targets -->
        <!-- /bench targets -->

        ## Starts

        <!-- bench starts -->
        old starts
        <!-- /bench starts -->

        <!-- bench log -->
        old log
        <!-- /bench log -->
        """;

    private static readonly Series Ten = Series.Of(9, 10, 14);
    private static readonly Series Twenty = Series.Of(20, 20, 21);

    [Fact]
    public void A_part_replaces_its_own_text_and_no_other()
    {
        var page = new Page(Written).With("starts", "new starts");

        Assert.Contains("<!-- bench starts -->\nnew starts\n<!-- /bench starts -->", page.Text);
        Assert.Contains("<!-- bench log -->\nold log\n<!-- /bench log -->", page.Text);
        Assert.Contains("By hand.", page.Text);
        Assert.DoesNotContain("old starts", page.Text);
    }

    [Fact]
    public void A_part_can_be_replaced_again() => Assert.Equal(
        new Page(Written).With("starts", "second").Text,
        new Page(Written).With("starts", "first").With("starts", "second").Text);

    [Fact]
    public void A_part_without_a_place_is_an_error_that_says_what_to_add()
    {
        var error = Assert.Throws<InvalidOperationException>(() => new Page(Written).With("burst", "new"));

        Assert.Contains("<!-- bench burst -->", error.Message);
    }

    [Fact]
    public void The_page_counts_the_targets_of_all_parts_and_lists_those_that_are_not_met()
    {
        var met = new Findings([new Figure("lag, ms", Ten).Beside("loops", Twenty).Should(Bound.AtMostTimes(1.1))]);
        var rate = new Figure("rate", Ten).Beside("bare", Twenty).Should(Bound.AtLeastTimes(0.9));
        var missed = new Findings([rate, new Figure("size", Ten)]);

        var page = new Page(Written).With("starts", met.Markdown).With("log", missed.Markdown);

        Assert.Contains("1 of 2 targets are met. These are not:\n\n- `log`: rate: 0.5 (0.45–0.667) ×, target ≥ 0.9 ×\n", page.Text);
    }

    [Fact]
    public void The_page_as_it_is_published_has_a_place_for_every_part()
    {
        var program = File.ReadAllText(Tool.InRepository("tests/bench/Program.cs"));
        var parts = System.Text.RegularExpressions.Regex.Matches(program, @"new\(""([a-z-]+)""").Select(match => match.Groups[1].Value);

        var places = new Page(File.ReadAllText(Tool.InRepository("docs/benchmarks.md"))).Names.ToList();

        Assert.Equal(parts.Append(Page.Targets).Order(), places.Order());
    }

    [Fact]
    public void A_row_has_medians_spreads_the_ratio_and_the_verdict() => Assert.Equal(
        "| lag, ms | 10 (9–14) | loops: 20 (20–21) | 0.5 (0.45–0.667) | ≤ 1.1 × | yes |",
        new Figure("lag, ms", Ten).Beside("loops", Twenty).Should(Bound.AtMostTimes(1.1)).Row);

    [Fact]
    public void A_row_without_reference_or_target_leaves_their_cells_empty() =>
        Assert.Equal("| size, MB | 24.5 |  |  |  |  |", new Figure("size, MB", Series.Of(24.5)).Row);

    [Fact]
    public void A_target_holds_only_if_every_quantity_of_the_row_meets_it()
    {
        var figure = new Figure("p50 / p99", Ten, Twenty).Beside("cron", Twenty, Ten).Should(Bound.Ahead);

        Assert.EndsWith("| 0.5 / 2 (0.45–0.667 / 1.5–2.22) | ahead | **no** |", figure.Row);
    }

    [Theory]
    [MemberData(nameof(Verdicts))]
    public void A_target_judges_the_medians(string verdict, string target)
    {
        var figure = new Figure("x", Ten).Beside("y", Twenty).Should(Named[target]);

        Assert.EndsWith($"| {verdict} |", figure.Row);
    }

    public static TheoryData<string, string> Verdicts => new(Named.Keys.Select(name => (name.EndsWith('!') ? "**no**" : "yes", name)));

    private static Dictionary<string, Bound> Named { get; } = new()
    {
        ["at most"]              = Bound.AtMost(10),
        ["at most!"]             = Bound.AtMost(9.9),
        ["at least"]             = Bound.AtLeast(10),
        ["at least!"]            = Bound.AtLeast(10.1),
        ["at most times"]        = Bound.AtMostTimes(0.5),
        ["at most times!"]       = Bound.AtMostTimes(0.49),
        ["at least times"]       = Bound.AtLeastTimes(0.5),
        ["at least times!"]      = Bound.AtLeastTimes(0.51),
        ["at most above"]        = Bound.AtMostAbove(-10),
        ["at most above!"]       = Bound.AtMostAbove(-11),
        ["ahead"]                = Bound.Ahead,
    };

    [Theory]
    [InlineData(1234567,  "1,234,567")]
    [InlineData(123.4,    "123")]
    [InlineData(12.34,    "12.3")]
    [InlineData(1.234,    "1.23")]
    [InlineData(0.1234,   "0.123")]
    [InlineData(0,        "0")]
    public void A_number_has_three_digits_or_is_whole(double value, string text) => Assert.Equal(text, Figure.Text(value));

    [Fact]
    public void Rounds_of_different_number_are_compared_by_their_medians() =>
        Assert.Equal([0.5], Ten.Over(Series.Of(20, 20)).Values);

    [Fact]
    public void A_smoke_test_measures_one_round_of_small_sizes()
    {
        Assert.Equal((1, 10), (new Effort(IsSmoke: true).Rounds, new Effort(IsSmoke: true).Argument(0, 1000, 10)));
        Assert.Equal((5, 1000), (new Effort(IsSmoke: false).Rounds, new Effort(IsSmoke: false).Argument(0, 1000, 10)));
        Assert.Equal(77, new Effort(IsSmoke: false, "77").Argument(0, 1000, 10));
    }
}
