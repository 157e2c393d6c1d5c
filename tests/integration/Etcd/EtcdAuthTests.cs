using Dts.Common.Etcd;
using Dts.Tests.Support;
using Dts.Worker.Sessions;
using Xunit;

namespace Dts.Tests.Integration.Etcd;

public sealed class EtcdAuthTests : IAsyncLifetime
{
    private readonly RecordedLog _log = new();
    private EtcdServer _server = null!;

    public async ValueTask InitializeAsync() => await EnableAsync(_server = await EtcdServer.StartNewAsync());

    public ValueTask DisposeAsync() => _server.DisposeAsync();

    [Fact]
    public async Task A_user_has_the_rights_of_its_role_and_other_calls_fail_by_kind()
    {
        using var right = Connect("dts", "secret");
        await right.PutAsync("/cron/jobs/a", "1");
        Assert.Equal("1", (await right.FindAsync("/cron/jobs/a"))!.Value.ToStringUtf8());
        Assert.Equal(EtcdError.PermissionDenied, await ErrorOf(() => right.PutAsync("/other", "")));
        Assert.Equal(EtcdError.PermissionDenied, await ErrorOf(() => right.FindAsync("/other")));

        using var wrongPassword = Connect("dts", "wrong");
        Assert.Equal(EtcdError.Unauthenticated, await ErrorOf(() => wrongPassword.FindAsync("/cron/jobs/a")));
        using var wrongUser = Connect("nobody", "secret");
        Assert.Equal(EtcdError.Unauthenticated, await ErrorOf(() => wrongUser.FindAsync("/cron/jobs/a")));
        using var noUser = _server.Connect(_log);
        Assert.Equal(EtcdError.Refused, await ErrorOf(() => noUser.FindAsync("/cron/jobs/a")));
    }

    [Fact]
    public async Task A_token_that_etcd_forgot_is_asked_for_again()
    {
        using var etcd = Connect("dts", "secret");
        await etcd.PutAsync("/cron/jobs/a", "1");

        await _server.KillAsync();
        await _server.StartAsync();

        await Patience.Until(() => Works(etcd), () => $"{_log}");
        await etcd.PutAsync("/cron/jobs/a", "2");
        // Makes the store of rights newer than the token.
        await _server.RunCtlAsync("--user", "root:secret", "user", "grant-role", "dts", "root");
        Assert.Equal("2", (await etcd.FindAsync("/cron/jobs/a"))!.Value.ToStringUtf8());
    }

    [Fact]
    public async Task A_watch_that_is_refused_says_so_once_and_begins_when_it_is_allowed()
    {
        using var etcd = Connect("dts", "secret");
        using var stop = new CancellationTokenSource();
        await using var batches = new Watch(etcd, "/other/").ReadAsync(stop.Token).GetAsyncEnumerator(CancellationToken.None);
        var first = batches.MoveNextAsync().AsTask();
        await Patience.Until(() => _log.CountOf("etcd refused this service") > 0, () => $"{_log}");

        await _server.RunCtlAsync("--user", "root:secret", "role", "grant-permission", "cron", "--prefix=true", "readwrite", "/other/");

        Assert.True(await first.Soon());
        Assert.Equal(1, _log.CountOf("etcd refused this service"));
        await etcd.PutAsync("/other/a", "1");
        Assert.True(await batches.MoveNextAsync().AsTask().Soon());
        Assert.Equal("/other/a", batches.Current.Changes.Single().Key);
        await stop.CancelAsync();
        Assert.False(await batches.MoveNextAsync().AsTask().Soon());
    }

    [Fact]
    public async Task A_user_works_before_and_after_authentication_is_enabled_in_etcd()
    {
        await using var server = await EtcdServer.StartNewAsync();
        using var etcd = new EtcdClient(server.Options() with { User = "dts", Password = "secret" }, TimeProvider.System, _log);
        using var stop = new CancellationTokenSource();
        await using var batches = new Watch(etcd, "/cron/jobs/").ReadAsync(stop.Token).GetAsyncEnumerator(CancellationToken.None);
        Assert.True(await batches.MoveNextAsync().AsTask().Soon(() => $"{_log}"));
        await etcd.PutAsync("/cron/jobs/a", "1");
        Assert.True(await batches.MoveNextAsync().AsTask().Soon(() => $"{_log}"));

        await EnableAsync(server);

        await etcd.PutAsync("/cron/jobs/b", "1");
        Assert.True(await batches.MoveNextAsync().AsTask().Soon(() => $"{_log}"));
        Assert.Equal("/cron/jobs/b", batches.Current.Changes.Single().Key);
        await stop.CancelAsync();
        Assert.Equal(0, _log.CountOf("etcd refused this service"));
    }

    [Fact]
    public async Task When_a_token_is_refused_one_attempt_authenticates_for_all_callers()
    {
        using var etcd = Connect("dts", "secret");
        await etcd.PutAsync("/cron/jobs/a", "1");
        await _server.RunCtlAsync("--user", "root:secret", "auth", "disable");
        await _server.RunCtlAsync("auth", "enable"); // Forgets all tokens.
        var before = await _server.CallsAsync("Authenticate");

        var found = await Task.WhenAll(Enumerable.Range(0, 30).Select(_ => FindSoonAsync(etcd)));

        Assert.All(found, value => Assert.Equal("1", value));
        Assert.InRange(await _server.CallsAsync("Authenticate"), before + 1, before + 5); // More if etcd is slow.
    }

    [Fact]
    public async Task A_broken_connection_keeps_the_token()
    {
        await using var proxy = new CutProxy(_server.Address);
        using var etcd = new EtcdClient(
            _server.Options(proxy.Endpoint) with { User = "dts", Password = "secret" }, TimeProvider.System, _log);
        await etcd.PutAsync("/cron/jobs/a", "1");
        var before = await _server.CallsAsync("Authenticate");

        proxy.Cut();
        Assert.Equal(EtcdError.Unavailable, await ErrorOf(() => etcd.FindAsync("/cron/jobs/a")));
        proxy.Mend();

        Assert.Equal("1", await FindSoonAsync(etcd));
        Assert.Equal(before, await _server.CallsAsync("Authenticate"));
    }

    [Fact]
    public async Task Tokens_that_live_for_three_seconds_harm_neither_calls_nor_watches_nor_sessions()
    {
        await using var server = await EtcdServer.StartNewAsync("http", "--auth-token", "simple", "--auth-token-ttl", "3");
        await EnableAsync(server);
        await using var proxy = new CutProxy(server.Address);
        using var etcd = new EtcdClient(
            server.Options(proxy.Endpoint) with { User = "dts", Password = "secret" }, TimeProvider.System, _log);
        using var stop = new CancellationTokenSource();
        await using var batches = new Watch(etcd, "/cron/jobs/").ReadAsync(stop.Token).GetAsyncEnumerator(CancellationToken.None);
        Assert.True(await batches.MoveNextAsync().AsTask().Soon(() => $"{_log}"));
        var keeper = new SessionKeeper(
            etcd, "/cron/workers/w", TimeSpan.FromSeconds(15), () => "w", _ => false, _ => Task.CompletedTask, () => false, _log);
        var keeping = keeper.RunAsync(stop.Token);
        await Patience.Until(() => keeper.Current is not null, () => $"{_log}");
        var session = keeper.Current;

        for (var n = 0; n < 2; n++)
        {
            var calls = await server.CallsAsync("LeaseKeepAlive"); // Five seconds apart, so the token expires between two of them.
            await Patience.Until(() => server.CallsAsync("LeaseKeepAlive").GetAwaiter().GetResult() > calls, () => $"{_log}");
            proxy.Reset(); // The watch opens its stream with a token that has expired.
            await Task.WhenAll(Enumerable.Range(0, 10).Select(i => FindSoonAsync(etcd)));
            await PutSoonAsync(etcd, $"/cron/jobs/{n}");
            Assert.True(await batches.MoveNextAsync().AsTask().Soon(() => $"{_log}"));
            Assert.Equal($"/cron/jobs/{n}", batches.Current.Changes[0].Key);
        }

        Assert.Same(session, keeper.Current);
        Assert.Equal(0, _log.CountOf("etcd refused this service"));
        await stop.CancelAsync();
        await keeping.WaitAsync(Patience.Limit);
    }

    private static async Task EnableAsync(EtcdServer server)
    {
        await server.RunCtlAsync("user", "add", "root:secret");
        await server.RunCtlAsync("user", "add", "dts:secret");
        await server.RunCtlAsync("role", "add", "cron");
        await server.RunCtlAsync("role", "grant-permission", "cron", "--prefix=true", "readwrite", "/cron/");
        await server.RunCtlAsync("user", "grant-role", "dts", "cron");
        await server.RunCtlAsync("user", "grant-role", "root", "root");
        await server.RunCtlAsync("auth", "enable");
    }

    private static Task<string?> FindSoonAsync(EtcdClient etcd) =>
        RepeatAsync(async () => (await etcd.FindAsync("/cron/jobs/a"))?.Value.ToStringUtf8());

    private static Task<string?> PutSoonAsync(EtcdClient etcd, string key) =>
        RepeatAsync(async () => (await etcd.PutAsync(key, "1")).ToString());

    /// <summary>Retries while etcd is unavailable, as all callers do, or so slow that each new token has expired.</summary>
    private static async Task<string?> RepeatAsync(Func<Task<string?>> call)
    {
        using var timer = new PeriodicTimer(TimeSpan.FromMilliseconds(50));
        var until = Environment.TickCount64 + (long)Patience.Limit.TotalMilliseconds;
        while (true)
        {
            try
            {
                return await call();
            }
            catch (EtcdException failure) when (
                failure.Error is EtcdError.Unavailable or EtcdError.Unauthenticated && Environment.TickCount64 < until)
            {
                await timer.WaitForNextTickAsync();
            }
        }
    }

    private static bool Works(EtcdClient etcd)
    {
        try
        {
            etcd.FindAsync("/cron/jobs/a").GetAwaiter().GetResult();
            return true;
        }
        catch (EtcdException)
        {
            return false;
        }
    }

    private static async Task<EtcdError> ErrorOf(Func<Task> call) => (await Assert.ThrowsAsync<EtcdException>(call)).Error;

    private EtcdClient Connect(string user, string password) =>
        new(_server.Options() with { User = user, Password = password }, TimeProvider.System, _log);
}
