using Dts.Common.Etcd;
using Dts.Tests.Support;
using Dts.Worker.Sessions;
using Xunit;

namespace Dts.Tests.Integration.Worker;

public sealed class LeaseLockTests(EtcdServer server) : EtcdTest(server), IClassFixture<EtcdServer>
{
    private LeaseLock Lock => new(Etcd, Keys.Lock("reaper"));

    [Fact]
    public async Task One_session_has_it_until_its_lease_ends()
    {
        var (first, second) = (await OpenAsync(), await OpenAsync());

        Assert.True(await Lock.TryAcquireAsync(first, "w1"));
        Assert.True(await Lock.TryAcquireAsync(first, "w1"));
        Assert.False(await Lock.TryAcquireAsync(second, "w2"));
        Assert.Equal("w1", await ReadAsync(Keys.Lock("reaper")));

        await Etcd.RevokeAsync(first.Lease);
        Assert.True(await Lock.TryAcquireAsync(second, "w2"));
        Assert.Equal("w2", await ReadAsync(Keys.Lock("reaper")));
    }

    [Fact]
    public async Task Of_many_that_try_at_once_one_gets_it()
    {
        var sessions = await Task.WhenAll(Enumerable.Range(0, 20).Select(_ => OpenAsync()));

        var got = await Task.WhenAll(sessions.Select((session, n) => Lock.TryAcquireAsync(session, $"w{n}")));

        Assert.Single(got, true);
    }

    [Fact]
    public async Task A_session_that_is_gone_gets_nothing()
    {
        var session = await OpenAsync();
        await Etcd.RevokeAsync(session.Lease);

        var failure = await Assert.ThrowsAsync<EtcdException>(() => Lock.TryAcquireAsync(session, "w1"));

        Assert.Equal(EtcdError.LeaseNotFound, failure.Error);
    }

    private async Task<Session> OpenAsync()
    {
        var ttl = TimeSpan.FromSeconds(60);
        return new Session(await Etcd.GrantAsync(ttl), ttl, TimeProvider.System.GetTimestamp(), TimeProvider.System);
    }
}
