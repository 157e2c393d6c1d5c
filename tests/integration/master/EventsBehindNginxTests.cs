using System.Net.Http.Headers;
using Dts.Common.Jobs;
using Dts.Tests.Support;
using Xunit;

namespace Dts.Tests.Integration.Master;

/// <summary>A master with a token behind the published nginx site.</summary>
public sealed class EventsBehindNginxTests : IAsyncLifetime
{
    private const string Token = "a-token-of-at-least-16-letters";

    private readonly MasterProcess _master = new() { Settings = ["--apiToken", Token] };

    public async ValueTask InitializeAsync() => await _master.InitializeAsync();

    public async ValueTask DisposeAsync() => await _master.DisposeAsync();

    [Fact]
    public async Task Events_pass_nginx_one_by_one()
    {
        using var tls = new TlsFiles();
        var masters = _master.Http.BaseAddress!.Authority;
        await using var nginx = await NginxServer.StartSiteAsync([masters, masters], tls, out _);
        using var http = tls.Connect(new Uri($"https://{NginxServer.SiteName}:{nginx.Port}"));
        http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", Token);
        http.DefaultRequestHeaders.AcceptEncoding.Add(new StringWithQualityHeaderValue("gzip"));
        await using var events = await EventListener.StartAsync(http, "job:first|second");
        await events.SoonAsync("ready");

        foreach (var name in new[] { "first", "second" })
        {
            await _master.Etcd.PutAsync(_master.Keys.Job(JobName.Parse(name)), JobJson.ToJson(Some.Job(name)));
            await events.SoonAsync(heard => (string?)heard.Data["jobName"] == name);
        }
    }
}
