using Dts.Common.Logs;
using Dts.Common.Logs.Mongo;
using Microsoft.Extensions.Logging;
using MongoDB.Bson;
using MongoDB.Driver;

namespace Dts.Worker.Logs;

/// <summary>The indexes of the log's collections, including those by which MongoDB removes expired documents.</summary>
internal sealed class MongoIndexes(MongoDatabase database, ILogger log)
{
    private static readonly (string Collection, (string Name, BsonDocument Keys)[] Indexes)[] All =
    [
        ("log", [
            ("dts_job", new BsonDocument { { "jobName", 1 }, { "startTime", -1 }, { "_id", -1 } }),
            ("dts_start", new BsonDocument { { "startTime", -1 }, { "_id", -1 } }),
            ("dts_status", new BsonDocument { { "status", 1 }, { "startTime", -1 }, { "_id", -1 } }),
            ("dts_plan", new BsonDocument { { "jobName", 1 }, { "planTime", 1 } }),
            (Expires, new BsonDocument("expireAt", 1))]),
        ("output", [
            ("dts_run", new BsonDocument { { "run", 1 }, { "offset", 1 } }),
            (Expires, new BsonDocument("expireAt", 1))]),
        ("stats", [("dts_job", new BsonDocument { { "jobName", 1 }, { "day", 1 } })]),
        ("jobs", [ // The masters' versions of jobs.
            ("dts_version", new BsonDocument { { "jobName", 1 }, { "at", -1 }, { "revision", -1 } }),
            (Expires, new BsonDocument("expireAt", 1))]),
        ("audit", [ // The masters' audit trail.
            ("dts_at", new BsonDocument { { "at", -1 }, { "_id", -1 } }),
            (Expires, new BsonDocument("expireAt", 1))]),
    ];

    private const string Expires = "dts_expire";

    private readonly Lock _gate = new();
    private Task? _making;
    private bool _isFailureLogged;

    /// <summary>Begins to make them in the background, unless an earlier call did.</summary>
    public void Begin()
    {
        lock (_gate)
        {
            _making ??= TryMakeAsync();
        }
    }

    private async Task TryMakeAsync()
    {
        try
        {
            await database.RunAsync(async () =>
            {
                await MakeAsync();
                return true;
            });
        }
        catch (LogStoreException failure)
        {
            if (!_isFailureLogged)
            {
                _isFailureLogged = true;
                log.IndexesMissing(failure.Message);
            }

            lock (_gate)
            {
                _making = null; // Tried again with the next call.
            }
        }
    }

    private async Task MakeAsync()
    {
        foreach (var (collection, indexes) in All)
        {
            // createIndexes on a collection that does not exist is refused by some servers.
            await TryCommandAsync(database, new BsonDocument("create", collection));
            var all = indexes.Select(index => new BsonDocument
            {
                { "name", index.Name },
                { "key", index.Keys },
                { "expireAfterSeconds", 0, index.Name == Expires },
            });
            await database.CommandAsync(new BsonDocument { { "createIndexes", collection }, { "indexes", new BsonArray(all) } });
        }
    }

    /// <summary>Lists the missing ones, as collection.index.</summary>
    public static Task<List<string>> FindMissingAsync(MongoDatabase database) => database.RunAsync(async () =>
    {
        List<string> missing = [];
        foreach (var (collection, indexes) in All)
        {
            // A missing collection is refused, and has no indexes.
            var answer = await TryCommandAsync(database, new BsonDocument("listIndexes", collection));
            var there = answer.Contains("cursor")
                ? answer["cursor"]["firstBatch"].AsBsonArray.Select(index => index["name"].AsString).ToHashSet()
                : [];
            missing.AddRange(indexes.Where(index => !there.Contains(index.Name)).Select(index => $"{collection}.{index.Name}"));
        }

        return missing;
    });

    /// <summary>Runs a command; if it is refused, the answer is empty.</summary>
    private static async Task<BsonDocument> TryCommandAsync(MongoDatabase database, BsonDocument command)
    {
        try
        {
            return await database.CommandAsync(command);
        }
        catch (MongoCommandException)
        {
            return [];
        }
    }
}
