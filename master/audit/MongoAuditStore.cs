using System.Text.RegularExpressions;
using Dts.Common.Logs.Mongo;
using MongoDB.Bson;
using MongoDB.Driver;

namespace Dts.Master.Audit;

/// <summary>The audit trail in MongoDB's collection <c>audit</c>, a document each. The worker makes its indexes.</summary>
internal sealed class MongoAuditStore(string uri, TimeSpan connectTimeout, TimeSpan retention) : IAuditStore
{
    private const string Collection = "audit";

    private static readonly string[] Texts = ["who", "from", "act", "target", "detail"];
    private static readonly BsonDocument LatestFirst = new() { { "at", -1 }, { "_id", -1 } };

    private readonly MongoDatabase _database = new(uri, connectTimeout);

    public Task WriteAsync(IReadOnlyList<AuditRecord> records, CancellationToken cancel) => _database.RunAsync(async () =>
    {
        var audit = _database.Collection(Collection);
        foreach (var record in records)
        {
            await audit.UpdateOneAsync(
                new BsonDocument("_id", record.Id),
                new BsonDocument("$setOnInsert", DocumentOf(record)),
                new UpdateOptions { IsUpsert = true },
                cancel);
        }

        return true;
    });

    public Task<IReadOnlyList<AuditRecord>> ListAsync(AuditQuery query, CancellationToken cancel) =>
        _database.RunAsync<IReadOnlyList<AuditRecord>>(async () =>
            [.. (await _database.FindAsync(Collection, FilterOf(query), LatestFirst, query.Limit)).Select(Read)]);

    /// <summary>MongoDB removes what has expired by itself: a TTL index.</summary>
    public Task RemoveExpiredAsync(DateTimeOffset now, CancellationToken cancel) => Task.CompletedTask;

    public void Dispose() => _database.Dispose();

    private static BsonDocument FilterOf(AuditQuery query)
    {
        var all = new BsonArray();
        if (query.Who.Length > 0)
        {
            all.Add(new BsonDocument("who", query.Who));
        }

        if (query.Outcome.Length > 0)
        {
            all.Add(new BsonDocument("outcome", query.Outcome));
        }

        if (query.From is { } from)
        {
            all.Add(new BsonDocument("at", new BsonDocument("$gte", Time(from))));
        }

        if (query.Until is { } until)
        {
            all.Add(new BsonDocument("at", new BsonDocument("$lt", Time(until))));
        }

        if (query.After is { } place)
        {
            var at = new BsonDateTime(place.AtMs);
            all.Add(new BsonDocument("$or", new BsonArray
            {
                new BsonDocument("at", new BsonDocument("$lt", at)),
                new BsonDocument { { "at", at }, { "_id", new BsonDocument("$lt", place.Id) } },
            }));
        }

        foreach (var word in query.Words)
        {
            var has = new BsonRegularExpression(Regex.Escape(word), "i");
            all.Add(new BsonDocument("$or", new BsonArray(Texts.Select(text => new BsonDocument(text, has)))));
        }

        return all.Count > 0 ? new BsonDocument("$and", all) : new BsonDocument();
    }

    private static BsonDateTime Time(DateTimeOffset at) => new(at.ToUnixTimeMilliseconds());

    private BsonDocument DocumentOf(AuditRecord record) => new()
    {
        { "at", new BsonDateTime(record.At.ToUnixTimeMilliseconds()) },
        { "who", record.Who },
        { "role", record.Role },
        { "via", record.Via },
        { "from", record.From },
        { "act", record.Act },
        { "target", record.Target },
        { "outcome", record.Outcome },
        { "detail", record.Detail },
        { "changes", record.Changes.Count > 0 ? AuditJson.Write(record.Changes) : "" }, // A text: names of members may have dots.
        { "expireAt", new BsonDateTime((record.At + retention).ToUnixTimeMilliseconds()) },
    };

    private static AuditRecord Read(BsonDocument document) => new(
        document.Text("_id"),
        DateTimeOffset.FromUnixTimeMilliseconds(document.Long("at")),
        document.Text("who"),
        document.Text("role"),
        document.Text("via"),
        document.Text("from"),
        document.Text("act"),
        document.Text("target"),
        document.Text("outcome"),
        document.Text("detail"),
        AuditJson.Read(document.Text("changes")));
}
