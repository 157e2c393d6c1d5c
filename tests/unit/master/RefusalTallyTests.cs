using Dts.Master.Audit;
using Dts.Tests.Support;
using Xunit;

namespace Dts.Tests.Unit.Master;

public sealed class RefusalTallyTests
{
    private readonly RefusalTally _tally = new();

    [Fact]
    public void Equal_refusals_make_one_record_at_once_and_their_count_a_minute_later()
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
    public void At_the_end_all_counts_are_recorded()
    {
        _tally.Take(Refusal("203.0.113.80"), Some.Now);
        _tally.Take(Refusal("203.0.113.80"), Some.Now);

        Assert.Equal("wrong token (1 more times in 1 s)", Assert.Single(_tally.Due(Some.Now, isEnd: true)).Detail);
    }

    [Fact]
    public void A_stranger_with_many_addresses_uses_limited_memory()
    {
        var told = Enumerable.Range(0, 5000).Count(n => _tally.Take(Refusal($"2001:db8:{n:x}::1"), Some.Now) is not null);

        Assert.Equal(RefusalTally.KindsMax + 1, told);
        Assert.Contains("3999 more times", Assert.Single(_tally.Due(Some.Now.AddMinutes(1))).Detail);
    }

    [Fact]
    public void Strangers_use_up_no_share_of_callers_or_of_other_paths()
    {
        for (var n = 0; n < 5000; n++)
        {
            _tally.Take(Refusal($"2001:db8:{n:x}::1") with { Act = n % 2 == 0 ? "GET /api/v1/jobs" : "GET /api/v1/runs" }, Some.Now);
        }

        var ofMara = Refusal("203.0.113.80") with { Who = "mara", Role = "viewer", Via = "token", Detail = "role" };
        var signIn = Refusal("203.0.113.81") with { Who = "mara", Act = "POST /api/v1/session", Detail = "wrong password" };

        Assert.Equal(ofMara, _tally.Take(ofMara, Some.Now));
        Assert.Equal(signIn, _tally.Take(signIn, Some.Now));
        Assert.Equal(signIn with { Who = "eva" }, _tally.Take(signIn with { Who = "eva" }, Some.Now));
    }

    [Fact]
    public void A_caller_uses_up_no_share_of_another_caller()
    {
        for (var n = 0; n < 5000; n++)
        {
            _tally.Take(Refusal("203.0.113.80") with { Who = "ben", Role = "viewer", Via = "token", Detail = $"origin {n}" }, Some.Now);
        }

        var ofMara = Refusal("203.0.113.80") with { Who = "mara", Role = "viewer", Via = "token", Detail = "role" };

        Assert.Equal(ofMara, _tally.Take(ofMara, Some.Now));
        var rest = Assert.Single(_tally.Due(Some.Now.AddMinutes(1)));
        Assert.Equal(("ben", "viewer", ""), (rest.Who, rest.Role, rest.From));
        Assert.StartsWith("more than 1000 different refusals within a minute (3999 more times", rest.Detail);
    }

    [Fact]
    public void Strangers_on_many_paths_use_limited_memory()
    {
        var told = 0;
        for (var n = 0; n < 10_000; n++)
        {
            told += _tally.Take(Refusal($"2001:db8:{n:x}::1") with { Act = $"GET /{n % 40}" }, Some.Now) is null ? 0 : 1;
        }

        Assert.InRange(told, RefusalTally.StrangersMax, RefusalTally.StrangersMax + 40); // One more record for each path.
    }

    private static AuditRecord Refusal(string from) =>
        new("id", Some.Now, "", "", "", from, "GET /api/v1/jobs", "", AuditRecord.Refused, "wrong token", []);
}
