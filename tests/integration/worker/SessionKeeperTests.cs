using Dts.Common.Etcd;
using Dts.Tests.Support;
using Dts.Worker.Sessions;
using Xunit;

namespace Dts.Tests.Integration.Worker;

public sealed class SessionKeeperTests : EtcdTest, IClassFixture<EtcdServer>
{
    private static readonly TimeSpan Ttl = TimeSpan.FromSeconds(10);

    private readonly CutProxy _proxy;

    public SessionKeeperTests(EtcdServer server)
        : base(server) => _proxy = Own(new CutProxy(server.Address));

    private string Key => Keys.Worker("w1");

    [Fact]
    public async Task A_session_stands_in_etcd_under_its_lease_and_outlives_one_of_equal_length_that_nobody_prolongs()
    {
        var ttl = TimeSpan.FromSeconds(8);
        var kept = Keep("me", ttl: ttl);
        var session = await kept.SessionSoonAsync();
        var registered = await Etcd.FindAsync(Key);
        Assert.Equal(("me", session.Lease.Value), (registered!.Value.ToStringUtf8(), registered.Lease));

        await Etcd.PutAsync(Keys.Lock("control"), "", await Etcd.GrantAsync(ttl));
        await KeySoonAsync(Keys.Lock("control"), value => value is null);

        Assert.True(session.Holds);
        Assert.Same(session, kept.Keeper.Current);
        Assert.Equal(registered.ModRevision, (await Etcd.FindAsync(Key))!.ModRevision);
    }

    [Fact]
    public async Task The_lease_is_given_back_at_the_end()
    {
        var kept = Keep("me");
        var session = await kept.SessionSoonAsync();

        await kept.DisposeAsync();

        Assert.Null(await ReadAsync(Key));
        Assert.Equal((true, false), (session.IsLost, session.Holds));
        Assert.Null(kept.Keeper.Current);
    }

    [Fact]
    public async Task A_lease_that_was_revoked_is_noticed_and_a_new_session_is_opened()
    {
        var kept = Keep("me");
        var first = await kept.SessionSoonAsync();

        await Etcd.RevokeAsync(first.Lease);

        await Patience.Until(() => first.IsLost, () => $"{Log}");
        Assert.False(first.Holds);
        var second = await kept.SessionSoonAsync(other: first);
        Assert.NotEqual(first.Lease, second.Lease);
        Assert.Equal(second.Lease.Value, (await Etcd.FindAsync(Key))!.Lease);
        Assert.Equal([first, second], kept.Opened);
        Assert.Equal(1, Log.CountOf("has expired; opening a new one"));
    }

    [Fact]
    public async Task Cut_off_for_longer_than_its_time_it_is_in_doubt_and_then_there_is_a_new_one()
    {
        var kept = Keep("me", ttl: TimeSpan.FromSeconds(2));
        var first = await kept.SessionSoonAsync();

        _proxy.Cut();
        await Patience.Until(() => !first.Holds, () => $"{Log}");

        Assert.False(first.IsLost);
        await KeySoonAsync(Key, value => value is null);
        _proxy.Mend();
        await Patience.Until(() => kept.Keeper.Current is { Holds: true } second && second != first, () => $"{Log}");
    }

    [Fact]
    public async Task Two_of_five_endpoints_that_never_answer_do_not_end_a_session()
    {
        var proxies = Enumerable.Range(0, 5).Select(_ => Own(new CutProxy(Server.Address))).ToList();
        var etcd = Own(new EtcdClient(Server.Options([.. proxies.Select(proxy => proxy.Endpoint)]), TimeProvider.System, Log));
        var ttl = TimeSpan.FromSeconds(18);
        var kept = Own(new Kept(etcd, Key, "me", ttl, _ => false, Log));
        var session = await kept.SessionSoonAsync();

        proxies[0].Stall();
        proxies[1].Stall();
        await Patience.Until(
            () => session.IsLost || (proxies[2].Connections > 0 && session.HoldsFor > ttl * 0.6), () => $"{Log}", TimeSpan.FromMinutes(1));

        Assert.False(session.IsLost, $"{Log}");
        Assert.Same(session, kept.Keeper.Current);
    }

    [Fact]
    public async Task An_etcd_out_of_space_is_logged_once_and_so_is_its_recovery()
    {
        var server = Own(await EtcdServer.StartNewAsync("http", EtcdServer.Small));
        var filler = Own(server.Connect(new RecordedLog()));
        var running = Own(new Kept(Own(server.Connect(Log)), Key, "me", Ttl, _ => false, Log));
        var session = await running.SessionSoonAsync();
        await EtcdServer.FillAsync(filler);
        running.Keeper.DescribeSoon();
        await Patience.Until(() => Log.CountOf("etcd is out of space") == 1, () => $"{Log}");

        var log = new RecordedLog();
        var started = Own(new Kept(Own(server.Connect(log)), Keys.Worker("w2"), "me", Ttl, _ => false, log));
        await Patience.Until(() => log.CountOf("etcd is out of space") == 1, () => $"{log}");
        Assert.True(session.Holds);
        await server.MakeSpaceAsync(filler);

        await started.SessionSoonAsync();
        running.Keeper.DescribeSoon();
        await Patience.Until(() => Log.CountOf("has space again") == 1, () => $"{Log}");
        Assert.Same(session, running.Keeper.Current);
        Assert.Equal((1, 1), (Log.CountOf("etcd is out of space"), log.CountOf("has space again")));
        Assert.Equal((0, 0), (Log.CountOf("etcd refused this service"), log.CountOf("etcd refused this service")));
    }

    [Fact]
    public async Task Etcd_back_before_it_forgot_the_session_holds_again()
    {
        var server = Own(await EtcdServer.StartNewAsync());
        var etcd = Own(server.Connect(Log));
        var kept = Own(new Kept(etcd, Key, "me", Ttl, _ => false, Log));
        var session = await kept.SessionSoonAsync();

        await server.StopAsync();
        await Patience.Until(() => !session.Holds, () => $"{Log}");
        await server.StartAsync(); // A member that starts gives all leases their whole time again.

        await Patience.Until(() => session.Holds, () => $"{Log}");
        Assert.Same(session, kept.Keeper.Current);
        Assert.Single(kept.Opened);
    }

    [Fact]
    public async Task A_second_process_of_that_id_waits_for_one_that_may_live_and_takes_over_when_it_ends()
    {
        var first = Keep("first");
        await first.SessionSoonAsync();

        var second = Keep("second");
        await Patience.Until(() => Log.CountOf("registered by another live worker, first") >= 2, () => $"{Log}");
        Assert.Null(second.Keeper.Current);
        Assert.Equal("first", await ReadAsync(Key));

        await first.DisposeAsync();
        await second.SessionSoonAsync();
        Assert.Equal("second", await ReadAsync(Key));
    }

    [Fact]
    public async Task A_second_process_of_that_id_takes_over_at_once_from_one_that_is_certainly_dead()
    {
        var lease = await Etcd.GrantAsync(TimeSpan.FromMinutes(10));
        await Etcd.PutAsync(Key, "dead", lease);

        var kept = Keep("me", holder => holder == "dead");

        await kept.SessionSoonAsync();
        Assert.Equal("me", await ReadAsync(Key));
        Assert.False(await Etcd.KeepAliveAsync(lease));
    }

    [Fact]
    public async Task A_registration_whose_answer_was_lost_is_recognised_as_its_own()
    {
        _proxy.StallAnswers();
        var etcd = await ConnectAsync(_proxy.Endpoint);
        var kept = Own(new Kept(etcd, Key, "me", TimeSpan.FromMinutes(10), holder => holder == "me", Log));
        await Patience.Until(() => _proxy.Connections > 0, () => $"{Log}");
        await Etcd.PutAsync(Key, "me", await Etcd.GrantAsync(TimeSpan.FromMinutes(10)));
        _proxy.Mend();

        await kept.SessionSoonAsync();
        Assert.Equal(0, Log.CountOf("belongs to"));
    }

    [Fact]
    public async Task It_waits_for_an_etcd_that_is_not_there_yet()
    {
        _proxy.Cut();
        var kept = Keep("me");
        await Patience.Until(() => Log.CountOf("etcd is unreachable") > 0, () => $"{Log}");

        _proxy.Mend();

        await kept.SessionSoonAsync();
    }

    private Kept Keep(string registration, Func<string, bool>? isDead = null, TimeSpan? ttl = null)
    {
        var etcd = Own(new EtcdClient(Server.Options(_proxy.Endpoint), TimeProvider.System, Log));
        return Own(new Kept(etcd, Key, registration, ttl ?? Ttl, isDead ?? (_ => false), Log));
    }

    private sealed class Kept : IAsyncDisposable
    {
        private readonly CancellationTokenSource _stop = new();
        private readonly RecordedLog _log;
        private readonly Task _running;

        public Kept(EtcdClient etcd, string key, string registration, TimeSpan ttl, Func<string, bool> isDead, RecordedLog log)
        {
            _log = log;
            Keeper = new SessionKeeper(etcd, key, ttl, () => registration, isDead, NoteAsync, () => false, log);
            _running = Keeper.RunAsync(_stop.Token);
        }

        public SessionKeeper Keeper { get; }

        public List<Session> Opened { get; } = [];

        public async Task<Session> SessionSoonAsync(Session? other = null)
        {
            Session? found = null;
            await Patience.Until(() => (found = Keeper.Current) is not null && found != other, () => $"{_log}");
            return found!;
        }

        public async ValueTask DisposeAsync()
        {
            await _stop.CancelAsync();
            await _running.WaitAsync(Patience.Limit);
        }

        private Task NoteAsync(Session session)
        {
            Opened.Add(session);
            return Task.CompletedTask;
        }
    }
}
