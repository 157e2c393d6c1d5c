using System.Net;
using Dts.Master.Access;
using Dts.Master.Api;
using Xunit;

namespace Dts.Tests.Unit.Master;

public sealed class CallerQuotaTests
{
    private readonly CallerQuota _quota = new(20, "readers", "already follow outputs", "try again later");

    [Fact]
    public void One_caller_gets_a_quarter_and_the_others_have_the_rest()
    {
        Take(5, Of("mara", CallerVia.Person));

        var refusal = Assert.Throws<Refusal>(() => _quota.Take(Of("mara", CallerVia.Person))).Problem;

        Assert.Equal(429, refusal.Status);
        Assert.Equal("5 readers of mara already follow outputs, the most of one caller; try again later", refusal.Detail);
        Take(5, Of("mara", CallerVia.Token)); // A token of that name is another caller.
        Take(5, Of("eva", CallerVia.Person));
        Take(5, Of("ben", CallerVia.Proxy));
        var full = Assert.Throws<Refusal>(() => _quota.Take(Of("tom", CallerVia.Person))).Problem;
        Assert.Equal((503, "20 readers already follow outputs; try again later"), (full.Status, full.Detail));
    }

    [Fact]
    public void A_place_is_given_back_only_once()
    {
        var taken = Take(5, Of("mara", CallerVia.Person));
        taken[0].Dispose();
        taken[0].Dispose();

        Take(1, Of("mara", CallerVia.Person));
        Assert.Throws<Refusal>(() => _quota.Take(Of("mara", CallerVia.Person)));
    }

    [Fact]
    public void Holders_of_the_apiToken_are_distinguished_by_their_network()
    {
        Take(5, Of("token", CallerVia.ApiToken, "2001:db8::1"));

        Assert.Throws<Refusal>(() => _quota.Take(Of("token", CallerVia.ApiToken, "2001:db8::2")));
        Take(5, Of("token", CallerVia.ApiToken, "2001:db8:0:1::1"));
    }

    [Fact]
    public void A_master_that_asks_nobody_gives_one_caller_all_places()
    {
        Take(20, Of("local", CallerVia.Loopback));

        Assert.Equal(503, Assert.Throws<Refusal>(() => _quota.Take(Of("local", CallerVia.Loopback))).Problem.Status);
    }

    private List<IDisposable> Take(int count, Caller caller) => [.. Enumerable.Range(0, count).Select(_ => _quota.Take(caller))];

    private static Caller Of(string name, CallerVia via, string address = "203.0.113.80") =>
        new(name, Role.Viewer, Scope.Everything, IPAddress.Parse(address), via);
}
