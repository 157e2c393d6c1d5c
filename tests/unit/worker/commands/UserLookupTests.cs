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
        Assert.True(SpinWait.SpinUntil(() => Volatile.Read(ref asked) > 0, Patience.Limit));
        Assert.Equal(1, asked);

        answers.Set();
        Assert.True(FindsSoon(users, Mara));
        Assert.Equal(1, asked);
    }

    [Fact]
    public void A_user_stays_known_for_an_hour_while_the_host_does_not_answer_and_is_asked_for_again_each_minute()
    {
        var answer = new UserAnswer(IsAnswer: true, Mara);
        var users = new UserLookup(_ => answer, _time);
        Assert.True(FindsSoon(users, Mara));

        answer = default;
        _time.Advance(TimeSpan.FromMinutes(59));
        Assert.True(users.TryFind("mara", out var found) && found == Mara);
        _time.Advance(TimeSpan.FromMinutes(2));
        Assert.False(users.TryFind("mara", out _));

        var moved = Mara with { Uid = 1002 };
        answer = new UserAnswer(IsAnswer: true, moved);
        _time.Advance(TimeSpan.FromMinutes(2));
        Assert.True(FindsSoon(users, moved));
    }

    [Fact]
    public void A_user_who_is_added_to_the_host_is_found_a_moment_later_and_one_who_is_removed_within_a_minute()
    {
        UserAccount? account = null;
        var users = new UserLookup(_ => new UserAnswer(IsAnswer: true, account), _time);

        Assert.True(FindsSoon(users, null));
        account = Mara;
        _time.Advance(TimeSpan.FromSeconds(6));
        Assert.True(FindsSoon(users, Mara));

        account = null;
        _time.Advance(TimeSpan.FromSeconds(61));
        Assert.True(FindsSoon(users, null));
    }

    /// <summary>Whether this comes to be the answer. On a busy host the first question may have none in time.</summary>
    private static bool FindsSoon(UserLookup users, UserAccount? user) =>
        SpinWait.SpinUntil(() => users.TryFind("mara", out var found) && found == user, Patience.Limit);
}
