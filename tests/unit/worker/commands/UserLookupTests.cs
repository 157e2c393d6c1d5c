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
                return Mara;
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
    public void A_known_user_is_found_at_once_while_the_host_does_not_answer_and_has_the_new_home_when_it_does()
    {
        using var answers = new ManualResetEventSlim(initialState: true);
        var home = "/home/mara";
        var users = new UserLookup(
            name =>
            {
                answers.Wait(TestContext.Current.CancellationToken);
                return Mara with { Home = home };
            },
            _time);
        Assert.True(users.TryFind("mara", out var found) && found == Mara);

        answers.Reset();
        home = "/srv/mara";
        _time.Advance(TimeSpan.FromMinutes(2));
        Assert.True(users.TryFind("mara", out found) && found == Mara);

        answers.Set();
        Assert.True(SpinWait.SpinUntil(() => users.TryFind("mara", out found) && found == Mara with { Home = home }, Patience.Limit));
    }

    [Fact]
    public void A_user_who_is_added_to_the_host_is_found_at_the_next_question()
    {
        UserAccount? account = null;
        var users = new UserLookup(_ => account, _time);

        Assert.True(users.TryFind("mara", out var found));
        Assert.Null(found);
        account = Mara;
        Assert.True(users.TryFind("mara", out found));

        Assert.Equal(Mara, found);
    }
}
