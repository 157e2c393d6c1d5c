using System.Net;
using System.Net.Sockets;
using Dts.Master;
using Dts.Tests.Support;
using Xunit;

namespace Dts.Tests.Integration.Master;

public sealed class SilentStoreTests
{
    [Fact]
    public async Task A_log_store_that_never_answers_costs_few_threads_and_callers_get_an_error()
    {
        const int requests = 200;
        using var silent = new TcpListener(IPAddress.Loopback, 0); // The kernel accepts connections, but nobody reads.
        silent.Start(backlog: 1000);
        await using var master = new MasterProcess
        {
            Settings = ["--mongodbUri", $"mongodb://127.0.0.1:{((IPEndPoint)silent.LocalEndpoint).Port}/?directConnection=true"],
        };
        await master.InitializeAsync();
        var (before, most) = (Threads(), 0);

        var asked = Enumerable.Range(0, requests).Select(_ => AskAsync()).ToList();
        await Patience.Until(
            () =>
            {
                most = Math.Max(most, Threads());
                Assert.Equal("""{"errno":0,"msg":"success","data":[]}""", master.Http.GetStringAsync("/job/list").GetAwaiter().GetResult());
                return asked.All(request => request.IsCompleted);
            },
            master.Said);

        Assert.InRange(most, before, before + StoreGate.AtOnce + 16);
        Assert.All(asked.Select(request => request.Result), answer =>
        {
            Assert.Equal(HttpStatusCode.ServiceUnavailable, answer.Status);
            Assert.Matches(
                """^\{"type":"urn:dts:log-unavailable",.*"detail":"(log store is too slow|MongoDB at ).*; runs go on, try again"\}$""",
                answer.Text);
        });

        int Threads() => Directory.GetDirectories($"/proc/{master.Pid}/task").Length;

        async Task<(HttpStatusCode Status, string Text)> AskAsync()
        {
            using var answer = await master.Http.GetAsync("/api/v1/log");
            return (answer.StatusCode, await answer.Content.ReadAsStringAsync());
        }
    }
}
