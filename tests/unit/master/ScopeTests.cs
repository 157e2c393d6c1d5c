using Dts.Common.Jobs;
using Dts.Master.Access;
using Xunit;

namespace Dts.Tests.Unit.Master;

public sealed class ScopeTests
{
    [Theory]
    [InlineData("",                            true)]
    [InlineData("label:team=pay",              true)]
    [InlineData("label:team",                  true)]
    [InlineData("label:team=ops",              false)]
    [InlineData("-label:team=ops",             true)]
    [InlineData("-label:team",                 false)]
    [InlineData("job:backup",                  true)]
    [InlineData("job:report|backup",           true)]
    [InlineData("job:report",                  false)]
    [InlineData("user:deploy",                 true)]
    [InlineData("label:team=pay user:root",    false)]
    [InlineData("label:team=pay user:deploy",  true)]
    public void A_scope_includes_the_jobs_that_match_all_its_words(string scope, bool isIncluded)
    {
        var job = new Job("backup", "true", "@daily", User: "deploy", Labels: new Dictionary<string, string> { ["team"] = "pay" });

        Assert.Equal(isIncluded, Scope.Parse(scope).Includes(job));
    }

    [Theory]
    [InlineData("state:failing")]
    [InlineData("backup")]
    [InlineData("next:<1h")]
    [InlineData("worker:w1")]
    [InlineData("label:team=pay ending:failed")]
    public void A_scope_cannot_use_what_changes_without_a_save(string scope)
    {
        Assert.EndsWith(
            "expected only job:, label: and user: to limit access",
            Assert.Throws<FormatException>(() => Scope.Parse(scope)).Message);
        Assert.Null(Scope.TryParse(scope));
    }

    [Fact]
    public void Nothing_includes_no_job() => Assert.False(Scope.Nothing.Includes(new Job("a", "true", "@daily")));
}
