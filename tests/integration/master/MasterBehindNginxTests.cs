using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using Dts.Common.Jobs;
using Dts.Tests.Support;
using Xunit;

namespace Dts.Tests.Integration.Master;

/// <summary>A master with default settings, so without a token, behind the published nginx site.</summary>
public sealed class MasterBehindNginxTests(MasterProcess master) : IClassFixture<MasterProcess>
{
    private const string Job = """job={"name":"via-nginx","command":"id","cronExpr":"0 0 1 1 *"}""";

    [Fact]
    public async Task A_master_without_a_token_refuses_every_request_through_nginx()
    {
        using var tls = new TlsFiles();
        await using var nginx = await NginxServer.StartSiteAsync(
            [master.Http.BaseAddress!.Authority, master.Http.BaseAddress.Authority], tls, out var plainPort);
        var site = $"https://{NginxServer.SiteName}:{nginx.Port}/job/save";

        foreach (var host in new[] { "localhost", NginxServer.SiteName, "127.0.0.1", "dts.example.com", "evil.example" })
        {
            var (_, byName) = await CurlAsync(site, "-H", $"Host: {host}", "--data-urlencode", Job);
            var (byAddressExit, _) = await CurlAsync(
                $"https://127.0.0.1:{nginx.Port}/job/save", "-H", $"Host: {host}", "--data-urlencode", Job);

            Assert.True(
                byName.Length == 0 || byName.Contains("this master has no apiToken; set apiToken", StringComparison.Ordinal), byName);
            Assert.NotEqual(0, byAddressExit); // nginx has no certificate for any name but the site's.
        }

        var (exit, refused) = await CurlAsync(site, "--data-urlencode", Job);
        Assert.Equal(
            (0, """{"errno":-1,"msg":"request came through a proxy (header X-Forwarded-For), and this master has no apiToken; """
                + """set apiToken (DTS_APITOKEN), at least 16 characters, """
                + """or make people or tokens: dts-master token create --role admin --name NAME","data":null}"""),
            (exit, refused));
        Assert.NotEqual(0, (await CurlAsync($"http://127.0.0.1:{plainPort}/job/list")).ExitCode);
        Assert.Null(await master.Etcd.FindAsync(master.Keys.Job(JobName.Parse("via-nginx"))));
    }

    [Fact]
    public async Task A_change_is_sent_to_one_master_only_and_a_set_may_be_large()
    {
        using var tls = new TlsFiles();
        using var done = new CancellationTokenSource();
        using var one = new TcpListener(IPAddress.Loopback, 0);
        using var other = new TcpListener(IPAddress.Loopback, 0);
        var asked = 0;
        Task[] masters = [BreakOffAsync(one), BreakOffAsync(other)];
        await using var nginx = await NginxServer.StartSiteAsync([$"{one.LocalEndpoint}", $"{other.LocalEndpoint}"], tls, out _);
        var site = $"https://{NginxServer.SiteName}:{nginx.Port}/api/v1";

        Assert.Equal(("502", 1), await StatusAsync($"{site}/jobs/a", "-X", "PUT", "-d", "{}"));
        Assert.Equal(("502", 1), await StatusAsync($"{site}/jobs/a", "-X", "DELETE"));
        Assert.Equal(("502", 2), await StatusAsync($"{site}/jobs/a"));
        var file = Path.GetTempFileName();
        await File.WriteAllTextAsync(file, new string(' ', 3 << 20));
        Assert.Equal("413", (await StatusAsync($"{site}/jobs/a", "-X", "PATCH", "--data-binary", $"@{file}")).Status);
        Assert.Equal("502", (await StatusAsync($"{site}/apply", "--data-binary", $"@{file}")).Status);
        File.Delete(file);
        await done.CancelAsync();
        await Task.WhenAll(masters);

        async Task<(string Status, int Asked)> StatusAsync(string url, params string[] more)
        {
            var before = Volatile.Read(ref asked);
            var (_, said) = await CurlAsync(url, ["-o", "/dev/null", "-w", "%{http_code}", .. more]);
            return (said, Volatile.Read(ref asked) - before);
        }

        // A master that dies when a request has reached it.
        async Task BreakOffAsync(TcpListener listener)
        {
            listener.Start();
            var buffer = new byte[4096];
            try
            {
                while (true)
                {
                    using var client = await listener.AcceptSocketAsync(done.Token);
                    if (await client.ReceiveAsync(buffer, done.Token) > 0)
                    {
                        Interlocked.Increment(ref asked);
                    }
                }
            }
            catch (OperationCanceledException)
            {
                // The test is over.
            }
        }
    }

    private static async Task<(int ExitCode, string Body)> CurlAsync(string url, params string[] more)
    {
        using var curl = Process.Start(new ProcessStartInfo("curl", ["-sk", .. more, url]) { RedirectStandardOutput = true })!;
        var body = await curl.StandardOutput.ReadToEndAsync();
        await curl.WaitForExitAsync().WaitAsync(Patience.Limit);
        return (curl.ExitCode, body);
    }
}
