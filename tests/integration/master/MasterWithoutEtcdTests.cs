using System.Net;
using Dts.Tests.Support;
using Xunit;

namespace Dts.Tests.Integration.Master;

public sealed class MasterWithoutEtcdTests(MasterProcess master) : IClassFixture<MasterProcess>
{
    [Fact]
    public async Task Without_etcd_each_answer_says_so_in_one_line_and_with_etcd_back_all_is_well()
    {
        await master.LogStore.WriteAsync([Some.Record(0)], CancellationToken.None);
        await master.Server.StopAsync();

        foreach (var path in new[] { "/job/list", "/worker/list" })
        {
            var answer = await master.Http.GetStringAsync(path);
            Assert.StartsWith("""{"errno":-1,"msg":"etcd: """, answer, StringComparison.Ordinal);
            Assert.EndsWith("""; nothing may have changed, try again","data":null}""", answer, StringComparison.Ordinal);
            Assert.DoesNotContain("\\n", answer, StringComparison.Ordinal);
        }

        using var form = new FormUrlEncodedContent([new("job", """{"name":"a","command":"b","cronExpr":"* * * * *"}""")]);
        using var save = await master.Http.PostAsync("/job/save", form);
        Assert.StartsWith("""{"errno":-1,"msg":"etcd: """, await save.Content.ReadAsStringAsync(), StringComparison.Ordinal);
        using var ready = await master.Http.GetAsync("/readyz");
        Assert.Equal(HttpStatusCode.ServiceUnavailable, ready.StatusCode);
        Assert.Equal("ok\n", await master.Http.GetStringAsync("/healthz"));
        Assert.Contains("hello/20261122T100000Z", await master.Http.GetStringAsync("/job/log?name=hello"), StringComparison.Ordinal);

        await master.Server.StartAsync();

        var list = "";
        await Patience.Until(
            () => (list = master.Http.GetStringAsync("/job/list").GetAwaiter().GetResult()) == """{"errno":0,"msg":"success","data":[]}""",
            () => $"{list}\n{master.Said()}");
    }

    [Fact]
    public async Task With_etcd_out_of_space_the_master_is_not_ready_and_says_why()
    {
        await using var full = new MasterProcess { Server = new EtcdServer("http", EtcdServer.Small) };
        await full.InitializeAsync();
        Assert.Equal("ready\n", await full.Http.GetStringAsync("/readyz"));

        await EtcdServer.FillAsync(full.Etcd);
        for (var n = 0; n < 2; n++)
        {
            using var form = new FormUrlEncodedContent([new("job", """{"name":"a","command":"b","cronExpr":"* * * * *"}""")]);
            using var save = await full.Http.PostAsync("/job/save", form);
            Assert.Contains("database space exceeded", await save.Content.ReadAsStringAsync(), StringComparison.Ordinal);
        }

        using var ready = await full.Http.GetAsync("/readyz");
        Assert.Equal(HttpStatusCode.ServiceUnavailable, ready.StatusCode);
        Assert.StartsWith(
            "etcd: it is out of space and accepts no writes", await ready.Content.ReadAsStringAsync(), StringComparison.Ordinal);
        await Patience.Until(() => full.Said().Contains("etcd is out of space", StringComparison.Ordinal), full.Said);
        Assert.Equal(2, full.Said().Split("etcd is out of space").Length);
        await full.Server.MakeSpaceAsync(full.Etcd);
        Assert.Equal("ready\n", await full.Http.GetStringAsync("/readyz"));
    }
}
