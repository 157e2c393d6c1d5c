using Dts.Common.Etcd;
using Dts.Tests.Support;
using Xunit;

namespace Dts.Tests.Integration.Etcd;

public sealed class EtcdAuthTests : IAsyncLifetime
{
    private readonly RecordedLog _log = new();
    private EtcdServer _server = null!;

    public async ValueTask InitializeAsync()
    {
        _server = await EtcdServer.StartNewAsync();
        await _server.RunCtlAsync("user", "add", "root:secret");
        await _server.RunCtlAsync("user", "add", "dts:secret");
        await _server.RunCtlAsync("role", "add", "cron");
        await _server.RunCtlAsync("role", "grant-permission", "cron", "--prefix=true", "readwrite", "/cron/");
        await _server.RunCtlAsync("user", "grant-role", "dts", "cron");
        await _server.RunCtlAsync("user", "grant-role", "root", "root");
        await _server.RunCtlAsync("auth", "enable");
    }

    public ValueTask DisposeAsync() => _server.DisposeAsync();

    [Fact]
    public async Task A_user_may_what_its_role_may_and_everything_else_is_refused_by_kind()
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
        await _server.RunCtlAsync("--user", "root:secret", "user", "grant-role", "dts", "root"); // Makes the store of rights newer than the token.
        Assert.Equal("2", (await etcd.FindAsync("/cron/jobs/a"))!.Value.ToStringUtf8());
    }

    [Fact]
    public async Task A_watch_that_is_refused_says_so_once_and_begins_when_it_is_allowed()
    {
        using var etcd = Connect("dts", "secret");
        using var stop = new CancellationTokenSource();
        await using var batches = new Watch(etcd, "/other/").ReadAsync(stop.Token).GetAsyncEnumerator(CancellationToken.None);
        var first = batches.MoveNextAsync().AsTask();
        await Patience.Until(() => _log.CountOf("etcd refuses us") > 0, () => $"{_log}");

        await _server.RunCtlAsync("--user", "root:secret", "role", "grant-permission", "cron", "--prefix=true", "readwrite", "/other/");

        Assert.True(await first.Soon());
        Assert.Equal(1, _log.CountOf("etcd refuses us"));
        await etcd.PutAsync("/other/a", "1");
        Assert.True(await batches.MoveNextAsync().AsTask().Soon());
        Assert.Equal("/other/a", batches.Current.Changes.Single().Key);
        await stop.CancelAsync();
        Assert.False(await batches.MoveNextAsync().AsTask().Soon());
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
