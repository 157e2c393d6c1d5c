using Dts.Common.Etcd;
using Dts.Tests.Support;
using Dts.Worker.Sessions;
using Xunit;

namespace Dts.Tests.Integration.Worker;

public sealed class LeaseLockTests(EtcdServer server) : EtcdTest(server), IClassFixture<EtcdServer>
{
    [Fact]
    public async Task One_session_has_the_lock_until_its_lease_ends()
    {
        var (first, second) = (await OpenAsync(), await OpenAsync());

        Assert.True(await LockOf("w1").TryAcquireAsync(first));
        Assert.True(await LockOf("w1").TryAcquireAsync(first));
        Assert.False(await LockOf("w2").TryAcquireAsync(second));
        Assert.Equal("w1", await ReadAsync(Keys.Lock("reaper")));

        await Etcd.RevokeAsync(first.Lease);
        Assert.True(await LockOf("w2").TryAcquireAsync(second));
        Assert.Equal("w2", await ReadAsync(Keys.Lock("reaper")));
    }

    [Fact]
    public async Task One_of_many_sessions_that_try_at_once_gets_the_lock()
    {
        var sessions = await Task.WhenAll(Enumerable.Range(0, 20).Select(_ => OpenAsync()));

        var got = await Task.WhenAll(sessions.Select((session, n) => LockOf($"w{n}").TryAcquireAsync(session)));

        Assert.Single(got, true);
    }

    [Fact]
    public async Task A_session_that_is_gone_does_not_get_the_lock()
    {
        var session = await OpenAsync();
        await Etcd.RevokeAsync(session.Lease);

        var failure = await Assert.ThrowsAsync<EtcdException>(() => LockOf("w1").TryAcquireAsync(session));

        Assert.Equal(EtcdError.LeaseNotFound, failure.Error);
    }

    private LeaseLock LockOf(string worker) => new(Etcd, Keys.Lock("reaper"), worker);

    private async Task<Session> OpenAsync()
    {
        var ttl = TimeSpan.FromSeconds(60);
        return new Session(await Etcd.GrantAsync(ttl), ttl, TimeProvider.System.GetTimestamp(), TimeProvider.System);
    }
}
