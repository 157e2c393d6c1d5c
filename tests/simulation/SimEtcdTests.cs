using System.Globalization;
using Dts.Common.Etcd;
using Dts.Tests.Support;
using Etcdserverpb;
using Google.Protobuf;
using Mvccpb;
using Xunit;

namespace Dts.Tests.Simulation;

/// <summary>
/// The in-memory etcd beside a real one. SIMETCD_TRANSACTIONS and SIMETCD_SEED choose how many random transactions, and which. The real
/// etcd chooses the order of those that are sent together.
/// </summary>
public sealed class SimEtcdTests
{
    private const long LeaseSeconds = 3600;

    private static readonly DateTimeOffset Now = new(2026, 11, 22, 10, 0, 0, TimeSpan.Zero);

    private static readonly int Transactions = int.Parse(
        Environment.GetEnvironmentVariable("SIMETCD_TRANSACTIONS") ?? "100000", CultureInfo.InvariantCulture);

    private static readonly int Seed = int.Parse(
        Environment.GetEnvironmentVariable("SIMETCD_SEED") ?? $"{Random.Shared.Next(1000, 10_000)}", CultureInfo.InvariantCulture);

    private readonly SimEtcd _sim = new();

    [Fact]
    public async Task Random_requests_have_the_same_answers_as_from_a_real_etcd()
    {
        await using var server = await EtcdServer.StartNewAsync();
        using var etcd = Connect(server);
        await using var comparison = new EtcdComparison(etcd, _sim, Now);
        var random = new Random(Seed);
        var requests = new RandomRequests(random, _sim);
        var begun = Environment.TickCount64;
        var transactions = 0;
        try
        {
            await comparison.WatchAsync("/", from: 2);
            for (var round = 1; transactions < Transactions; round++)
            {
                await ChangeLeasesAsync(comparison, requests, random);
                await AskWhatIsRefusedAsync(comparison, requests);
                await comparison.WatchAsync(RandomRequests.Prefix(requests.AnySpace()), requests.WatchFrom());
                await comparison.WatchAsync(RandomRequests.Prefix(round % 3), requests.WatchFrom());
                IMessage[] packed = [.. Enumerable.Range(0, 100).Select(_ => requests.Packed())];
                IMessage[] single = [.. Enumerable.Range(0, 500).Select(_ => requests.Single())];
                await comparison.AskTogetherAsync(packed, inFlight: 4);
                await comparison.AskTogetherAsync(single, inFlight: 64);
                await comparison.CompareWatchesAsync();
                transactions += (packed.Length * RandomRequests.SpacesMax) + single.Length;
                if (round % 2 == 0)
                {
                    await CompactAsync(comparison, requests);
                }
            }
        }
        catch (Exception difference)
        {
            throw new InvalidOperationException($"seed {Seed}, after {transactions} transactions", difference);
        }

        TestContext.Current.TestOutputHelper?.WriteLine(
            $"{transactions} transactions, seed {Seed}: {comparison.Requests} requests, {comparison.Refusals} refused; "
                + $"{comparison.Watches} watches with {comparison.Events} events; revision {_sim.Revision}; "
                + $"{Environment.TickCount64 - begun} ms");
    }

    [Fact]
    public async Task A_lease_that_expires_takes_its_keys_in_one_revision_and_one_that_is_kept_alive_keeps_them()
    {
        await using var server = await EtcdServer.StartNewAsync();
        using var etcd = Connect(server);
        await using var comparison = new EtcdComparison(etcd, _sim, Now);
        foreach (var lease in (long[])[5, 6, 7, 8]) // The last has the least TTL, which may end before keys are put.
        {
            await comparison.AskAsync(new LeaseGrantRequest { ID = lease, TTL = lease switch { 7 => LeaseSeconds, 8 => 1, _ => 10 } });
        }

        await comparison.AskAsync(
            Txn.All([Put("/c", 5), Put("/a", 5), Put("/b", 6), Put("/d", 6), Put("/e", 5), Put("/f", 7), Put("/g", 0)]));
        await comparison.AskAsync(Txn.All([Put("/d", 5), Put("/e", 0), Txn.Delete("/g")]));
        var events = new List<Event>();
        await foreach (var answer in etcd.WatchOnceAsync("/", _sim.Revision + 1, CancellationToken.None))
        {
            events.AddRange(answer.Events);
            if (events.Count == 4)
            {
                break;
            }
        }

        var watch = _sim.Watch(new WatchCreateRequest { Key = Txn.Bytes("/"), RangeEnd = Txn.EndOf("/") });
        Assert.Equal(Now.AddSeconds(2), _sim.NextExpiry);
        _sim.ExpireLeases(Now.AddSeconds(9.9));
        Assert.Equal(3, _sim.Revision);
        Assert.Equal(Now.AddSeconds(10), _sim.NextExpiry);
        _sim.ExpireLeases(Now.AddSeconds(10));
        Assert.True(watch.Read()!.Created);

        // Which of two leases expires first, a real etcd does not promise.
        Assert.Equal(Deletions(events), Deletions([.. watch.Read()!.Events, .. watch.Read()!.Events]));
        Assert.Null(watch.Read());
        await comparison.AskAsync(new RangeRequest { Key = Txn.Bytes("/"), RangeEnd = Txn.EndOf("/"), KeysOnly = true });
        await comparison.AskAsync(new LeaseKeepAliveRequest { ID = 5 });
        await comparison.AskAsync(new LeaseTimeToLiveRequest { ID = 6, Keys = true });
        await comparison.AskAsync(new LeaseTimeToLiveRequest { ID = 7, Keys = true });

        static string Deletions(List<Event> events) => string.Join("; ", events
            .GroupBy(change => change.Kv.ModRevision, (_, group) =>
                string.Join(" ", group.Select(change => $"{change.Type} {change.Kv.Key.ToStringUtf8()}")))
            .Order());
    }

    [Fact]
    public void A_lease_that_is_kept_alive_expires_later_and_one_that_has_expired_is_not_kept_alive()
    {
        var lease = _sim.Grant(new LeaseGrantRequest { TTL = 10 }, Now).ID;
        _sim.Put(new PutRequest { Key = Txn.Bytes("/a"), Lease = lease });

        Assert.Equal(10, _sim.KeepAlive(new LeaseKeepAliveRequest { ID = lease }, Now.AddSeconds(9)).TTL);
        _sim.ExpireLeases(Now.AddSeconds(18));
        Assert.Equal(1, _sim.TimeToLive(new LeaseTimeToLiveRequest { ID = lease }, Now.AddSeconds(18)).TTL);
        Assert.Equal(0, _sim.KeepAlive(new LeaseKeepAliveRequest { ID = lease }, Now.AddSeconds(19)).TTL);

        Assert.Equal((3L, null), (_sim.Revision, _sim.NextExpiry));
        Assert.Null(_sim.Keys.Find(Txn.Bytes("/a")));
    }

    [Fact]
    public void An_etcd_that_is_restored_has_what_the_snapshot_had_and_ends_its_watches()
    {
        var lease = _sim.Grant(new LeaseGrantRequest { TTL = 10 }, Now).ID;
        _sim.Txn(Txn.All([Put("/a", lease), Put("/b", 0)]));
        _sim.Put(new PutRequest { Key = Txn.Bytes("/b"), Value = Txn.Bytes("2") });
        var snapshot = _sim.Save();
        var watch = _sim.Watch(new WatchCreateRequest { Key = Txn.Bytes("/b"), StartRevision = 2 });
        _sim.Revoke(new LeaseRevokeRequest { ID = lease });
        _sim.DeleteRange(new DeleteRangeRequest { Key = Txn.Bytes("/b") });
        _sim.Compact(new CompactionRequest { Revision = 5 });

        for (var restored = 1; restored <= 2; restored++)
        {
            _sim.Restore(snapshot, Now.AddSeconds(100));

            Assert.Throws<EtcdException>(() => watch.Read());
            Assert.Equal(3, _sim.Revision);
            Assert.Equal(["/a", "/b"], _sim.Range(All()).Kvs.Select(pair => pair.Key.ToStringUtf8()));
            Assert.Equal("", _sim.Range(new RangeRequest { Key = Txn.Bytes("/b"), Revision = 2 }).Kvs.Single().Value.ToStringUtf8());
            Assert.Equal(Now.AddSeconds(110), _sim.NextExpiry);

            watch = _sim.Watch(new WatchCreateRequest { Key = Txn.Bytes("/"), RangeEnd = Txn.EndOf("/"), StartRevision = 6 });
            _sim.ExpireLeases(Now.AddSeconds(110));
            Assert.True(watch.Read()!.Created);
            Assert.Null(watch.Read()); // It waits for a revision that the old data had reached.
            Assert.Equal((4L, 1L), (_sim.Revision, _sim.Range(All()).Count));
            Assert.NotEqual(lease, _sim.Grant(new LeaseGrantRequest { TTL = 10 }, Now).ID);
        }
    }

    [Fact]
    public void What_the_simulation_does_not_know_it_refuses_loudly()
    {
        Assert.Throws<NotSupportedException>(() => _sim.Range(new RangeRequest(All()) { Serializable = true }));
        Assert.Throws<NotSupportedException>(() => _sim.Put(new PutRequest { Key = Txn.Bytes("/a"), IgnoreValue = true }));
        Assert.Throws<NotSupportedException>(() => _sim.Watch(new WatchCreateRequest { PrevKv = true }));
    }

    private static async Task ChangeLeasesAsync(EtcdComparison comparison, RandomRequests requests, Random random)
    {
        while (requests.Leases.Count > 8)
        {
            await comparison.AskAsync(new LeaseTimeToLiveRequest { ID = requests.OneOf(requests.Leases), Keys = true });
            var revoked = requests.OneOf(requests.Leases);
            requests.Leases.Remove(revoked);
            await comparison.AskAsync(new LeaseRevokeRequest { ID = revoked });
            await comparison.AskAsync(new LeaseRevokeRequest { ID = revoked });
            await comparison.AskAsync(new LeaseKeepAliveRequest { ID = revoked });
            await comparison.AskAsync(new LeaseTimeToLiveRequest { ID = revoked, Keys = true });
        }

        for (var granted = 0; granted < 3; granted++)
        {
            requests.Leases.Add(requests.NewLease());
            await comparison.AskAsync(new LeaseGrantRequest { ID = requests.Leases[^1], TTL = LeaseSeconds + random.Next(100) });
            await comparison.AskAsync(new LeaseKeepAliveRequest { ID = requests.OneOf(requests.Leases) });
        }

        await comparison.AskAsync(new LeaseGrantRequest { ID = requests.Leases[^1], TTL = LeaseSeconds });
        await comparison.AskAsync(new LeaseGrantRequest { ID = requests.NewLease(), TTL = long.MaxValue });
    }

    private static async Task AskWhatIsRefusedAsync(EtcdComparison comparison, RandomRequests requests)
    {
        for (var asked = 0; asked < 30; asked++)
        {
            await comparison.AskAsync(requests.Refused());
        }
    }

    private async Task CompactAsync(EtcdComparison comparison, RandomRequests requests)
    {
        await comparison.AskAsync(new CompactionRequest { Revision = Math.Max(5, requests.PastRevision()), Physical = true });
        var compacted = _sim.Keys.CompactRevision;
        await comparison.AskAsync(new CompactionRequest { Revision = compacted });
        await comparison.AskAsync(new CompactionRequest { Revision = _sim.Revision + 1 });
        await comparison.AskAsync(new RangeRequest(All()) { Revision = compacted });
        await comparison.AskAsync(new RangeRequest(All()) { Revision = compacted - 1 });
        await comparison.WatchCompactedAsync("/", compacted - 1);
        await comparison.WatchAsync("/", compacted);
    }

    /// <summary>A call that takes long on a busy machine must not fail: nobody would know whether it was carried out.</summary>
    private static EtcdClient Connect(EtcdServer server) =>
        new(new EtcdOptions([server.Endpoint], Patience.Limit), TimeProvider.System, new RecordedLog());

    private static RangeRequest All() => new() { Key = Txn.Bytes("/"), RangeEnd = Txn.EndOf("/") };

    private static RequestOp Put(string key, long lease) => Txn.Put(key, "", new LeaseId(lease));
}
