using Dts.Master.Audit;
using Dts.Tests.Support;
using Xunit;

namespace Dts.Tests.Unit.Master;

public sealed class RefusalTallyTests
{
    private readonly RefusalTally _tally = new();

    [Fact]
    public void Equal_refusals_are_told_once_and_a_minute_later_how_many_followed()
    {
        Assert.NotNull(_tally.Take(Refusal("203.0.113.80"), Some.Now));
        Assert.All(Enumerable.Range(0, 14), _ => Assert.Null(_tally.Take(Refusal("203.0.113.80"), Some.Now)));
        Assert.NotNull(_tally.Take(Refusal("203.0.113.81"), Some.Now));

        Assert.Empty(_tally.Due(Some.Now.AddSeconds(59)));
        var told = Assert.Single(_tally.Due(Some.Now.AddSeconds(60)));
        Assert.Equal("wrong token (14 more times in 60 s)", told.Detail);
        Assert.NotNull(_tally.Take(Refusal("203.0.113.80"), Some.Now.AddSeconds(61)));
    }

    [Fact]
    public void At_the_end_all_is_told()
    {
        _tally.Take(Refusal("203.0.113.80"), Some.Now);
        _tally.Take(Refusal("203.0.113.80"), Some.Now);

        Assert.Equal("wrong token (1 more times in 1 s)", Assert.Single(_tally.Due(Some.Now, isEnd: true)).Detail);
    }

    [Fact]
    public void A_stranger_with_many_addresses_takes_no_more_memory()
    {
        var told = Enumerable.Range(0, 5000).Count(n => _tally.Take(Refusal($"2001:db8:{n:x}::1"), Some.Now) is not null);

        Assert.Equal(RefusalTally.KindsMax + 1, told);
        Assert.Contains("3999 more times", Assert.Single(_tally.Due(Some.Now.AddMinutes(1))).Detail);
    }

    private static AuditRecord Refusal(string from) =>
        new("id", Some.Now, "", "", "", from, "GET /api/v1/jobs", "", AuditRecord.Refused, "wrong token", []);
}
