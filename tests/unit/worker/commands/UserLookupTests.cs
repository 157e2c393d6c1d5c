using Dts.Tests.Support;
using Dts.Worker.Commands;
using Xunit;

namespace Dts.Tests.Unit.Worker.Commands;

/// <summary>A host whose directory of users does not answer delays nobody for long.</summary>
public sealed class UserLookupTests
{
    private static readonly UserAccount Mara = new("mara", 1001, 1001, "/home/mara");

    private readonly ManualTime _time = new();

    [Fact]
    public void A_user_who_is_not_found_in_time_is_found_once_the_host_answers()
    {
        using var answers = new ManualResetEventSlim();
        var asked = 0;
        var users = new UserLookup(
            name =>
            {
                Interlocked.Increment(ref asked);
                answers.Wait(TestContext.Current.CancellationToken);
                return new UserAnswer(IsAnswer: true, Mara);
            },
            _time);

        Assert.False(users.TryFind("mara", out _));
        Assert.False(users.TryFind("mara", out _));
        Assert.Equal(1, asked);

        answers.Set();
        UserAccount? found = null;
        Assert.True(SpinWait.SpinUntil(() => users.TryFind("mara", out found), Patience.Limit));
        Assert.Equal((Mara, 1), (found, asked));
    }

    [Fact]
    public void A_user_stays_known_for_an_hour_while_the_host_does_not_answer_and_is_asked_for_again_each_minute()
    {
        var answer = new UserAnswer(IsAnswer: true, Mara);
        var users = new UserLookup(_ => answer, _time);
        Assert.True(users.TryFind("mara", out var found) && found == Mara);

        answer = default;
        _time.Advance(TimeSpan.FromMinutes(59));
        Assert.True(users.TryFind("mara", out found) && found == Mara);
        _time.Advance(TimeSpan.FromMinutes(2));
        Assert.False(users.TryFind("mara", out _));

        var moved = Mara with { Uid = 1002 };
        answer = new UserAnswer(IsAnswer: true, moved);
        _time.Advance(TimeSpan.FromMinutes(2));
        Assert.True(SpinWait.SpinUntil(() => users.TryFind("mara", out found) && found == moved, Patience.Limit));
    }

    [Fact]
    public void A_user_who_is_added_to_the_host_is_found_a_moment_later_and_one_who_is_removed_within_a_minute()
    {
        UserAccount? account = null;
        var users = new UserLookup(_ => new UserAnswer(IsAnswer: true, account), _time);

        Assert.True(users.TryFind("mara", out var found) && found is null);
        account = Mara;
        _time.Advance(TimeSpan.FromSeconds(6));
        Assert.True(users.TryFind("mara", out found) && found == Mara);

        account = null;
        _time.Advance(TimeSpan.FromSeconds(61));
        Assert.True(SpinWait.SpinUntil(() => users.TryFind("mara", out found) && found is null, Patience.Limit));
    }
}
