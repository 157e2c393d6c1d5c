using System.Globalization;
using System.Text.RegularExpressions;
using Dts.Common.Jobs;
using Microsoft.Extensions.Logging;

namespace Dts.Common.Logs.Mongo;

/// <summary>The log in MongoDB: collections <c>log</c> (a document a run), <c>output</c> (chunks) and <c>stats</c> (a document a job and day) of database <c>cron</c>.</summary>
/// <remarks>
/// <para>Thread-safe. The first eight fields of a document in <c>log</c> are the original's, with its names and types. An older shape, whose times stand in seconds
/// in <c>timePoint</c> and whose output is <c>content</c>, is read, too.</para>
/// <para>Batches are unordered inserts with our own <c>_id</c>, so writing twice does nothing; a document that is there already is replaced by a later writing, never
/// by one that says lost. New documents are counted after that, see <see cref="MongoCounts"/>.</para>
/// </remarks>
public sealed class MongoLogStore : ILogStore
{
    private const int SpanGrowth = 2;
    private const int LanesFrom = 200; // Records in a batch; below it two requests cost more than they save.
    private const int ChunkBytesUsual = 64 << 10;
    private const int ChunksMax = 1000;

    private static readonly TimeSpan FirstSpan = TimeSpan.FromMinutes(1);
    private static readonly TimeSpan LongestSpan = TimeSpan.FromDays(1000);

    private readonly MongoDatabase _database;
    private readonly MongoCounts _counts;
    private readonly ILogger _log;
    private readonly Lock _gate = new();
    private Task? _indexing;
    private int _disposed;

    /// <summary>Connects when it is first needed.</summary>
    /// <exception cref="FormatException">The text is no MongoDB URI, or the driver is missing; the message says what is wrong.</exception>
    public MongoLogStore(string uri, TimeSpan connectTimeout, ILogger log)
    {
        _database = new MongoDatabase(uri, connectTimeout);
        _counts = new MongoCounts(_database, log);
        _log = log;
    }

    public async Task<IReadOnlyList<Refused<RunRecord>>> WriteAsync(IReadOnlyList<RunRecord> records, CancellationToken cancel)
    {
        // The last writing of each counts; two of one id in a batch would disturb each other.
        var latest = records.GroupBy(record => record.Id).Select(same => same.LastOrDefault(record => record.Status != RunStatus.Lost) ?? same.Last()).ToList();
        var half = latest.Count / 2;
        return latest.Count < LanesFrom
            ? await RunAsync(() => Write(latest))
            : [.. (await Task.WhenAll(RunAsync(() => Write(latest[..half])), RunAsync(() => Write(latest[half..]))))
                .SelectMany(refused => refused)];
    }

    /// <summary>Only inserts: what a benchmark holds the writing against.</summary>
    internal Task InsertBareAsync(IReadOnlyList<RunRecord> records) => RunAsync(() =>
        _database.Insert("log", records.Count, (documents, i) => RunDocument.Write(documents, records[i]))
            .Sum(inserted => inserted.New.Count));

    public Task<IReadOnlyList<Refused<OutputChunk>>> WriteOutputAsync(
        IReadOnlyList<OutputChunk> chunks, CancellationToken cancel) => RunAsync<IReadOnlyList<Refused<OutputChunk>>>(() =>
    {
        var results = _database.Insert("output", chunks.Count, (documents, i) => documents.Document(chunk => chunk
            .Text("_id", string.Create(CultureInfo.InvariantCulture, $"{chunks[i].Run}:{chunks[i].Offset:D12}"))
            .Text("run", chunks[i].Run)
            .Long("offset", chunks[i].Offset)
            .Bytes("data", chunks[i].Data.Span)
            .Date("expireAt", chunks[i].ExpireAt))).ToList();
        return results.FirstOrDefault(inserted => inserted.Failure is not null) is { Failure: var why }
            ? throw Failed(why!)
            : [.. results.SelectMany(inserted => inserted.Refused)
                .Select(error => new Refused<OutputChunk>(chunks[error.Index], error.Reason))];
    });

    public Task<IReadOnlyList<OutputChunk>> ReadOutputAsync(string run, long offset, int bytesMax, CancellationToken cancel) => RunAsync(() =>
    {
        // The chunk that the offset lies in begins at it or before.
        var first = _database.Find("output", filter => filter.Text("run", run).Document("offset", at => at.Long("$lte", offset)), sort => sort.Int("run", 1).Int("offset", -1), limit: 1);
        var from = first.Count > 0 ? first[0]["offset"].AsLong : offset;
        var most = Math.Max(1, bytesMax / ChunkBytesUsual) + 1;
        var chunks = FindChunks(run, from, most);
        var bytes = chunks.Sum(chunk => chunk.Data.Length);
        if (chunks.Count == most && bytes < bytesMax)
        {
            chunks = FindChunks(run, from, (int)Math.Min((long)most * bytesMax / Math.Max(1, bytes), ChunksMax)); // They are small, so there are many.
        }

        return OutputChunk.Join(chunks, offset);
    });

    public Task<RunRecord?> FindAsync(string id, CancellationToken cancel) => RunAsync(() =>
        _database.Find("log", filter => filter.Text("_id", id), sort => sort.Int("_id", 1), limit: 1) is [var found]
            ? RunDocument.Read(found)
            : null);

    public Task<IReadOnlyList<RunRecord>> ListAsync(JobName job, int skip, int limit, CancellationToken cancel) => RunAsync<IReadOnlyList<RunRecord>>(() =>
        limit == 0
            ? []
            : [.. _database.Find("log", filter => filter.Text("jobName", job.Value), LatestFirst, limit, skip).Select(RunDocument.Read)]);

    public Task<LogPage> SearchAsync(LogQuery query, CancellationToken cancel) => RunAsync(() =>
        LogPage.Of([.. FindLatest(query).Select(RunDocument.Read)], query.Limit));

    public Task<IReadOnlyList<RunRecord>> ListPlannedAsync(JobName job, DateTimeOffset from, DateTimeOffset until, CancellationToken cancel) => RunAsync<IReadOnlyList<RunRecord>>(() =>
    {
        var (first, end) = (from.ToUnixTimeMilliseconds(), until.ToUnixTimeMilliseconds());
        var planned = _database.Find("log", filter => filter.Text("jobName", job.Value).Document("planTime", at => at.Long("$gte", first).Long("$lt", end)), ByPlanTime, limit: 0);
        var summaries = _database.Find(
            "log",
            filter => filter.Text("jobName", job.Value).Document("planTime", at => at.Long("$gte", end)).Document("missedSince", since => since.Long("$gt", 0).Long("$lt", end)),
            ByPlanTime,
            limit: 0);
        return [.. planned.Concat(summaries).Select(RunDocument.Read)];
    });

    public Task<IReadOnlyList<DayStats>> ListStatsAsync(JobName job, DateOnly from, CancellationToken cancel) => RunAsync<IReadOnlyList<DayStats>>(() =>
        [.. _database.Find("stats", filter => filter.Text("jobName", job.Value).Document("day", day => day.Text("$gte", TextOf(from))), sort => sort.Int("jobName", 1).Int("day", 1), limit: 0)
            .Select(day => new DayStats(
                DateOnly.ParseExact(day["day"].AsText, "yyyy-MM-dd", CultureInfo.InvariantCulture),
                day["n"].Elements.ToDictionary(count => count.Name, count => count.Value.AsLong)))]);

    /// <summary>MongoDB removes what has expired by itself: TTL indexes.</summary>
    public Task<int> RemoveExpiredAsync(DateTimeOffset now, CancellationToken cancel) => Task.FromResult(0);

    /// <summary>Who is asked, without its password.</summary>
    internal string Where => _database.Where;

    /// <summary>Finds out, and changes nothing, why records could not be written (empty = they could), and which indexes are missing.</summary>
    internal (string WhyNotWritable, IReadOnlyList<string> MissingIndexes) Examine()
    {
        _database.Run(new BsonWriter().Int("ping", 1));
        var why = "";
        try
        {
            _database.Update("log", 1, (update, _) => update // Of no document: it takes the right, and does nothing with it.
                .Document("q", filter => filter.Text("_id", "no such record"))
                .Document("u", change => change.Document("$set", set => set.Text("err", ""))));
        }
        catch (LogStoreException failure)
        {
            why = failure.Message;
        }

        return (why, [.. MongoIndexes.FindMissing(_database)]);
    }

    public void Dispose()
    {
        if (Interlocked.Exchange(ref _disposed, 1) == 0)
        {
            _counts.Dispose();
            _database.Dispose();
        }
    }

    private static void LatestFirst(BsonWriter sort) => sort.Int("startTime", -1).Int("_id", -1);

    private static void ByPlanTime(BsonWriter sort) => sort.Int("planTime", 1);

    /// <summary>The latest documents that fit, and one more than were asked for.</summary>
    /// <remarks>
    /// Not every server that speaks this protocol takes a list's order from an index: some sort all that fits. So it is asked for in spans of time that grow,
    /// back from where the page begins; most pages lie in the first or the second.
    /// </remarks>
    private List<BsonValue> FindLatest(LogQuery query)
    {
        var begins = query.After is { } after ? DateTimeOffset.FromUnixTimeMilliseconds(after.StartTime) : query.Until ?? DateTimeOffset.UtcNow;
        for (var span = FirstSpan; ; span *= SpanGrowth)
        {
            var isWhole = span > LongestSpan || begins.UtcTicks < span.Ticks || begins - span <= query.From;
            var found = _database.Find("log", filter => WriteFilter(filter, isWhole ? query : query with { From = begins - span }), LatestFirst, query.Limit + 1);
            if (found.Count > query.Limit || isWhole)
            {
                return found;
            }
        }
    }

    internal static string TextOf(DateOnly day) => day.ToString("yyyy-MM-dd", CultureInfo.InvariantCulture);

    private static void WriteFilter(BsonWriter filter, LogQuery query)
    {
        foreach (var (field, value) in new[] { ("jobName", query.Job), ("status", query.Status?.Word()), ("worker", query.Worker), ("trigger", query.Trigger) })
        {
            if (value is not null)
            {
                filter.Text(field, value);
            }
        }

        if (query.From is not null || query.Until is not null || query.After is not null)
        {
            filter.Document("startTime", start =>
            {
                start.Long("$gte", query.From?.ToUnixTimeMilliseconds() ?? 0);
                var (until, after) = (query.Until?.ToUnixTimeMilliseconds() - 1 ?? long.MaxValue, query.After?.StartTime ?? long.MaxValue);
                start.Long("$lte", Math.Min(until, after));
            });
        }

        if (query.After is { } cursor)
        {
            filter.Array("$or", either => either
                .Document(before => before.Document("startTime", start => start.Long("$lt", cursor.StartTime)))
                .Document(same => same.Long("startTime", cursor.StartTime).Document("_id", id => id.Text("$lt", cursor.Id))));
        }

        if (query.Text is { } text)
        {
            void Matches(BsonWriter field) => field.Text("$regex", Regex.Escape(text)).Text("$options", "i");
            filter.Array("$and", all => all.Document(both => both.Array("$or", either => either
                .Document(command => command.Document("command", Matches))
                .Document(err => err.Document("err", Matches)))));
        }
    }

    private List<Refused<RunRecord>> Write(List<RunRecord> records)
    {
        List<RunRecord> known = [];
        List<Refused<RunRecord>> refused = [];
        string? failure = null;
        foreach (var inserted in _database.Insert("log", records.Count, (documents, i) => RunDocument.Write(documents, records[i])))
        {
            _counts.Add([.. inserted.New.Select(i => records[i])], replaced: []); // Before anything else can fail: at the next try they are no new ones.
            known.AddRange(inserted.Known.Select(i => records[i]).Where(record => record.Status != RunStatus.Lost));
            refused.AddRange(inserted.Refused.Select(error => new Refused<RunRecord>(records[error.Index], error.Reason)));
            failure ??= inserted.Failure;
        }

        refused.AddRange(Replace(known));
        return failure is null ? refused : throw Failed(failure);
    }

    private IReadOnlyList<Refused<RunRecord>> Replace(List<RunRecord> records)
    {
        if (records.Count == 0)
        {
            return [];
        }

        var lost = _database.Find("log", filter => filter.Text("status", RunStatus.Lost.Word()).Document("_id", id => id.Array("$in", ids => records.ForEach(record => ids.Text(record.Id)))), sort => sort.Int("_id", 1), limit: 0)
            .Select(RunDocument.Read).ToDictionary(record => record.Id);
        var refused = _database.Update("log", records.Count, (update, i) => update
            .Document("q", filter => filter.Text("_id", records[i].Id))
            .Document("u", document => RunDocument.WriteFields(document, records[i])));
        var replacing = records.Where((record, i) => lost.ContainsKey(record.Id) && refused.All(error => error.Index != i)).ToList();
        _counts.Add(replacing, replaced: [.. replacing.Select(record => lost[record.Id])]);
        return [.. refused.Select(error => new Refused<RunRecord>(records[error.Index], error.Reason))];
    }

    private List<OutputChunk> FindChunks(string run, long from, int most) =>
        [.. _database.Find("output", filter => filter.Text("run", run).Document("offset", at => at.Long("$gte", from)), sort => sort.Int("run", 1).Int("offset", 1), limit: most)
            .Select(chunk => new OutputChunk(run, chunk["offset"].AsLong, chunk["data"].AsBytes, default))];

    private LogStoreException Failed(string why) => _database.Failed($"a document is refused: {why}");

    /// <summary>With the first call the indexes are made, in the background.</summary>
    private Task<T> RunAsync<T>(Func<T> call)
    {
        lock (_gate)
        {
            _indexing ??= _database.RunAsync(MakeIndexes);
        }

        return _database.RunAsync(call); // The call cannot be cancelled, so the task ends when its thread does.
    }

    private bool MakeIndexes()
    {
        try
        {
            MongoIndexes.Make(_database);
            return true;
        }
        catch (LogStoreException failure)
        {
            lock (_gate)
            {
                _indexing = null; // Tried again with the next call.
            }

            _log.IndexesMissing(failure.Message);
            return false;
        }
    }
}
