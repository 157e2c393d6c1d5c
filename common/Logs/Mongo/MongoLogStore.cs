using System.Globalization;
using System.Text.RegularExpressions;
using Dts.Common.Hosting;
using Dts.Common.Jobs;
using Microsoft.Extensions.Logging;
using MongoDB.Bson;
using MongoDB.Bson.IO;
using MongoDB.Driver;

namespace Dts.Common.Logs.Mongo;

/// <summary>
/// The log in MongoDB: collections <c>log</c> (a document a run), <c>output</c> (chunks) and <c>stats</c> (a document a job and day) of
/// database <c>cron</c>.
/// </summary>
/// <remarks>
/// <para>Thread-safe. The first eight fields of a document in <c>log</c> are the original's, with its names and types. An older shape,
/// whose times stand in seconds in <c>timePoint</c> and whose output is <c>content</c>, is read, too.</para>
/// <para>Batches are unordered inserts with our own <c>_id</c>, so writing twice does nothing; a document that is there already is replaced
/// by a later writing, never by one that says lost. New documents are counted after that, see <see cref="MongoCounts"/>.</para>
/// </remarks>
public sealed class MongoLogStore : ILogStore
{
    private const int SpanGrowth = 2;
    private const int LanesFrom = 200; // Records in a batch; below it two requests cost more than they save.
    private const int ChunkBytesUsual = 64 << 10;
    private const int ChunksMax = 1000;

    private static readonly BsonDocument LatestFirst = new() { { "startTime", -1 }, { "_id", -1 } };
    private static readonly TimeSpan FirstSpan = TimeSpan.FromMinutes(1);
    private static readonly TimeSpan LongestSpan = TimeSpan.FromDays(1000);

    private readonly MongoDatabase _database;
    private readonly MongoCounts _counts;
    private readonly ILogger _log;
    private readonly Lock _gate = new();
    private Task? _indexing;
    private bool _isIndexingLogged;
    private int _disposed;

    /// <summary>Connects when it is first needed.</summary>
    /// <exception cref="FormatException">The text is no MongoDB URI; the message says what is wrong.</exception>
    public MongoLogStore(string uri, TimeSpan connectTimeout, ILogger log)
    {
        _database = new MongoDatabase(uri, connectTimeout);
        _counts = new MongoCounts(_database, log);
        _log = log;
    }

    public async Task<IReadOnlyList<Refused<RunRecord>>> WriteAsync(IReadOnlyList<RunRecord> records, CancellationToken cancel)
    {
        // The last writing of each counts; two of one id in a batch would disturb each other.
        var latest = records
            .GroupBy(record => record.Id)
            .Select(same => same.LastOrDefault(record => record.Status != RunStatus.Lost) ?? same.Last())
            .ToList();
        if (latest.Count < LanesFrom)
        {
            return await RunAsync(() => WriteAsync(latest));
        }

        var half = latest.Count / 2;
        var refused = await Task.WhenAll(RunAsync(() => WriteAsync(latest[..half])), RunAsync(() => WriteAsync(latest[half..])));
        return [.. refused.SelectMany(ofLane => ofLane)];
    }

    public Task<IReadOnlyList<Refused<OutputChunk>>> WriteOutputAsync(
        IReadOnlyList<OutputChunk> chunks, CancellationToken cancel) => RunAsync<IReadOnlyList<Refused<OutputChunk>>>(async () =>
    {
        List<Refused<OutputChunk>> refused = [];
        string? failure = null;
        await foreach (var inserted in _database.InsertAsync("output", chunks.Select(DocumentOf)))
        {
            refused.AddRange(inserted.Refused.Select(error => new Refused<OutputChunk>(chunks[error.Index], error.Reason)));
            failure ??= inserted.Failure;
        }

        return failure is null ? refused : throw Failed(failure);
    });

    public Task<IReadOnlyList<OutputChunk>> ReadOutputAsync(
        string run, long offset, int bytesMax, CancellationToken cancel) => RunAsync(async () =>
    {
        // The chunk that the offset lies in begins at it or before.
        var filter = new BsonDocument { { "run", run }, { "offset", new BsonDocument("$lte", offset) } };
        var first = await _database.FindAsync("output", filter, new BsonDocument { { "run", 1 }, { "offset", -1 } }, limit: 1);
        var from = first.Count > 0 ? first[0].Long("offset") : offset;
        var most = Math.Max(1, bytesMax / ChunkBytesUsual) + 1;
        var chunks = await FindChunksAsync(run, from, most);
        var bytes = chunks.Sum(chunk => chunk.Data.Length);
        if (chunks.Count == most && bytes < bytesMax)
        {
            // They are small, so there are many.
            chunks = await FindChunksAsync(run, from, (int)Math.Min((long)most * bytesMax / Math.Max(1, bytes), ChunksMax));
        }

        return OutputChunk.Join(chunks, offset);
    });

    public Task<RunRecord?> FindAsync(string id, CancellationToken cancel) => RunAsync(async () =>
        await _database.FindAsync("log", new BsonDocument("_id", id), sort: null, limit: 1) is [var found]
            ? RunDocument.Read(found)
            : null);

    public Task<IReadOnlyList<RunRecord>> ListAsync(
        JobName job, int skip, int limit, CancellationToken cancel) => RunAsync<IReadOnlyList<RunRecord>>(async () =>
    {
        if (limit == 0)
        {
            return [];
        }

        var found = await _database.FindAsync("log", new BsonDocument("jobName", job.Value), LatestFirst, limit, skip);
        return [.. found.Select(RunDocument.Read)];
    });

    public Task<LogPage> SearchAsync(LogQuery query, CancellationToken cancel) => RunAsync(async () =>
        LogPage.Of([.. (await FindLatestAsync(query)).Select(RunDocument.Read)], query.Limit));

    public Task<IReadOnlyList<RunRecord>> ListPlannedAsync(
        JobName job, DateTimeOffset from, DateTimeOffset until, CancellationToken cancel) => RunAsync<IReadOnlyList<RunRecord>>(async () =>
    {
        var (first, end) = (from.ToUnixTimeMilliseconds(), until.ToUnixTimeMilliseconds());
        var byPlanTime = new BsonDocument("planTime", 1);
        var span = new BsonDocument { { "$gte", first }, { "$lt", end } };
        var planned = await _database.FindAsync(
            "log", new BsonDocument { { "jobName", job.Value }, { "planTime", span } }, byPlanTime);
        var reachingIn = new BsonDocument
        {
            { "jobName", job.Value },
            { "planTime", new BsonDocument("$gte", end) },
            { "missedSince", new BsonDocument { { "$gt", 0L }, { "$lt", end } } },
        };
        return [.. planned.Concat(await _database.FindAsync("log", reachingIn, byPlanTime)).Select(RunDocument.Read)];
    });

    public Task<IReadOnlyList<DayStats>> ListStatsAsync(
        JobName job, DateOnly from, CancellationToken cancel) => RunAsync<IReadOnlyList<DayStats>>(async () =>
    {
        var filter = new BsonDocument { { "jobName", job.Value }, { "day", new BsonDocument("$gte", TextOf(from)) } };
        var days = await _database.FindAsync("stats", filter, new BsonDocument { { "jobName", 1 }, { "day", 1 } });
        return [.. days.Select(day => new DayStats(
            DateOnly.ParseExact(day.Text("day"), "yyyy-MM-dd", CultureInfo.InvariantCulture),
            day.GetValue("n", null) is BsonDocument counts ? counts.Names.ToDictionary(key => key, counts.Long) : []))];
    });

    /// <summary>MongoDB removes what has expired by itself: TTL indexes.</summary>
    public Task<int> RemoveExpiredAsync(DateTimeOffset now, CancellationToken cancel) => Task.FromResult(0);

    /// <summary>Who is asked, without its password.</summary>
    internal string Where => _database.Where;

    /// <summary>
    /// Finds out, and changes nothing, why records could not be written (empty = they could), and which indexes are missing.
    /// </summary>
    internal (string WhyNotWritable, IReadOnlyList<string> MissingIndexes) Examine()
    {
        _database.RunAsync(() => _database.CommandAsync(new BsonDocument("ping", 1))).GetAwaiter().GetResult();
        var why = "";
        try
        {
            // Of no document: it takes the right, and does nothing with it.
            var update = new UpdateOneModel<RawBsonDocument>(
                new BsonDocument("_id", "no such record"), new BsonDocument("$set", new BsonDocument("err", "")));
            _database.RunAsync(() => _database.UpdateAsync("log", [update], _ => 0)).GetAwaiter().GetResult();
        }
        catch (LogStoreException failure)
        {
            why = failure.Message;
        }

        return (why, _database.RunAsync(() => MongoIndexes.FindMissingAsync(_database)).GetAwaiter().GetResult());
    }

    public void Dispose()
    {
        if (Interlocked.Exchange(ref _disposed, 1) == 0)
        {
            _counts.Dispose();
            _database.Dispose();
        }
    }

    /// <summary>The latest documents that fit, and one more than were asked for.</summary>
    /// <remarks>
    /// Not every server that speaks this protocol takes a list's order from an index: some sort all that fits. So it is asked for in spans
    /// of time that grow, back from where the page begins; most pages lie in the first or the second.
    /// </remarks>
    private async Task<List<BsonDocument>> FindLatestAsync(LogQuery query)
    {
        var begins = query.After is { } after
            ? DateTimeOffset.FromUnixTimeMilliseconds(after.StartTime)
            : query.Until ?? DateTimeOffset.UtcNow;
        for (var span = FirstSpan; ; span *= SpanGrowth)
        {
            var isWhole = span > LongestSpan || begins.UtcTicks < span.Ticks || begins - span <= query.From;
            var found = await _database.FindAsync(
                "log", FilterOf(isWhole ? query : query with { From = begins - span }), LatestFirst, query.Limit + 1);
            if (found.Count > query.Limit || isWhole)
            {
                return found;
            }
        }
    }

    internal static string TextOf(DateOnly day) => day.ToString("yyyy-MM-dd", CultureInfo.InvariantCulture);

    private static BsonDocument FilterOf(LogQuery query)
    {
        var filter = new BsonDocument();
        (string Field, string? Value)[] asked =
        [
            ("jobName", query.Job), ("status", query.Status?.Word()), ("worker", query.Worker), ("trigger", query.Trigger),
        ];
        foreach (var (field, value) in asked)
        {
            filter.Add(field, value, value is not null);
        }

        if (query.From is not null || query.Until is not null || query.After is not null)
        {
            var (until, after) = (query.Until?.ToUnixTimeMilliseconds() - 1 ?? long.MaxValue, query.After?.StartTime ?? long.MaxValue);
            filter.Add(
                "startTime",
                new BsonDocument { { "$gte", query.From?.ToUnixTimeMilliseconds() ?? 0 }, { "$lte", Math.Min(until, after) } });
        }

        if (query.After is { } cursor)
        {
            filter.Add("$or", new BsonArray
            {
                new BsonDocument("startTime", new BsonDocument("$lt", cursor.StartTime)),
                new BsonDocument { { "startTime", cursor.StartTime }, { "_id", new BsonDocument("$lt", cursor.Id) } },
            });
        }

        if (query.Text is { } text)
        {
            var matches = new BsonDocument { { "$regex", Regex.Escape(text) }, { "$options", "i" } };
            var either = new BsonArray { new BsonDocument("command", matches), new BsonDocument("err", matches) };
            filter.Add("$and", new BsonArray { new BsonDocument("$or", either) });
        }

        return filter;
    }

    private async Task<List<Refused<RunRecord>>> WriteAsync(List<RunRecord> records)
    {
        List<RunRecord> known = [];
        List<Refused<RunRecord>> refused = [];
        string? failure = null;
        await foreach (var inserted in _database.InsertAsync("log", records.Select(RunDocument.Of)))
        {
            // Before anything else can fail: at the next try they are no new ones.
            _counts.Add([.. inserted.New.Select(i => records[i])], replaced: []);
            known.AddRange(inserted.Known.Select(i => records[i]).Where(record => record.Status != RunStatus.Lost));
            refused.AddRange(inserted.Refused.Select(error => new Refused<RunRecord>(records[error.Index], error.Reason)));
            failure ??= inserted.Failure;
        }

        refused.AddRange(await ReplaceAsync(known));
        return failure is null ? refused : throw Failed(failure);
    }

    private async Task<IReadOnlyList<Refused<RunRecord>>> ReplaceAsync(List<RunRecord> records)
    {
        if (records.Count == 0)
        {
            return [];
        }

        var filter = new BsonDocument
        {
            { "status", RunStatus.Lost.Word() },
            { "_id", new BsonDocument("$in", new BsonArray(records.Select(record => record.Id))) },
        };
        var lost = (await _database.FindAsync("log", filter, sort: null)).Select(RunDocument.Read).ToDictionary(record => record.Id);
        var replacements = records.Select(
            record => new ReplaceOneModel<RawBsonDocument>(new BsonDocument("_id", record.Id), RunDocument.Of(record)));
        var refused = await _database.UpdateAsync("log", replacements, replacement => MongoDatabase.SizeOf(replacement.Replacement));
        var replacing = records.Where((record, i) => lost.ContainsKey(record.Id) && refused.All(error => error.Index != i)).ToList();
        _counts.Add(replacing, replaced: [.. replacing.Select(record => lost[record.Id])]);
        return [.. refused.Select(error => new Refused<RunRecord>(records[error.Index], error.Reason))];
    }

    private async Task<List<OutputChunk>> FindChunksAsync(string run, long from, int most)
    {
        var filter = new BsonDocument { { "run", run }, { "offset", new BsonDocument("$gte", from) } };
        var found = await _database.FindAsync("output", filter, new BsonDocument { { "run", 1 }, { "offset", 1 } }, most);
        return
        [
            .. found.Select(
                chunk => new OutputChunk(
                    run, chunk.Long("offset"), (chunk.GetValue("data", null) as BsonBinaryData)?.Bytes ?? [], default)),
        ];
    }

    private static RawBsonDocument DocumentOf(OutputChunk chunk) => RunDocument.Write(document =>
    {
        document.WriteString("_id", string.Create(CultureInfo.InvariantCulture, $"{chunk.Run}:{chunk.Offset:D12}"));
        document.WriteString("run", chunk.Run);
        document.WriteInt64("offset", chunk.Offset);
        document.WriteBytes("data", chunk.Data.ToArray());
        document.WriteDateTime("expireAt", chunk.ExpireAt.ToUnixTimeMilliseconds());
    });

    private LogStoreException Failed(string why) => _database.Failed($"a document is refused: {why}");

    /// <summary>With the first call the indexes are made, in the background.</summary>
    private Task<T> RunAsync<T>(Func<Task<T>> call)
    {
        lock (_gate)
        {
            _indexing ??= MakeIndexesAsync();
        }

        return _database.RunAsync(call);
    }

    private async Task MakeIndexesAsync()
    {
        try
        {
            await _database.RunAsync(async () =>
            {
                await MongoIndexes.MakeAsync(_database);
                return true;
            });
        }
        catch (LogStoreException failure)
        {
            if (!_isIndexingLogged)
            {
                _isIndexingLogged = true;
                _log.IndexesMissing(failure.Message);
            }

            lock (_gate)
            {
                _indexing = null; // Tried again with the next call.
            }
        }
    }
}
