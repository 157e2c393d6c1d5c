using System.Text.RegularExpressions;
using Dts.Common.Logs.Mongo;
using MongoDB.Bson;
using MongoDB.Driver;

namespace Dts.Master.Audit;

/// <summary>The audit trail in MongoDB's collection <c>audit</c>, one document per record. The worker makes its indexes.</summary>
internal sealed class MongoAuditStore(string uri, TimeSpan connectTimeout, TimeSpan retention) : IAuditStore
{
    private const string Collection = "audit";

    // In the order of AuditRecord.ListTexts. The changes are JSON, because names of members may have dots.
    private static readonly string[] Fields = ["who", "role", "via", "from", "act", "target", "outcome", "detail", "changes"];

    private static readonly string[] Searched = ["who", "from", "act", "target", "detail"];
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

    /// <summary>Does nothing: a TTL index removes what has expired.</summary>
    public Task RemoveExpiredAsync(DateTimeOffset now, CancellationToken cancel) => Task.CompletedTask;

    public void Dispose() => _database.Dispose();

    private static BsonDocument FilterOf(AuditQuery query)
    {
        var all = new BsonArray();
        Where("who", query.Who.Length > 0 ? new BsonString(query.Who) : null);
        Where("outcome", query.Outcome.Length > 0 ? new BsonString(query.Outcome) : null);
        Where("at", query.From is { } from ? new BsonDocument("$gte", Time(from)) : null);
        Where("at", query.Until is { } until ? new BsonDocument("$lt", Time(until)) : null);
        if (query.After is { } place)
        {
            var at = new BsonDateTime(place.AtMs);
            Where("$or", new BsonArray
            {
                new BsonDocument("at", new BsonDocument("$lt", at)),
                new BsonDocument { { "at", at }, { "_id", new BsonDocument("$lt", place.Id) } },
            });
        }

        foreach (var word in query.Words)
        {
            var has = new BsonRegularExpression(Regex.Escape(word), "i");
            Where("$or", new BsonArray(Searched.Select(text => new BsonDocument(text, has))));
        }

        return all.Count > 0 ? new BsonDocument("$and", all) : new BsonDocument();

        void Where(string field, BsonValue? value)
        {
            if (value is not null)
            {
                all.Add(new BsonDocument(field, value));
            }
        }
    }

    private static BsonDateTime Time(DateTimeOffset at) => new(at.ToUnixTimeMilliseconds());

    private BsonDocument DocumentOf(AuditRecord record)
    {
        var document = new BsonDocument { { "at", Time(record.At) }, { "expireAt", Time(record.At + retention) } };
        document.AddRange(Fields.Zip(record.ListTexts(), (name, text) => new BsonElement(name, text)));
        return document;
    }

    private static AuditRecord Read(BsonDocument document) =>
        AuditRecord.Of(document.Text("_id"), document.Long("at"), [.. Fields.Select(document.Text)]);
}
