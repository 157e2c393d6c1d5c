using Dts.Common.Etcd;
using Dts.Tests.Support;
using Xunit;

namespace Dts.Tests.Integration.Etcd;

public sealed class EtcdTlsTests : IAsyncLifetime
{
    private readonly RecordedLog _log = new();
    private readonly TlsFiles _files = new();
    private EtcdServer _server = null!;

    public async ValueTask InitializeAsync() => _server = await EtcdServer.StartNewAsync(
        "https",
        "--cert-file",
        _files.ServerFile,
        "--key-file",
        _files.ServerKeyFile,
        "--client-cert-auth",
        "--trusted-ca-file",
        _files.AuthorityFile);

    public async ValueTask DisposeAsync()
    {
        await _server.DisposeAsync();
        _files.Dispose();
    }

    [Fact]
    public async Task With_authority_and_client_certificate_calls_succeed()
    {
        using var etcd = Connect(_server.Options() with
        {
            AuthorityFile = _files.AuthorityFile, CertificateFile = _files.ClientFile, KeyFile = _files.ClientKeyFile,
        });
        using var stop = new CancellationTokenSource();
        await etcd.PutAsync("/cron/jobs/a", "1");

        Assert.Equal("1", (await etcd.FindAsync("/cron/jobs/a"))!.Value.ToStringUtf8());
        await foreach (var batch in new Watch(etcd, "/cron/jobs/").ReadAsync(stop.Token))
        {
            Assert.Equal("/cron/jobs/a", Assert.Single(batch.Changes).Key);
            break;
        }
    }

    [Fact]
    public async Task Without_a_client_certificate_calls_fail()
    {
        using var etcd = Connect(_server.Options() with { AuthorityFile = _files.AuthorityFile });

        Assert.Equal(EtcdError.Unavailable, (await Assert.ThrowsAsync<EtcdException>(() => etcd.FindAsync("/cron/jobs/a"))).Error);
    }

    [Fact]
    public async Task A_server_of_another_authority_is_not_trusted()
    {
        using var others = new TlsFiles();
        using var theirAuthority = Connect(_server.Options() with
        {
            AuthorityFile = others.AuthorityFile, CertificateFile = _files.ClientFile, KeyFile = _files.ClientKeyFile,
        });
        using var systemAuthorities = Connect(
            _server.Options() with { CertificateFile = _files.ClientFile, KeyFile = _files.ClientKeyFile });

        foreach (var etcd in new[] { theirAuthority, systemAuthorities })
        {
            var failure = await Assert.ThrowsAsync<EtcdException>(() => etcd.FindAsync("/cron/jobs/a"));
            Assert.Equal(EtcdError.Unavailable, failure.Error);
            Assert.Contains("certificate", failure.Message, StringComparison.OrdinalIgnoreCase);
        }
    }

    private EtcdClient Connect(EtcdOptions options) => new(options, TimeProvider.System, _log);
}
