using Dts.Common.Etcd;
using Dts.Tests.Support;
using Etcdserverpb;
using Google.Protobuf;
using Xunit;

namespace Dts.Tests.Integration.Etcd;

public sealed class TableLoaderTests(EtcdServer server) : EtcdTest(server), IClassFixture<EtcdServer>
{
    private readonly HashSet<ByteString> _put = [];

    [Fact]
    public async Task A_large_table_with_a_long_common_prefix_and_any_bytes_is_read_whole_and_each_key_once()
    {
        // All but a few share a stem; some keys are stems of others, and some bytes are the highest there are.
        var random = Some.Random();
        var stem = ByteString.CopyFromUtf8($"{Keys.Jobs}a common stem/");
        for (var n = 0; n < 24_000; n++)
        {
            var tail = new byte[random.Next(1, 9)];
            random.NextBytes(tail);
            tail[0] = random.Next(3) switch { 0 => 0xFF, 1 => 0x00, _ => (byte)random.Next(256) };
            Add(stem, tail);
        }

        for (var n = 0; n < 1000; n++)
        {
            Add(ByteString.CopyFromUtf8(Keys.Jobs), ByteString.CopyFromUtf8($"备份-{n}").ToByteArray());
        }

        Add(stem, []);
        Add(ByteString.CopyFromUtf8(Keys.Jobs), []);
        Add(ByteString.CopyFromUtf8(Keys.Jobs), [0xFF]);
        Add(ByteString.CopyFromUtf8(Keys.Jobs), [0xFF, 0xFF, 0xFF]);
        await PutAllAsync();
        await Etcd.PutAsync(Keys.Jobs[..^1], "before it");
        await Etcd.PutAsync(Keys.Jobs[..^1] + "0", "after it");

        var (keys, revision) = await TableLoader.LoadAsync(Etcd, Keys.Jobs, CancellationToken.None);

        Assert.Equal(_put.Count, keys.Count);
        Assert.Equal(_put, keys.Select(pair => pair.Key).ToHashSet());
        Assert.True(keys.All(pair => pair.ModRevision <= revision));
    }

    [Fact]
    public async Task A_table_whose_keys_stand_in_clusters_takes_few_requests()
    {
        for (var n = 0; n < 25_200; n++)
        {
            var name = $"tenant-{n / 2100:0000}-nightly-database-backup-of-shard-{n % 2100:000000}";
            Add(Txn.Bytes(Keys.Jobs), Txn.Bytes(name).ToByteArray());
        }

        await PutAllAsync();
        var before = await CountReadsAsync();

        var (keys, _) = await TableLoader.LoadAsync(Etcd, Keys.Jobs, CancellationToken.None);

        Assert.Equal(_put, keys.Select(pair => pair.Key).ToHashSet());
        Assert.InRange(await CountReadsAsync() - before, 1, 200);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    public async Task A_small_table_is_read_too(int count)
    {
        for (var n = 0; n < count; n++)
        {
            await Etcd.PutAsync(Keys.Worker($"{n}"), "");
        }

        var (keys, revision) = await TableLoader.LoadAsync(Etcd, Keys.Workers, CancellationToken.None);

        Assert.Equal(count, keys.Count);
        Assert.True(revision > 0);
    }

    private async Task<long> CountReadsAsync()
    {
        using var http = new HttpClient();
        var metrics = await http.GetStringAsync(new Uri(Server.Endpoint, "/metrics"));
        var line = metrics.Split('\n').Single(line =>
            line.StartsWith("grpc_server_handled_total{grpc_code=\"OK\",grpc_method=\"Range\"", StringComparison.Ordinal));
        return (long)double.Parse(line[line.LastIndexOf(' ')..], System.Globalization.CultureInfo.InvariantCulture);
    }

    private void Add(ByteString stem, byte[] tail) => _put.Add(ByteString.CopyFrom([.. stem.Span, .. tail]));

    private async Task PutAllAsync()
    {
        foreach (var requests in _put.Chunk(100).Chunk(8))
        {
            await Task.WhenAll(requests.Select(keys => Etcd.TxnAsync(Txn.All(
                keys.Select(key => new RequestOp { RequestPut = new PutRequest { Key = key } })))));
        }
    }
}
