using Dts.Common.Jobs;
using Dts.Common.Logs;
using Dts.Common.Logs.Mongo;
using MongoDB.Bson;

namespace Dts.Master.Logs;

/// <summary>Reads the log in MongoDB.</summary>
internal sealed class MongoLogReader(string uri, TimeSpan connectTimeout) : MongoLog(uri, connectTimeout), ILogReader
{
    private const int SpanGrowth = 2;
    private const int GroupsMax = 1_000_000; // In one answer.

    private static readonly BsonDocument StartOnly = new("startTime", 1);
    private static readonly BsonDocument EndingOnly = new() { { "output", 0 }, { "content", 0 }, { "command", 0 }, { "processes", 0 } };
    private static readonly BsonDocument LatestFirst = new() { { "startTime", -1 }, { "_id", -1 } };
    private static readonly BsonDocument WithoutOutput = new() { { "output", 0 }, { "content", 0 }, { "processes", 0 } };
    private static readonly BsonDocument WithoutProcesses = new("processes", 0);
    private static readonly TimeSpan[] EndingSpans = [TimeSpan.FromHours(1), TimeSpan.FromDays(1), TimeSpan.FromDays(30)];
    private static readonly TimeSpan FirstSpan = TimeSpan.FromMinutes(1);
    private static readonly TimeSpan LongestSpan = TimeSpan.FromDays(1000);

    public Task<RunRecord?> FindAsync(string id, CancellationToken cancel) => Database.RunAsync(async () =>
        await Database.FindAsync("log", new BsonDocument("_id", id), sort: null, limit: 1) is [var found]
            ? RunDocument.Read(found)
            : null);

    public Task<IReadOnlyList<RunRecord>> ListAsync(
        JobName job, int skip, int limit, CancellationToken cancel) => Database.RunAsync<IReadOnlyList<RunRecord>>(async () =>
        limit == 0
            ? []
            :
            [
                .. (await Database.FindAsync(
                    "log", new BsonDocument("jobName", job.Value), LatestFirst, limit, skip)).Select(RunDocument.Read),
            ]);

    public Task<LogPage> SearchAsync(LogQuery query, CancellationToken cancel) => Database.RunAsync(async () =>
        LogPage.Of(
            await ReadAsync(await FindLatestAsync(query, query.Limit + 1, query.Output ? WithoutProcesses : WithoutOutput), query.Output),
            query.Limit));

    public Task<DateTimeOffset?> FindStartAsync(LogQuery query, int records, CancellationToken cancel) => Database.RunAsync(async () =>
    {
        var found = await FindLatestAsync(query.Indexed, records + 1, StartOnly);
        return found.Count > records
            ? DateTimeOffset.FromUnixTimeMilliseconds(RecordTimes.Clamp(found[^1].Long("startTime")))
            : (DateTimeOffset?)null;
    });

    public Task<IReadOnlyList<RunRecord>> ListPlannedAsync(
        JobName job,
        DateTimeOffset from,
        DateTimeOffset until,
        CancellationToken cancel) => Database.RunAsync<IReadOnlyList<RunRecord>>(async () =>
    {
        var (first, end) = (from.ToUnixTimeMilliseconds(), until.ToUnixTimeMilliseconds());
        var byPlanTime = new BsonDocument("planTime", 1);
        var planned = await Database.FindAsync(
            "log",
            new BsonDocument { { "jobName", job.Value }, { "planTime", new BsonDocument { { "$gte", first }, { "$lt", end } } } },
            byPlanTime,
            fields: WithoutOutput);
        var reachingIn = new BsonDocument
        {
            { "jobName", job.Value },
            { "planTime", new BsonDocument("$gte", end) },
            { "missedSince", new BsonDocument { { "$gt", 0L }, { "$lt", end } } },
        };
        return [.. planned.Concat(await Database.FindAsync("log", reachingIn, byPlanTime, fields: WithoutOutput)).Select(RunDocument.Read)];
    });

    public Task<IReadOnlyList<DayStats>> ListStatsAsync(
        JobName job, DateOnly from, CancellationToken cancel) => Database.RunAsync<IReadOnlyList<DayStats>>(async () =>
    {
        var filter = new BsonDocument { { "jobName", job.Value }, { "day", new BsonDocument("$gte", DayKeys.TextOf(from)) } };
        var days = await Database.FindAsync("stats", filter, new BsonDocument { { "jobName", 1 }, { "day", 1 } });
        return [.. days.Select(day => new DayStats(
            DayKeys.DayOf(day.Text("day")),
            day.GetValue("n", null) is BsonDocument counts ? counts.Names.ToDictionary(key => key, counts.Long) : []))];
    });

    public Task<SpanCounts> CountAsync(
        LogQuery query, TimeSpan step, int recordsMax, CancellationToken cancel) => Database.RunAsync(async () =>
    {
        var match = new BsonDocument("$match", MongoConditions.Of(query));
        var size = await AggregateAsync([match, new BsonDocument("$limit", recordsMax + 1), new BsonDocument("$count", "n")]);
        if (size is [var counted] && counted.Long("n") > recordsMax)
        {
            return SpanCounts.TooMany;
        }

        // The original's records have no status.
        var isWell = new BsonDocument("$eq", new BsonArray { new BsonDocument("$ifNull", new BsonArray { "$err", "" }), "" });
        var ending = new BsonDocument("$cond", new BsonArray { isWell, RunStatus.Succeeded.Word(), RunStatus.Failed.Word() });
        var modulo = new BsonDocument("$mod", new BsonArray { "$startTime", (long)step.TotalMilliseconds });
        var group = new BsonDocument("_id", new BsonDocument
        {
            { "at", new BsonDocument("$subtract", new BsonArray { "$startTime", modulo }) },
            { "status", new BsonDocument("$ifNull", new BsonArray { "$status", ending }) },
        });
        group.Add("n", new BsonDocument("$sum", 1));
        var groups = await AggregateAsync([match, new BsonDocument("$group", group)]);
        return new SpanCounts(
            [
                .. groups
                    .Select(found => (Key: found["_id"].AsBsonDocument, Count: found.Long("n")))
                    .Select(found => (found.Key, Status: RunStatusWords.Find(found.Key.Text("status")), found.Count))
                    .Where(found => found.Status is not null)
                    .Select(found => new EndingCount(found.Key.Long("at"), found.Status ?? default, found.Count)),
            ],
            IsWhole: true);
    });

    public Task<IReadOnlyList<EndedRun>> ListEndingsAsync(
        IReadOnlyList<string> jobs, int each, CancellationToken cancel) => Database.RunAsync<IReadOnlyList<EndedRun>>(async () =>
    {
        List<EndedRun> endings = [];
        foreach (var job in jobs)
        {
            cancel.ThrowIfCancellationRequested();
            endings.AddRange(await ListEndingsAsync(job, each));
        }

        return endings;
    });

    public Task<IReadOnlyList<EndedRun>> FindEndingsAsync(
        IReadOnlyList<string> ids, CancellationToken cancel) => Database.RunAsync<IReadOnlyList<EndedRun>>(async () =>
    {
        var filter = new BsonDocument("_id", new BsonDocument("$in", new BsonArray(ids)));
        return [.. (await Database.FindAsync("log", filter, sort: null, fields: EndingOnly)).Select(EndingOf)];
    });

    /// <remarks>Searches growing spans of time, as <see cref="FindLatestAsync"/> does.</remarks>
    private async Task<List<EndedRun>> ListEndingsAsync(string job, int each)
    {
        List<BsonDocument> found = [];
        for (var i = 0; i <= EndingSpans.Length && found.Count < each; i++)
        {
            var filter = new BsonDocument("jobName", job);
            if (i < EndingSpans.Length)
            {
                var from = (DateTimeOffset.UtcNow - EndingSpans[i]).ToUnixTimeMilliseconds();
                filter.Add("startTime", new BsonDocument("$gte", from));
            }

            found = await Database.FindAsync("log", filter, LatestFirst, each, fields: EndingOnly);
        }

        return [.. found.Select(EndingOf)];
    }

    private static EndedRun EndingOf(BsonDocument document) =>
        EndedRun.Of(RunDocument.Read(document)) with { LastLine = document.Text("lastLine") };

    /// <param name="documents">Read without their outputs unless <paramref name="withOutput"/>.</param>
    private async Task<IReadOnlyList<RunRecord>> ReadAsync(List<BsonDocument> documents, bool withOutput)
    {
        // Records of older versions, and the original's, have no last line: that of their outputs is read.
        var older = documents.Where(document => !withOutput && HasNoLastLine(document)).ToDictionary(document => document["_id"]);
        if (older.Count > 0)
        {
            var ids = new BsonDocument("_id", new BsonDocument("$in", new BsonArray(older.Keys)));
            var outputs = new BsonDocument { { "output", 1 }, { "content", 1 } };
            (await Database.FindAsync("log", ids, sort: null, fields: outputs)).ForEach(found => older[found["_id"]].Merge(found));
        }

        return [.. documents.Select(document => ListedRecord.Of(RunDocument.Read(document), withOutput)).OfType<RunRecord>()];
    }

    private static bool HasNoLastLine(BsonDocument document) =>
        document.Text("lastLine").Length == 0 && (!document.Contains("lastLine") || document.Long("outputBytes") > 0);

    private async Task<List<BsonDocument>> AggregateAsync(BsonArray pipeline)
    {
        var answer = await Database.CommandAsync(new BsonDocument
        {
            { "aggregate", "log" },
            { "pipeline", pipeline },
            { "cursor", new BsonDocument("batchSize", GroupsMax) },
        });
        return [.. answer["cursor"]["firstBatch"].AsBsonArray.Select(found => found.AsBsonDocument)];
    }

    /// <summary>The latest documents that match.</summary>
    /// <remarks>
    /// Not every server with this protocol takes a list's order from an index: some sort all matches. So growing spans of time are
    /// searched, back from where the page begins; most pages lie in the first or the second span.
    /// </remarks>
    private async Task<List<BsonDocument>> FindLatestAsync(LogQuery query, int limit, BsonDocument fields)
    {
        var begins = query.After is { } after
            ? DateTimeOffset.FromUnixTimeMilliseconds(after.StartTime)
            : query.Until ?? DateTimeOffset.UtcNow;
        for (var span = FirstSpan; ; span *= SpanGrowth)
        {
            var isWhole = span > LongestSpan || begins.UtcTicks < span.Ticks || begins - span <= query.From;
            var found = await Database.FindAsync(
                "log",
                MongoConditions.Of(isWhole ? query : query with { From = begins - span }),
                LatestFirst,
                limit,
                fields: fields);
            if (found.Count == limit || isWhole)
            {
                return found;
            }
        }
    }
}
