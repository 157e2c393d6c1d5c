using Etcdserverpb;
using Google.Protobuf;

namespace Dts.Tests.Simulation;

/// <summary>What a cluster costs its etcd: requests, writes and events of watches, in numbers and bytes of protobuf.</summary>
internal sealed class SimCosts
{
    public const string Claims = "claims";
    public const string Looks = "looks at cursors";
    public const string Completions = "completions";
    public const string Others = "other";

    private readonly Dictionary<string, Cost> _requests = [];
    private readonly Dictionary<string, Cost> _written = [];
    private readonly Dictionary<string, Cost> _watched = [];

    /// <summary>Requests of a kind: how many, how many fires they were about, their bytes and those of the answers.</summary>
    public Cost Of(string kind) => _requests.GetValueOrDefault(kind);

    /// <summary>What was put or deleted below a prefix's first letter, as a watch tells it once.</summary>
    public Cost Written(char table) => _written.GetValueOrDefault(table.ToString());

    /// <summary>What the watches of all workers have told.</summary>
    public Cost Watched => _watched.Values.Aggregate(default(Cost), (sum, cost) => sum + cost);

    public Cost AllRequests => _requests.Values.Aggregate(default(Cost), (sum, cost) => sum + cost);

    public void Note(TxnRequest request, TxnResponse answer)
    {
        var (kind, about) = request.Success switch
        {
            [{ RequestTxn: not null }, ..] when request.Compare.Count > 0 => (Claims, request.Success.Count),
            [{ RequestTxn: not null }, ..] => (Completions, request.Success.Count),
            [{ RequestRange.RangeEnd.IsEmpty: true }, ..] when request.Compare.Count == 0 => (Looks, request.Success.Count),
            _ => (Others, 0),
        };
        Add(_requests, kind, new Cost(1, about, request.CalculateSize(), answer.CalculateSize()));
    }

    public void NoteOther(IMessage answer) => Add(_requests, Others, new Cost(1, 0, 0, answer.CalculateSize()));

    public void NoteWritten(char table, KeyVersion version) =>
        Add(_written, table.ToString(), new Cost(1, 0, 0, version.Event.CalculateSize()));

    public void NoteWatched(string prefix, WatchResponse answer) =>
        Add(_watched, prefix, new Cost(1, answer.Events.Count, 0, answer.CalculateSize()));

    private static void Add(Dictionary<string, Cost> costs, string kind, Cost cost) => costs[kind] = costs.GetValueOrDefault(kind) + cost;

    /// <param name="Sent">Bytes to etcd.</param>
    /// <param name="Received">Bytes from it.</param>
    internal readonly record struct Cost(long Count, long About, long Sent, long Received)
    {
        public static Cost operator +(Cost a, Cost b) =>
            new(a.Count + b.Count, a.About + b.About, a.Sent + b.Sent, a.Received + b.Received);
    }
}
