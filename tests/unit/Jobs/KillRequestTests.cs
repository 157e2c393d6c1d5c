using Dts.Common.Jobs;
using Xunit;

namespace Dts.Tests.Unit.Jobs;

public sealed class KillRequestTests
{
    private static readonly Keys Keys = new(Keys.DefaultPrefix);

    [Theory]
    // a key under killer/ and its value -> the run it is meant for, why
    [InlineData("a",                  "",         "",                 "by request")] // the original's
    [InlineData("a",                  "no more",  "",                 "no more")]
    [InlineData("a/20261122T100000Z", "",         "20261122T100000Z", "by request")]
    [InlineData("a/20261122T100000Z", "replaced", "20261122T100000Z", "replaced")]
    public void A_kill_request_has_a_target_and_a_reason(string key, string value, string runId, string reason)
    {
        var (name, asked) = Keys.TryParseKiller($"/cron/killer/{key}")!.Value;

        Assert.Equal((JobName.Parse("a"), new KillRequest(runId, reason)), (name, KillRequest.Of(asked, value)));
        Assert.Equal($"/cron/killer/{key}", Keys.Killer(name, asked));
    }

    [Fact]
    public void A_request_for_the_job_covers_all_its_runs_and_one_for_a_run_only_that()
    {
        Assert.True(KillRequest.All.Covers("x"));
        Assert.True(new KillRequest("x", "").Covers("x"));
        Assert.False(new KillRequest("x", "").Covers("y"));
    }
}
