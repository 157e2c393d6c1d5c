using System.Threading.Channels;
using Dts.Common.Hosting;
using Dts.Master;
using Dts.Master.Access;
using Dts.Master.Audit;
using Dts.Tests.Support;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace Dts.Tests.Unit.Master;

public sealed class RefusalTallyTests
{
    private static readonly TimeSpan Begun = TimeSpan.FromDays(1);

    private readonly RefusalTally _tally = new();

    [Fact]
    public void Equal_refusals_make_one_record_at_once_and_their_count_a_minute_later()
    {
        Assert.NotNull(_tally.Take(Refusal("203.0.113.80"), Begun));
        Assert.All(Enumerable.Range(0, 14), _ => Assert.Null(_tally.Take(Refusal("203.0.113.80"), Begun)));
        Assert.NotNull(_tally.Take(Refusal("203.0.113.81"), Begun));

        Assert.Empty(Due(59));
        var told = Assert.Single(Due(60));
        Assert.Equal("wrong token (14 more times in 60 s)", told.Detail);
        Assert.NotNull(_tally.Take(Refusal("203.0.113.80"), Begun + TimeSpan.FromSeconds(61)));
    }

    [Fact]
    public async Task No_count_waits_for_the_hour_by_which_the_clock_was_ahead()
    {
        var time = new ManualTime();
        var records = Channel.CreateUnbounded<AuditRecord>();
        var credentials = new Credentials(MasterSettings.Read(SettingsReader.Load([], "")), new AccessTable(Some.Keys, time));
        var trail = new AuditTrail(credentials, records.Writer, time, NullLogger.Instance);
        time.Step(TimeSpan.FromHours(1));
        await RefuseAsync();
        await RefuseAsync();
        time.Step(TimeSpan.FromHours(-1));
        Assert.True(records.Reader.TryRead(out var first));
        Assert.Equal(time.GetUtcNow().AddHours(1), first.At);

        time.Advance(TimeSpan.FromSeconds(59));
        trail.KeepDue();
        Assert.False(records.Reader.TryRead(out _));
        time.Advance(TimeSpan.FromSeconds(1));
        trail.KeepDue();

        Assert.True(records.Reader.TryRead(out var told));
        Assert.Equal((time.GetUtcNow(), "role (1 more times in 60 s)"), (told.At, told.Detail));

        Task RefuseAsync() => trail.NoteAsync(
            new DefaultHttpContext(),
            http =>
            {
                AuditNotes.Of(http).NoteProblem(403, "role");
                return Task.CompletedTask;
            });
    }

    [Fact]
    public void At_the_end_all_counts_are_recorded()
    {
        _tally.Take(Refusal("203.0.113.80"), Begun);
        _tally.Take(Refusal("203.0.113.80"), Begun);

        Assert.Equal("wrong token (1 more times in 1 s)", Assert.Single(Due(0, isEnd: true)).Detail);
    }

    [Fact]
    public void A_stranger_with_many_addresses_uses_limited_memory()
    {
        var told = Enumerable.Range(0, 5000).Count(n => _tally.Take(Refusal($"2001:db8:{n:x}::1"), Begun) is not null);

        Assert.Equal(RefusalTally.KindsMax + 1, told);
        Assert.Contains("3999 more times", Assert.Single(Due(60)).Detail);
    }

    [Fact]
    public void Strangers_use_up_no_share_of_callers_or_of_other_paths()
    {
        for (var n = 0; n < 5000; n++)
        {
            _tally.Take(Refusal($"2001:db8:{n:x}::1") with { Act = n % 2 == 0 ? "GET /api/v1/jobs" : "GET /api/v1/runs" }, Begun);
        }

        var ofMara = Refusal("203.0.113.80") with { Who = "mara", Role = "viewer", Via = "token", Detail = "role" };
        var signIn = Refusal("203.0.113.81") with { Who = "mara", Act = "POST /api/v1/session", Detail = "wrong password" };

        Assert.Equal(ofMara, _tally.Take(ofMara, Begun));
        Assert.Equal(signIn, _tally.Take(signIn, Begun));
        Assert.Equal(signIn with { Who = "eva" }, _tally.Take(signIn with { Who = "eva" }, Begun));
    }

    [Fact]
    public void A_caller_uses_up_no_share_of_another_caller()
    {
        for (var n = 0; n < 5000; n++)
        {
            _tally.Take(Refusal("203.0.113.80") with { Who = "ben", Role = "viewer", Via = "token", Detail = $"origin {n}" }, Begun);
        }

        var ofMara = Refusal("203.0.113.80") with { Who = "mara", Role = "viewer", Via = "token", Detail = "role" };

        Assert.Equal(ofMara, _tally.Take(ofMara, Begun));
        var rest = Assert.Single(Due(60));
        Assert.Equal(("ben", "viewer", ""), (rest.Who, rest.Role, rest.From));
        Assert.StartsWith("more than 1000 different refusals within a minute (3999 more times", rest.Detail);
    }

    [Fact]
    public void Strangers_on_many_paths_use_limited_memory()
    {
        var told = 0;
        for (var n = 0; n < 10_000; n++)
        {
            told += _tally.Take(Refusal($"2001:db8:{n:x}::1") with { Act = $"GET /{n % 40}" }, Begun) is null ? 0 : 1;
        }

        Assert.InRange(told, RefusalTally.StrangersMax, RefusalTally.StrangersMax + 40); // One more record for each path.
    }

    private IReadOnlyList<AuditRecord> Due(int seconds, bool isEnd = false) =>
        _tally.Due(Begun + TimeSpan.FromSeconds(seconds), Some.Now, isEnd);

    private static AuditRecord Refusal(string from) =>
        new("id", Some.Now, "", "", "", from, "GET /api/v1/jobs", "", AuditRecord.Refused, "wrong token", []);
}
