using Dts.Common.Jobs;
using Xunit;

namespace Dts.Tests.Unit.Jobs;

public sealed class KillRequestTests
{
    [Theory]
    // the value of a key under killer/ -> the run it is meant for, why
    [InlineData("",                                "",                 "by request")] // the original's
    [InlineData("20261122T100000Z",                "20261122T100000Z", "by request")]
    [InlineData("20261122T100000Z by request",     "20261122T100000Z", "by request")]
    [InlineData("* replaced by the run for later", "",                 "replaced by the run for later")]
    public void A_request_says_what_is_to_end_and_why(string value, string runId, string reason) =>
        Assert.Equal(new KillRequest(runId, reason), KillRequest.Parse(value));

    [Fact]
    public void What_is_written_is_read()
    {
        foreach (var request in new[] { KillRequest.All, new KillRequest("20261122T100000Z", "no more") })
        {
            Assert.Equal(request, KillRequest.Parse(request.ToString()));
        }
    }

    [Fact]
    public void A_request_for_the_job_covers_all_its_runs_and_one_for_a_run_only_that()
    {
        Assert.True(KillRequest.All.Covers("x"));
        Assert.True(new KillRequest("x", "").Covers("x"));
        Assert.False(new KillRequest("x", "").Covers("y"));
    }
}
