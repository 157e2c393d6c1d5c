using System.Net;
using Dts.Master.Access;
using Dts.Tests.Support;
using Xunit;

namespace Dts.Tests.Unit.Master;

public sealed class SignInThrottleTests
{
    private static readonly IPAddress Home = IPAddress.Parse("192.0.2.1");
    private static readonly IPAddress Stranger = IPAddress.Parse("203.0.113.7");
    private static readonly TimeSpan Now = TimeSpan.FromDays(1);

    private readonly SignInThrottle _throttle = new();

    [Fact]
    public void After_its_attempts_of_a_minute_a_network_must_wait()
    {
        Assert.Equal(SignInThrottle.OfNetwork, Try(100, "mara", Stranger));

        Assert.Equal(SignInThrottle.Window, _throttle.Begin("mara", Stranger, false, Now));
        Assert.Equal(TimeSpan.Zero, _throttle.Begin("mara", Stranger, false, Now + SignInThrottle.Window));
    }

    [Fact]
    public async Task Nobody_waits_for_the_hour_by_which_the_clock_was_ahead()
    {
        var time = new ManualTime();
        using var signIn = new SignIn(new AccessTable(Some.Keys, time), time);
        time.Step(TimeSpan.FromHours(1));
        for (var n = 0; n < SignInThrottle.OfNetwork; n++)
        {
            Assert.IsType<SignInAnswer.Wrong>(await TryAsync());
        }

        time.Step(TimeSpan.FromHours(-1));
        Assert.Equal(new SignInAnswer.TooMany(SignInThrottle.Window), await TryAsync());
        time.Advance(SignInThrottle.Window);
        Assert.IsType<SignInAnswer.Wrong>(await TryAsync());

        // A password of this length is wrong without a hash.
        Task<SignInAnswer> TryAsync() =>
            signIn.TryAsync("mara", new string('x', PasswordHash.LengthMax + 1), Stranger, CancellationToken.None);
    }

    [Fact]
    public void Other_names_give_a_stranger_no_more_attempts()
    {
        Assert.Equal(SignInThrottle.OfNetwork, Enumerable.Range(0, 100).Sum(n => Try(1, $"name{n}", Stranger)));
    }

    [Theory]
    [InlineData("2001:db8::1",       "2001:db8::2",      true)]
    [InlineData("2001:db8::1",       "2001:db8:0:1::1",  false)]
    [InlineData("::ffff:192.0.2.1",  "192.0.2.1",        true)]
    public void Addresses_that_one_client_owns_count_as_one(string one, string other, bool isSame)
    {
        Try(SignInThrottle.OfNetwork, "mara", IPAddress.Parse(one));

        Assert.Equal(isSame ? 0 : 1, Try(1, "mara", IPAddress.Parse(other)));
    }

    [Fact]
    public void A_stranger_cannot_lock_a_person_out()
    {
        Try(10_000, "mara", Stranger);

        Assert.Equal(SignInThrottle.OfNetwork, Try(100, "mara", Home));
    }

    [Fact]
    public void Many_strangers_cannot_lock_out_a_person_who_is_signed_in()
    {
        for (var n = 0; n < 100; n++)
        {
            Try(SignInThrottle.OfNetwork, "mara", IPAddress.Parse($"198.51.100.{n}"));
        }

        Assert.Equal(0, Try(1, "mara", Home));
        Assert.Equal(1, Try(1, "mara", Home, isKnownHere: true));
        Assert.Equal(1, Try(1, "chen", Home));
    }

    [Fact]
    public void An_attempt_with_the_right_password_does_not_count()
    {
        for (var n = 0; n < 100; n++)
        {
            Assert.Equal(TimeSpan.Zero, _throttle.Begin("mara", Home, false, Now));
            _throttle.Forgive("mara", Home);
        }
    }

    [Fact]
    public void The_number_of_remembered_attempts_is_limited()
    {
        for (var n = 0; n < SignInThrottle.RememberedMax; n++)
        {
            Try(1, $"name{n}", IPAddress.Parse($"2001:db8:{n:x}::1"));
        }

        Assert.Equal(SignInThrottle.RememberedMax, _throttle.Remembered);
    }

    /// <summary>The number of attempts that may be checked.</summary>
    private int Try(int attempts, string name, IPAddress address, bool isKnownHere = false) =>
        Enumerable.Range(0, attempts).Count(_ => _throttle.Begin(name, address, isKnownHere, Now) == TimeSpan.Zero);
}
