using System.Net;
using Dts.Common.Etcd;
using Dts.Tests.Support;
using Dts.Worker.Sessions;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.Logging;
using Xunit;

namespace Dts.Tests.Integration.Etcd;

public sealed class EtcdClientTests(EtcdServer server) : EtcdTest(server), IClassFixture<EtcdServer>
{
    private string Key => Keys.Lock("key");

    [Fact]
    public async Task A_put_key_is_found_listed_and_deleted()
    {
        var put = await Etcd.PutAsync(Key, "备份 \0 value");
        await Etcd.PutAsync(Keys.Lock("key2"), "other");

        var found = await Etcd.FindAsync(Key);
        Assert.Equal(("备份 \0 value", put.Header.Revision), (found!.Value.ToStringUtf8(), found.ModRevision));
        Assert.Equal([Key, Keys.Lock("key2")], (await Etcd.ListAsync(Keys.Lock(""))).Select(pair => pair.Key.ToStringUtf8()));
        Assert.Equal("备份 \0 value", (await Etcd.DeleteAsync(Key)).PrevKvs.Single().Value.ToStringUtf8());
        Assert.Null(await Etcd.FindAsync(Key));
        Assert.Empty((await Etcd.DeleteAsync(Key)).PrevKvs);
    }

    [Fact]
    public async Task A_former_revision_can_be_read_until_it_is_compacted()
    {
        await using var server = await EtcdServer.StartNewAsync();
        using var etcd = server.Connect(Log);
        var first = (await etcd.PutAsync(Key, "1")).Header.Revision;
        var second = (await etcd.PutAsync(Key, "2")).Header.Revision;
        Assert.Equal("1", (await etcd.FindAsync(Key, first))!.Value.ToStringUtf8());

        await server.CompactAsync(second);

        Assert.Equal(EtcdError.Compacted, await ErrorOf(() => etcd.FindAsync(Key, first)));
        Assert.Equal("2", (await etcd.FindAsync(Key, second))!.Value.ToStringUtf8());
    }

    [Fact]
    public async Task A_lease_that_is_gone_is_not_found()
    {
        var lease = await Etcd.GrantAsync(TimeSpan.FromSeconds(60));
        await Etcd.PutAsync(Key, "leased", lease);
        Assert.True(await Etcd.KeepAliveAsync(lease));

        await Etcd.RevokeAsync(lease);

        Assert.Null(await Etcd.FindAsync(Key));
        Assert.False(await Etcd.KeepAliveAsync(lease));
        Assert.Equal(EtcdError.LeaseNotFound, await ErrorOf(() => Etcd.PutAsync(Key, "", lease)));
        Assert.Equal(EtcdError.LeaseNotFound, await ErrorOf(() => Etcd.RevokeAsync(lease)));
    }

    [Fact]
    public async Task A_request_that_etcd_does_not_take_is_refused()
    {
        var twice = Txn.All([Txn.Put(Key, "1"), Txn.Put(Key, "2")]);

        var failure = await Assert.ThrowsAsync<EtcdException>(() => Etcd.TxnAsync(twice));

        Assert.Equal((EtcdError.Refused, "etcdserver: duplicate key given in txn request"), (failure.Error, failure.Message));
        Assert.Null(await Etcd.FindAsync(Key));
    }

    [Fact]
    public async Task Where_nobody_listens_etcd_is_unavailable_at_once()
    {
        var nobody = await ConnectAsync(new Uri("http://127.0.0.1:1"));

        Assert.Equal(EtcdError.Unavailable, await ErrorOf(() => nobody.FindAsync(Key)));
        Assert.Equal(EtcdError.Unavailable, await ErrorOf(() => nobody.PutAsync(Key, "")));
        Assert.Equal(1, Log.CountOf("etcd is unreachable"));
    }

    [Fact]
    public async Task With_one_of_two_endpoints_dead_reads_and_writes_go_to_the_other()
    {
        using var etcd = new EtcdClient(Server.Options(new Uri("http://127.0.0.1:1"), Server.Endpoint), TimeProvider.System, Log);

        await etcd.PutAsync(Key, "written");

        Assert.Equal("written", (await etcd.FindAsync(Key))!.Value.ToStringUtf8());
        Assert.Equal((1, 0), (Log.CountOf("127.0.0.1:1/ failed"), Log.CountOf("unreachable")));
    }

    [Fact]
    public async Task When_the_endpoint_in_use_dies_a_read_finds_the_other_by_itself_and_a_write_is_not_sent_twice()
    {
        var (first, second) = (Own(new CutProxy(Server.Address)), Own(new CutProxy(Server.Address)));
        using var etcd = new EtcdClient(Server.Options(first.Endpoint, second.Endpoint), TimeProvider.System, Log);
        await etcd.PutAsync(Key, "1");
        first.Cut();
        Assert.Equal("1", (await etcd.FindAsync(Key))!.Value.ToStringUtf8());

        second.StallAnswers();
        var write = etcd.PutAsync(Key, "2");
        await KeySoonAsync(Key, value => value == "2");
        first.Mend();
        second.Cut();

        Assert.Equal(EtcdError.Unavailable, await ErrorOf(() => write)); // Whether it was carried out is its caller's to find out.
        Assert.Equal(2, (await etcd.FindAsync(Key))!.Version);
    }

    [Fact]
    public async Task A_transaction_whose_answer_is_cut_off_is_carried_out_once_and_reported_as_uncertain()
    {
        var proxy = Own(new CutProxy(Server.Address));
        using var etcd = new EtcdClient(Server.Options(proxy.Endpoint, Server.Endpoint), TimeProvider.System, Log);
        await etcd.PutAsync(Key, "1");
        proxy.StallAnswers();
        var txn = etcd.TxnAsync(Txn.All([Txn.Put(Key, "2")]));
        await KeySoonAsync(Key, value => value == "2");

        proxy.Reset(); // Sent again, over a new connection or to the other endpoint, it would be answered.
        proxy.Mend();

        Assert.Equal(EtcdError.Unavailable, await ErrorOf(() => txn));
        Assert.Equal(2, (await Etcd.FindAsync(Key))!.Version);
    }

    [Fact]
    public async Task Etcd_lost_and_etcd_back_are_logged_once_each()
    {
        var proxy = Own(new CutProxy(Server.Address));
        var etcd = await ConnectAsync(proxy.Endpoint);
        await etcd.FindAsync(Key);

        proxy.Cut();
        for (var i = 0; i < 5; i++)
        {
            Assert.Equal(EtcdError.Unavailable, await ErrorOf(() => etcd.FindAsync(Key)));
        }

        proxy.Mend();
        await etcd.FindAsync(Key);
        await etcd.FindAsync(Key);

        Assert.Equal((1, 1), (Log.CountOf("etcd is unreachable"), Log.CountOf("etcd is back")));
    }

    [Fact]
    public async Task A_call_has_a_deadline_when_the_connection_stalls_and_its_client_works_again_after_that()
    {
        var proxy = Own(new CutProxy(Server.Address));
        var etcd = await ConnectAsync(proxy.Endpoint, callTimeoutSeconds: 0.5);
        await Etcd.PutAsync(Key, "before");
        Assert.Equal("before", await FindSoonAsync());
        proxy.Stall();

        var failure = await Assert.ThrowsAsync<EtcdException>(() => etcd.FindAsync(Key).Soon());

        Assert.Equal(EtcdError.Unavailable, failure.Error);
        Assert.Contains("in 0.5 s", failure.Message, StringComparison.Ordinal);
        proxy.Mend();
        Assert.Equal("before", await FindSoonAsync());

        // A call may take longer than half a second also by itself.
        async Task<string?> FindSoonAsync()
        {
            string? found = null;
            await Patience.Until(
                async () =>
                {
                    try
                    {
                        found = (await etcd.FindAsync(Key))?.Value.ToStringUtf8();
                        return true;
                    }
                    catch (EtcdException late) when (late.Error == EtcdError.Unavailable)
                    {
                        return false;
                    }
                },
                () => $"{Log}");
            return found;
        }
    }

    [Fact]
    public async Task A_call_that_nobody_accepts_has_a_deadline_too()
    {
        var proxy = Own(new CutProxy(Server.Address));
        proxy.Stall();
        var etcd = await ConnectAsync(proxy.Endpoint, callTimeoutSeconds: 0.5);

        Assert.Equal(EtcdError.Unavailable, await ErrorOf(() => etcd.GrantAsync(TimeSpan.FromSeconds(5))));
    }

    [Fact]
    public async Task A_cancelled_call_says_nothing_about_etcd()
    {
        var proxy = Own(new CutProxy(Server.Address));
        var etcd = await ConnectAsync(proxy.Endpoint);
        await etcd.FindAsync(Key);
        proxy.Stall();
        using var cancel = new CancellationTokenSource();
        var call = etcd.FindAsync(Key, cancel: cancel.Token);

        await cancel.CancelAsync();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => call);
        Assert.Equal(0, Log.CountOf("unreachable"));
    }

    [Fact]
    public async Task A_value_of_a_megabyte_and_a_thousand_keys_at_once_pass()
    {
        var large = new string('x', 1 << 20);
        await Etcd.PutAsync(Key, large);
        await Task.WhenAll(Enumerable.Range(0, 1000).Select(n => Etcd.PutAsync(Keys.Worker($"{n}"), large[..1000])));

        Assert.Equal(large, await ReadAsync(Key));
        Assert.Equal(1000, (await Etcd.ListAsync(Keys.Workers)).Count);
    }

    [Fact]
    public async Task A_port_that_is_not_etcd_s_is_unavailable()
    {
        var listener = new System.Net.Sockets.TcpListener(System.Net.IPAddress.Loopback, 0);
        listener.Start();
        var etcd = await ConnectAsync(new Uri($"http://{listener.LocalEndpoint}"));
        var call = etcd.FindAsync(Key);
        using (var client = await listener.AcceptSocketAsync())
        {
            await client.SendAsync("HTTP/1.1 400 Bad Request\r\n\r\n"u8.ToArray());
        }

        Assert.Equal(EtcdError.Unavailable, await ErrorOf(() => call));
        listener.Dispose();
    }

    [Theory]
    [InlineData("etcdserver: 100%25 %E2%80%9Cno%E2%80%9D", "etcdserver: 100% “no”")]
    [InlineData("", "gRPC status 3")]
    public async Task A_message_is_percent_encoded_or_missing(string sent, string message)
    {
        var etcd = await ConnectAsync(await AnswerAllAsync(answer =>
        {
            answer.ContentType = "application/grpc";
            answer.Headers["grpc-status"] = "3";
            answer.Headers["grpc-message"] = sent;
        }));

        var failure = await Assert.ThrowsAsync<EtcdException>(() => etcd.FindAsync(Key));

        Assert.Equal((EtcdError.Refused, message), (failure.Error, failure.Message));
    }

    [Theory]
    [InlineData(404)]
    [InlineData(401)]
    public async Task An_HTTP_server_that_is_not_etcd_is_unavailable_and_the_message_says_so(int status)
    {
        var etcd = await ConnectAsync(await AnswerAllAsync(answer => answer.StatusCode = status));

        var failure = await Assert.ThrowsAsync<EtcdException>(() => etcd.FindAsync(Key));

        Assert.Equal(EtcdError.Unavailable, failure.Error);
        Assert.EndsWith($"answered HTTP {status}: is it etcd's client port?", failure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_redirect_is_not_followed()
    {
        var asked = 0;
        var elsewhere = await AnswerAllAsync(_ => asked++);
        var etcd = await ConnectAsync(await AnswerAllAsync(answer =>
        {
            answer.StatusCode = 307;
            answer.Headers.Location = elsewhere.ToString();
        }));

        var failure = await Assert.ThrowsAsync<EtcdException>(() => etcd.FindAsync(Key));

        Assert.Equal((0, EtcdError.Unavailable), (asked, failure.Error));
        Assert.EndsWith("answered HTTP 307: is it etcd's client port?", failure.Message, StringComparison.Ordinal);
    }

    /// <summary>A server that speaks HTTP/2 and answers each request alike.</summary>
    private async Task<Uri> AnswerAllAsync(Action<HttpResponse> answer)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, 0, port => port.Protocols = HttpProtocols.Http2));
        var server = Own(builder.Build());
        server.Run(context =>
        {
            answer(context.Response);
            return Task.CompletedTask;
        });
        await server.StartAsync();
        return new Uri(server.Urls.Single());
    }

    private static async Task<EtcdError> ErrorOf(Func<Task> call) => (await Assert.ThrowsAsync<EtcdException>(call)).Error;
}
