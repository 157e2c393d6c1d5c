using Dts.Common.Cron;
using Dts.Master.Jobs;
using Dts.Tests.Support;
using Xunit;

namespace Dts.Tests.Unit.Master;

public sealed class SaveRulesTests
{
    private const string Expected = "expected a name of 1 to 63 and a value of at most 256 characters, without control characters";

    [Theory]
    [InlineData("team",       "pay",        null)]
    [InlineData("团队",        "",           null)]
    [InlineData("te\0am",     "pay",        "labels has \"te?am=pay\"; " + Expected)]
    [InlineData("team",       "a\nb",       "labels has \"team=a?b\"; " + Expected)]
    [InlineData("",           "pay",        "labels has \"=pay\"; " + Expected)]
    public void A_label_is_a_short_text_on_one_line(string name, string value, string? fault) =>
        Assert.Equal(fault, FaultOf((name, value)));

    [Fact]
    public void Labels_are_bounded_in_number_and_length()
    {
        Assert.Null(FaultOf([.. Enumerable.Range(0, 32).Select(n => ($"label-{n}", new string('x', 256)))]));
        Assert.Equal(
            "labels has 33 labels; expected at most 32", FaultOf([.. Enumerable.Range(0, 33).Select(n => ($"label-{n}", ""))]));
        Assert.EndsWith(Expected, FaultOf((new string('x', 64), "")));
        Assert.EndsWith(Expected, FaultOf(("team", new string('x', 257))));
    }

    [Fact]
    public void What_a_viewer_sees_instead_of_a_variable_is_no_value_unless_the_job_has_it_already()
    {
        var hidden = Some.Job() with { Env = new Dictionary<string, string> { ["A"] = "1", ["KEY"] = "•••" } };

        Assert.Equal(
            "env KEY is •••, which viewers see instead of the value; expected the value, as operators see it",
            SaveRules.FindHidden(Some.Job() with { Env = new Dictionary<string, string> { ["KEY"] = "secret" } }, hidden));
        Assert.NotNull(SaveRules.FindHidden(null, hidden));
        Assert.Null(SaveRules.FindHidden(hidden, hidden with { Command = "other" }));
    }

    private static string? FaultOf(params (string Name, string Value)[] labels) => SaveRules.FindFault(
        Some.Job() with { Labels = labels.ToDictionary(label => label.Name, label => label.Value) }, CronZone.Utc);
}
