using Dts.Common.Etcd;
using Etcdserverpb;
using Google.Protobuf;
using Mvccpb;
using Xunit;

namespace Dts.Tests.Simulation;

/// <summary>Sends the same requests to a real etcd and to a <see cref="SimEtcd"/>, and fails at the first answer that differs.</summary>
/// <remarks>
/// Requests that are sent together take effect in an order that only the real etcd knows. Its answers tell it: those that wrote have each a
/// revision of their own; each of the others belongs after the one that wrote its revision. The simulation gets the requests in this order.
/// </remarks>
internal sealed class EtcdComparison(EtcdClient real, SimEtcd sim, DateTimeOffset now) : IAsyncDisposable
{
    private const int WatchesMax = 8; // The first stays for ever; the oldest of the others makes room.

    private readonly List<FollowedWatch> _watches = [];

    public int Requests { get; private set; }

    public int Refusals { get; private set; }

    public int Events { get; private set; }

    public int Watches { get; private set; }

    public async ValueTask DisposeAsync()
    {
        foreach (var watch in _watches)
        {
            await watch.DisposeAsync();
        }
    }

    public async Task AskAsync(IMessage request) => Compare(request, await AskRealAsync(request), AskSim(request));

    /// <param name="requests">If one is refused, it would be so at any moment while they are carried out.</param>
    public async Task AskTogetherAsync(IReadOnlyList<IMessage> requests, int inFlight)
    {
        var answers = new Answer[requests.Count];
        await Parallel.ForAsync(0, requests.Count, new ParallelOptions { MaxDegreeOfParallelism = inFlight }, async (index, _) =>
            answers[index] = await AskRealAsync(requests[index]));
        foreach (var (request, answer) in requests.Zip(answers).OrderBy(pair => pair.Second.Revision).ThenBy(pair => !pair.Second.Wrote))
        {
            Compare(request, answer, AskSim(request));
        }
    }

    /// <summary>Opens a watch on both. Its events are compared by <see cref="CompareWatchesAsync"/>.</summary>
    public async Task WatchAsync(string prefix, long from)
    {
        var watch = new FollowedWatch(real, SimWatch(prefix, from), prefix, from);
        _watches.Add(watch);
        Watches++;
        Assert.Equal(Normal(watch.Sim.Read()!), Normal(await watch.ReadAsync()));
        if (_watches.Count > WatchesMax)
        {
            await _watches[1].DisposeAsync();
            _watches.RemoveAt(1);
        }
    }

    /// <summary>Compares all that a watch says which begins in compacted history.</summary>
    public async Task WatchCompactedAsync(string prefix, long from)
    {
        var watch = SimWatch(prefix, from);
        Watches++;
        await foreach (var answer in real.WatchOnceAsync(prefix, from, CancellationToken.None))
        {
            Assert.Equal(Normal(watch.Read()!), Normal(answer));
            if (answer.Canceled)
            {
                break;
            }
        }

        Assert.True(watch.IsCanceled);
    }

    /// <summary>Puts a mark that each watch sees, waits for it, and compares the events up to it.</summary>
    public async Task CompareWatchesAsync()
    {
        await AskAsync(Txn.All(_watches.Select(watch => watch.Prefix).Distinct().Select(prefix => Txn.Put($"{prefix}~", ""))));
        foreach (var watch in _watches.Where(watch => watch.From <= sim.Revision))
        {
            var told = await watch.ReadUntilAsync(sim.Revision);
            var expected = new List<Event>();
            while (watch.Sim.Read() is { } answer)
            {
                Assert.True(answer.Events.All(change => change.Kv.ModRevision == answer.Header.Revision), $"{answer}");
                expected.AddRange(answer.Events);
            }

            Assert.Equal(expected, told);
            Events += told.Count;
        }
    }

    private SimWatch SimWatch(string prefix, long from) =>
        sim.Watch(new WatchCreateRequest { Key = Txn.Bytes(prefix), RangeEnd = Txn.EndOf(prefix), StartRevision = from });

    private void Compare(IMessage request, Answer expected, Answer actual)
    {
        Requests++;
        Refusals += expected.Message is null ? 1 : 0;
        if (expected != actual)
        {
            Assert.Fail($"request {Requests}: {request}\n  etcd: {expected}\n  SimEtcd: {actual}");
        }
    }

    private async Task<Answer> AskRealAsync(IMessage request)
    {
        try
        {
            return new Answer(Normal(await real.AskAsync(request)), null, "");
        }
        catch (EtcdException refusal) when (refusal.Error != EtcdError.Unavailable)
        {
            return new Answer(null, refusal.Error, refusal.Message);
        }
    }

    private Answer AskSim(IMessage request)
    {
        try
        {
            return new Answer(Normal(request switch
            {
                TxnRequest txn => sim.Txn(txn),
                RangeRequest range => sim.Range(range),
                PutRequest put => sim.Put(put),
                DeleteRangeRequest delete => sim.DeleteRange(delete),
                CompactionRequest compaction => sim.Compact(compaction),
                LeaseGrantRequest grant => sim.Grant(grant, now),
                LeaseRevokeRequest revoke => sim.Revoke(revoke),
                LeaseKeepAliveRequest keep => sim.KeepAlive(keep, now),
                LeaseTimeToLiveRequest ask => (IMessage)sim.TimeToLive(ask, now),
                _ => throw new NotSupportedException($"{request.Descriptor.Name}"),
            }), null, "");
        }
        catch (EtcdException refusal)
        {
            return new Answer(null, refusal.Error, refusal.Message);
        }
    }

    /// <summary>An answer without what cannot be the same: who gave it, how long ago a lease was granted, the order of its keys.</summary>
    private static IMessage Normal(IMessage answer)
    {
        var header = (ResponseHeader)answer.Descriptor.FindFieldByName("header").Accessor.GetValue(answer);
        (header.ClusterId, header.MemberId, header.RaftTerm) = (0, 0, 0);
        if (answer is LeaseTimeToLiveResponse { GrantedTTL: > 0 } lease)
        {
            Assert.InRange(lease.TTL, lease.GrantedTTL - 300, lease.GrantedTTL);
            lease.TTL = lease.GrantedTTL;
            var keys = lease.Keys.OrderBy(key => key.ToStringUtf8(), StringComparer.Ordinal).ToList();
            lease.Keys.Clear();
            lease.Keys.Add(keys);
        }

        return answer;
    }

    private sealed record Answer(IMessage? Message, EtcdError? Error, string Why)
    {
        /// <summary>0 of a refusal.</summary>
        public long Revision => Message is null
            ? 0
            : ((ResponseHeader)Message.Descriptor.FindFieldByName("header").Accessor.GetValue(Message)).Revision;

        public bool Wrote => Message switch
        {
            PutResponse => true,
            DeleteRangeResponse delete => delete.Deleted > 0,
            TxnResponse txn => HasWritten(txn),
            _ => false,
        };

        public override string ToString() => Message is null ? $"{Error}: {Why}" : $"{Message}";

        private static bool HasWritten(TxnResponse txn) => txn.Responses.Any(response => response switch
        {
            { ResponsePut: not null } => true,
            { ResponseDeleteRange: { } delete } => delete.Deleted > 0,
            { ResponseTxn: { } nested } => HasWritten(nested),
            _ => false,
        });
    }
}
