using System.Text;
using Dts.Common.Etcd;
using Dts.Tests.Support;
using Google.Protobuf;
using Xunit;

using PutRequest = Etcdserverpb.PutRequest;
using RequestOp = Etcdserverpb.RequestOp;

namespace Dts.Tests.Integration.Etcd;

public sealed class WatchTests : EtcdTest, IClassFixture<EtcdServer>
{
    private const int Many = 12_000; // More than one read takes.

    private readonly CutProxy _proxy;
    private readonly CancellationTokenSource _stop = new();

    public WatchTests(EtcdServer server)
        : base(server)
    {
        Own(_stop);
        _proxy = Own(new CutProxy(server.Address));
    }

    [Fact]
    public async Task The_first_batch_has_the_present_keys_and_then_each_change_comes()
    {
        await PutAsync("a", "1");
        await PutAsync("b", "1");
        await Etcd.PutAsync(Keys.Workers[..^1] + "0", "not under it");
        var follower = Follow();
        await SoonAsync(follower, ("a", "1"), ("b", "1"));
        Assert.Equal(1, follower.Listings);

        await PutAsync("c", "1");
        await PutAsync("a", "2");
        await DeleteAsync("b");

        await SoonAsync(follower, ("a", "2"), ("c", "1"));
        Assert.Equal(["put a 1", "put b 1", "put c 1", "put a 2", "delete b"], follower.Seen);
        Assert.Equal(1, follower.Listings);
    }

    [Fact]
    public async Task An_empty_table_has_a_first_batch_too()
    {
        var follower = Follow();

        await Patience.Until(() => follower.Listings == 1, () => $"{Log}");
        Assert.Empty(follower.Seen);
    }

    [Fact]
    public async Task A_large_table_comes_in_parts_and_the_last_one_says_that_it_is_listed()
    {
        await PutManyAsync();

        List<ChangeBatch> batches = [];
        await foreach (var batch in new Watch(Etcd, Keys.Workers, inParts: true).ReadAsync(_stop.Token))
        {
            batches.Add(batch);
            if (batch.Listed)
            {
                break;
            }
        }

        Assert.True(batches.Count > 1);
        Assert.Equal(
            Enumerable.Range(0, Many).Select(n => Keys.Worker($"{n:00000}")),
            batches.SelectMany(batch => batch.Changes).Select(change => change.Key));
    }

    [Fact]
    public async Task In_a_large_table_only_what_has_changed_comes_again()
    {
        await PutManyAsync();
        var follower = Follow();
        await Patience.Until(() => follower.Listings == 1, () => $"{Log}");
        Assert.Equal(Many, follower.Seen.Count);

        _proxy.Cut();
        await DeleteAsync("00000");
        await PutAsync("07000", "2");
        await PutAsync("comes", "1");
        await Server.CompactAsync((await Etcd.PutAsync(Keys.Lock("elsewhere"), "")).Header.Revision);
        _proxy.Mend();

        await Patience.Until(() => follower.Listings == 2, () => $"{Log}");
        Assert.Equal(["put 07000 2", "put comes 1", "delete 00000"], follower.Seen.Skip(Many));
    }

    [Fact]
    public async Task Quick_edits_of_one_key_all_come_in_order()
    {
        var follower = Follow();
        await Patience.Until(() => follower.Listings == 1, () => $"{Log}");

        await Etcd.PutAsync(Keys.Worker("a"), "1");
        await Etcd.PutAsync(Keys.Worker("a"), "2");
        await Etcd.DeleteAsync(Keys.Worker("a"));
        await Etcd.PutAsync(Keys.Worker("a"), "3");

        await SoonAsync(follower, ("a", "3"));
        Assert.Equal(["put a 1", "put a 2", "delete a", "put a 3"], follower.Seen);
    }

    [Fact]
    public async Task After_a_cut_the_missed_changes_come_once()
    {
        await PutAsync("a", "1");
        await PutAsync("b", "1");
        var follower = Follow();
        await SoonAsync(follower, ("a", "1"), ("b", "1"));

        _proxy.Cut();
        await PutAsync("a", "2");
        await DeleteAsync("b");
        await PutAsync("c", "1");
        _proxy.Mend();

        await SoonAsync(follower, ("a", "2"), ("c", "1"));
        Assert.Equal(["put a 1", "put b 1", "put a 2", "delete b", "put c 1"], follower.Seen);
        Assert.Equal(1, follower.Listings);
    }

    [Fact]
    public async Task A_watch_says_for_how_long_it_has_been_cut_off()
    {
        var follower = Follow();
        await Patience.Until(() => follower.Listings == 1 && follower.Watch.CutOff == TimeSpan.Zero, () => $"{Log}");

        _proxy.Cut();
        await Patience.Until(() => follower.Watch.CutOff > TimeSpan.FromMilliseconds(200), () => $"{Log}");

        _proxy.Mend();
        await Patience.Until(() => follower.Watch.CutOff == TimeSpan.Zero, () => $"{Log}");
    }

    [Fact]
    public async Task Many_cuts_and_many_changes_lose_and_repeat_nothing()
    {
        var follower = Follow();
        await Patience.Until(() => follower.Listings == 1, () => $"{Log}");
        for (var round = 0; round < 10; round++)
        {
            for (var n = 0; n < 20; n++)
            {
                await PutAsync($"{n % 7}", $"{round}.{n}");
            }

            _proxy.Reset();
        }

        await PutAsync("end", "1");
        await Patience.Until(() => follower.Seen.Contains("put end 1"), () => $"{follower.Seen.Count} changes\n{Log}");
        Assert.Equal(Enumerable.Range(0, 200).Select(i => $"put {i % 20 % 7} {i / 20}.{i % 20}").Append("put end 1"), follower.Seen);
    }

    [Fact]
    public async Task Compacted_changes_are_found_by_listing_deletions_included()
    {
        await PutAsync("stays", "1");
        await PutAsync("changes", "1");
        await PutAsync("goes", "1");
        var follower = Follow();
        await SoonAsync(follower, ("stays", "1"), ("changes", "1"), ("goes", "1"));

        _proxy.Cut();
        await DeleteAsync("goes");
        await PutAsync("changes", "2");
        await PutAsync("comes", "1");
        var last = (await Etcd.PutAsync(Keys.Lock("elsewhere"), "")).Header.Revision;
        await Server.CompactAsync(last);
        _proxy.Mend();

        await SoonAsync(follower, ("stays", "1"), ("changes", "2"), ("comes", "1"));
        Assert.Equal(1, follower.Seen.Count(seen => seen.StartsWith("put stays", StringComparison.Ordinal)));
        Assert.Equal((1, 2), (Log.CountOf("was behind etcd's compaction"), follower.Listings));
        await PutAsync("stays", "2");
        await SoonAsync(follower, ("stays", "2"), ("changes", "2"), ("comes", "1"));
    }

    [Fact]
    public async Task It_survives_an_etcd_that_is_stopped_and_one_that_is_killed()
    {
        var server = Own(await EtcdServer.StartNewAsync());
        var etcd = Own(server.Connect(Log));
        await etcd.PutAsync(Keys.Worker("a"), "1");
        var follower = Follow(etcd);
        await SoonAsync(follower, ("a", "1"));

        await server.StopAsync();
        await server.StartAsync();
        var writer = Own(server.Connect(Log));
        await writer.PutAsync(Keys.Worker("b"), "1");
        await SoonAsync(follower, ("a", "1"), ("b", "1"));

        await server.KillAsync();
        await server.StartAsync();
        var second = Own(server.Connect(Log));
        await second.DeleteAsync(Keys.Worker("a"));
        await SoonAsync(follower, ("b", "1"));

        Assert.Equal(["put a 1", "put b 1", "delete a"], follower.Seen);
    }

    [Fact]
    public async Task An_etcd_that_returns_wiped_is_listed_again_at_once()
    {
        var server = Own(await EtcdServer.StartNewAsync());
        var etcd = Own(server.Connect(Log));
        await etcd.PutAsync(Keys.Worker("a"), "1");
        await RaiseRevisionAsync(etcd);
        await etcd.PutAsync(Keys.Worker("b"), "1");
        var follower = Follow(etcd);
        await SoonAsync(follower, ("a", "1"), ("b", "1"));

        await server.WipeAsync();
        var writer = Own(server.Connect(Log));
        await writer.PutAsync(Keys.Worker("c"), "1");

        await SoonAsync(follower, ("c", "1"));
        await writer.PutAsync(Keys.Worker("c"), "2");
        await SoonAsync(follower, ("c", "2"));
        Assert.Equal(1, Log.CountOf("has come back with different data"));
    }

    [Fact]
    public async Task An_etcd_that_returns_wiped_and_filled_beyond_the_old_revision_is_listed_again()
    {
        var server = Own(await EtcdServer.StartNewAsync());
        var proxy = Own(new CutProxy(server.Address));
        var writer = Own(server.Connect(Log));
        await writer.PutAsync(Keys.Worker("a"), "1");
        await writer.PutAsync(Keys.Worker("b"), "1");
        var follower = Follow(Own(new EtcdClient(server.Options(proxy.Endpoint), TimeProvider.System, Log)));
        await SoonAsync(follower, ("a", "1"), ("b", "1"));

        proxy.Cut();
        await server.WipeAsync();
        var second = Own(server.Connect(Log));
        await second.PutAsync(Keys.Worker("c"), "1");
        await RaiseRevisionAsync(second);
        proxy.Mend();

        await SoonAsync(follower, ("c", "1"));
    }

    [Fact]
    public async Task A_watch_follows_an_etcd_restored_from_a_snapshot()
    {
        var server = Own(await EtcdServer.StartNewAsync());
        var etcd = Own(server.Connect(Log));
        await etcd.PutAsync(Keys.Worker("a"), "1");
        await etcd.PutAsync(Keys.Worker("b"), "1");
        var snapshot = await server.SaveSnapshotAsync();
        var follower = Follow(etcd);
        await etcd.PutAsync(Keys.Worker("a"), "2");
        await etcd.DeleteAsync(Keys.Worker("b"));
        await RaiseRevisionAsync(etcd);
        await etcd.PutAsync(Keys.Worker("c"), "1");
        await SoonAsync(follower, ("a", "2"), ("c", "1"));

        await server.RestoreAsync(snapshot);

        await SoonAsync(follower, ("a", "1"), ("b", "1"));
        var writer = Own(server.Connect(Log));
        await writer.PutAsync(Keys.Worker("d"), "1");
        await SoonAsync(follower, ("a", "1"), ("b", "1"), ("d", "1"));
    }

    [Fact]
    public async Task Foreign_keys_that_are_not_text_are_not_taken_for_other_data_when_a_watch_resumes()
    {
        await PutAsync("a", "1");
        foreach (var last in new byte[] { 0xfe, 0xff })
        {
            var put = new PutRequest
            {
                Key = ByteString.CopyFrom([.. Encoding.UTF8.GetBytes(Keys.Workers), last]),
                Value = ByteString.CopyFromUtf8("foreign"),
            };
            await Etcd.TxnAsync(Txn.All([new RequestOp { RequestPut = put }]));
        }

        var follower = Follow();
        await Patience.Until(() => follower.Seen.Count == 3, () => $"{Log}");

        _proxy.Cut();
        await PutAsync("b", "1");
        _proxy.Mend();
        await Patience.Until(() => follower.Table.Contains(("b", "1")), () => $"{Log}");

        Assert.Equal("put b 1", Assert.Single(follower.Seen.Skip(3)));
        Assert.Equal(0, Log.CountOf("has come back with different data"));
    }

    [Fact]
    public async Task It_waits_for_an_etcd_that_is_not_there_yet()
    {
        _proxy.Cut();
        await PutAsync("a", "1");
        var follower = Follow();
        await Patience.Until(() => Log.CountOf("etcd is unreachable") == 1, () => $"{Log}");

        _proxy.Mend();

        await SoonAsync(follower, ("a", "1"));
    }

    [Fact]
    public async Task It_stops_also_while_etcd_is_away()
    {
        var follower = Follow();
        await Patience.Until(() => follower.Listings == 1, () => $"{Log}");
        _proxy.Cut();

        await _stop.CancelAsync();

        await follower.Ended.WaitAsync(Patience.Limit);
    }

    private async Task RaiseRevisionAsync(EtcdClient etcd)
    {
        for (var n = 0; n < 20; n++)
        {
            await etcd.PutAsync(Keys.Lock("elsewhere"), $"{n}");
        }
    }

    private Follower Follow() => Follow(Own(new EtcdClient(Server.Options(_proxy.Endpoint), TimeProvider.System, Log)));

    private Follower Follow(EtcdClient etcd) => Own(new Follower(etcd, Keys.Workers, _stop));

    private async Task PutAsync(string id, string value) => await Etcd.PutAsync(Keys.Worker(id), value);

    private async Task PutManyAsync()
    {
        foreach (var numbers in Enumerable.Range(0, Many).Chunk(100))
        {
            await Etcd.TxnAsync(Txn.All(numbers.Select(n => Txn.Put(Keys.Worker($"{n:00000}"), "1"))));
        }
    }

    private async Task DeleteAsync(string id) => await Etcd.DeleteAsync(Keys.Worker(id));

    private Task SoonAsync(Follower follower, params (string Key, string Value)[] table) => Patience.Until(
        () => follower.Table.SetEquals(table),
        () => $"{string.Join(", ", follower.Table)} instead of {string.Join(", ", table)}\n{Log}");

    /// <summary>Does with a watch what all do: keeps a table by it.</summary>
    private sealed class Follower : IAsyncDisposable
    {
        private readonly Lock _gate = new();
        private readonly Dictionary<string, string> _table = [];
        private readonly List<string> _seen = [];
        private readonly CancellationTokenSource _stop;
        private int _listings;

        public Follower(EtcdClient etcd, string prefix, CancellationTokenSource stop)
        {
            _stop = stop;
            Watch = new Watch(etcd, prefix);
            Ended = FollowAsync(prefix);
        }

        public Watch Watch { get; }

        public Task Ended { get; }

        public HashSet<(string Key, string Value)> Table
        {
            get
            {
                lock (_gate)
                {
                    return [.. _table.Select(pair => (pair.Key, pair.Value))];
                }
            }
        }

        public IReadOnlyList<string> Seen
        {
            get
            {
                lock (_gate)
                {
                    return [.. _seen];
                }
            }
        }

        public int Listings
        {
            get
            {
                lock (_gate)
                {
                    return _listings;
                }
            }
        }

        public async ValueTask DisposeAsync()
        {
            await _stop.CancelAsync();
            await Ended.WaitAsync(Patience.Limit);
        }

        private async Task FollowAsync(string prefix)
        {
            await foreach (var batch in Watch.ReadAsync(_stop.Token))
            {
                lock (_gate)
                {
                    _listings += batch.Listed ? 1 : 0;
                    foreach (var change in batch.Changes)
                    {
                        Apply(change, change.Key[prefix.Length..]);
                    }
                }
            }
        }

        private void Apply(KeyChange change, string key)
        {
            if (change is KeyChange.Put put)
            {
                _table[key] = put.Value.ToStringUtf8();
                _seen.Add($"put {key} {_table[key]}");
            }
            else
            {
                _table.Remove(key);
                _seen.Add($"delete {key}");
            }
        }
    }
}
