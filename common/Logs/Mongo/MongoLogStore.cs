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
/// by one that says lost.</para>
/// <para>New documents are counted after that, once a second for all of it, for a batch has records of many jobs, and each job's count is a document of its own. A worker
/// that dies leaves at most that second uncounted; one whose connection breaks before the answer comes may count it twice.</para>
/// </remarks>
public sealed partial class MongoLogStore : ILogStore
{
    private const string Database = "cron";
    private const int DuplicateKey = 11000;
    private const int SpanGrowth = 2;
    private const int LanesFrom = 200; // Records in a batch; below it two requests cost more than they save.

    private static readonly TimeSpan BetweenCounts = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan FirstSpan = TimeSpan.FromMinutes(1);
    private static readonly TimeSpan LongestSpan = TimeSpan.FromDays(1000);

    private static readonly (string Collection, (string Name, Action<BsonWriter> Keys, bool Expires)[] Indexes)[] Indexes =
    [
        ("log", [
            ("dts_job", keys => keys.Int("jobName", 1).Int("startTime", -1).Int("_id", -1), false),
            ("dts_start", keys => keys.Int("startTime", -1).Int("_id", -1), false),
            ("dts_status", keys => keys.Int("status", 1).Int("startTime", -1).Int("_id", -1), false),
            ("dts_plan", keys => keys.Int("jobName", 1).Int("planTime", 1), false),
            ("dts_expire", keys => keys.Int("expireAt", 1), true)]),
        ("output", [
            ("dts_run", keys => keys.Int("run", 1).Int("offset", 1), false),
            ("dts_expire", keys => keys.Int("expireAt", 1), true)]),
        ("stats", [("dts_job", keys => keys.Int("jobName", 1).Int("day", 1), false)]),
    ];

    private readonly nint _pool;
    private readonly string _where;
    private readonly string _writeConcern;
    private readonly ILogger _log;
    private readonly Lock _gate = new();
    private readonly CancellationTokenSource _end = new();
    private Dictionary<(string Job, DateOnly Day), Dictionary<string, long>> _uncounted = [];
    private Task? _counting; // Null = nothing is to be counted.
    private Task? _indexing;
    private int _disposed;

    /// <summary>Connects when it is first needed.</summary>
    /// <exception cref="FormatException">The text is no MongoDB URI, or the driver is missing; the message says what is wrong.</exception>
    public MongoLogStore(string uri, TimeSpan connectTimeout, ILogger log)
    {
        _log = log;
        try
        {
            LibMongoc.Initialize();
        }
        catch (DllNotFoundException missing)
        {
            throw new FormatException((missing.InnerException ?? missing).Message);
        }

        _pool = LibMongoc.OpenPool(WithTimeouts(uri, connectTimeout), "dts", out var error);
        if (_pool == 0)
        {
            throw new FormatException(error);
        }

        _where = $"MongoDB at {HostsOf(uri)}";
        _writeConcern = WriteConcernPattern().Match(uri) is { Success: true } match ? match.Groups[1].Value : "majority";
    }

    public Task WriteAsync(IReadOnlyList<RunRecord> records, CancellationToken cancel)
    {
        // The last writing of each counts; two of one id in a batch would disturb each other.
        var latest = records.GroupBy(record => record.Id).Select(same => same.LastOrDefault(record => record.Status != RunStatus.Lost) ?? same.Last()).ToList();
        var half = latest.Count / 2;
        return latest.Count < LanesFrom
            ? RunAsync(() => Write(latest))
            : Task.WhenAll(RunAsync(() => Write(latest[..half])), RunAsync(() => Write(latest[half..])));
    }

    /// <summary>Only inserts: what a benchmark holds the writing against.</summary>
    internal Task InsertBareAsync(IReadOnlyList<RunRecord> records) => RunAsync(() => Insert("log", records.Count, (documents, i) => RunDocument.Write(documents, records[i])));

    public Task WriteOutputAsync(IReadOnlyList<OutputChunk> chunks, CancellationToken cancel) => RunAsync(() => Insert("output", chunks.Count, (documents, i) => documents.Document(chunk => chunk
        .Text("_id", string.Create(CultureInfo.InvariantCulture, $"{chunks[i].Run}:{chunks[i].Offset:D12}"))
        .Text("run", chunks[i].Run)
        .Long("offset", chunks[i].Offset)
        .Bytes("data", chunks[i].Data.Span)
        .Date("expireAt", chunks[i].ExpireAt))));

    public Task<IReadOnlyList<OutputChunk>> ReadOutputAsync(string run, long offset, int bytesMax, CancellationToken cancel) => RunAsync(() =>
    {
        // The chunk that the offset lies in begins at it or before.
        var first = Find("output", filter => filter.Text("run", run).Document("offset", at => at.Long("$lte", offset)), sort => sort.Int("run", 1).Int("offset", -1), limit: 1);
        var from = first.Count > 0 ? first[0]["offset"].AsLong : offset;
        var most = Math.Max(1, bytesMax / OutputBytesUsual) + 1;
        var chunks = Find("output", filter => filter.Text("run", run).Document("offset", at => at.Long("$gte", from)), sort => sort.Int("run", 1).Int("offset", 1), limit: most)
            .Select(chunk => new OutputChunk(run, chunk["offset"].AsLong, chunk["data"].AsBytes, default));
        return OutputChunk.Join(chunks, offset);
    });

    public Task<RunRecord?> FindAsync(string id, CancellationToken cancel) => RunAsync(() =>
        Find("log", filter => filter.Text("_id", id), sort => sort.Int("_id", 1), limit: 1) is [var found] ? RunDocument.Read(found) : null);

    public Task<IReadOnlyList<RunRecord>> ListAsync(JobName job, int skip, int limit, CancellationToken cancel) => RunAsync<IReadOnlyList<RunRecord>>(() =>
        limit == 0 ? [] : [.. Find("log", filter => filter.Text("jobName", job.Value), LatestFirst, limit, skip).Select(RunDocument.Read)]);

    public Task<LogPage> SearchAsync(LogQuery query, CancellationToken cancel) => RunAsync(() =>
        LogPage.Of([.. FindLatest(query).Select(RunDocument.Read)], query.Limit));

    public Task<IReadOnlyList<RunRecord>> ListPlannedAsync(JobName job, DateTimeOffset from, DateTimeOffset until, CancellationToken cancel) => RunAsync<IReadOnlyList<RunRecord>>(() =>
    {
        var (first, end) = (from.ToUnixTimeMilliseconds(), until.ToUnixTimeMilliseconds());
        var planned = Find("log", filter => filter.Text("jobName", job.Value).Document("planTime", at => at.Long("$gte", first).Long("$lt", end)), ByPlanTime, limit: 0);
        var summaries = Find(
            "log",
            filter => filter.Text("jobName", job.Value).Document("planTime", at => at.Long("$gte", end)).Document("missedSince", since => since.Long("$gt", 0).Long("$lt", end)),
            ByPlanTime,
            limit: 0);
        return [.. planned.Concat(summaries).Select(RunDocument.Read)];
    });

    public Task<IReadOnlyList<DayStats>> ListStatsAsync(JobName job, DateOnly from, CancellationToken cancel) => RunAsync<IReadOnlyList<DayStats>>(() =>
        [.. Find("stats", filter => filter.Text("jobName", job.Value).Document("day", day => day.Text("$gte", TextOf(from))), sort => sort.Int("jobName", 1).Int("day", 1), limit: 0)
            .Select(day => new DayStats(
                DateOnly.ParseExact(day["day"].AsText, "yyyy-MM-dd", CultureInfo.InvariantCulture),
                day["n"].Elements.ToDictionary(count => count.Name, count => count.Value.AsLong)))]);

    /// <summary>MongoDB removes what has expired by itself: TTL indexes.</summary>
    public Task<int> RemoveExpiredAsync(DateTimeOffset now, CancellationToken cancel) => Task.FromResult(0);

    /// <summary>Who is asked, without its password.</summary>
    internal string Where => _where;

    /// <summary>Finds out, and changes nothing, why records could not be written (empty = they could), and which indexes are missing.</summary>
    internal (string WhyNotWritable, IReadOnlyList<string> MissingIndexes) Examine()
    {
        Run(new BsonWriter().Int("ping", 1));
        var why = "";
        try
        {
            Update("log", 1, (update, _) => update // Of no document: it takes the right, and does nothing with it.
                .Document("q", filter => filter.Text("_id", "no such record"))
                .Document("u", change => change.Document("$set", set => set.Text("err", ""))));
        }
        catch (LogStoreException failure)
        {
            why = failure.Message;
        }

        return (why, [.. Indexes.SelectMany(collection => MissingOf(collection.Collection, collection.Indexes))]);
    }

    public void Dispose()
    {
        if (Interlocked.Exchange(ref _disposed, 1) == 0)
        {
            Task? counting;
            _end.Cancel();
            lock (_gate)
            {
                counting = _counting;
            }

            counting?.GetAwaiter().GetResult(); // They use the pool, and catch what they meet.
            _indexing?.GetAwaiter().GetResult();
            _end.Dispose();
            LibMongoc.ClosePool(_pool);
        }
    }

    private const int OutputBytesUsual = 64 << 10;

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
            var isWhole = span > LongestSpan || begins - span <= query.From;
            var found = Find("log", filter => WriteFilter(filter, isWhole ? query : query with { From = begins - span }), LatestFirst, query.Limit + 1);
            if (found.Count > query.Limit || isWhole)
            {
                return found;
            }
        }
    }

    private static string TextOf(DateOnly day) => day.ToString("yyyy-MM-dd", CultureInfo.InvariantCulture);

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

    private int Write(List<RunRecord> records)
    {
        var duplicates = Insert("log", records.Count, (documents, i) => RunDocument.Write(documents, records[i]));
        CountSoon(records.Where((_, i) => !duplicates.Contains(i))); // Before anything else can fail: at the next try they are no new ones.
        Replace([.. duplicates.Select(i => records[i]).Where(record => record.Status != RunStatus.Lost)]);
        return records.Count;
    }

    /// <summary>Inserts documents and returns the places of those that were there already.</summary>
    private HashSet<int> Insert(string collection, int count, Action<BsonWriter, int> write)
    {
        if (count == 0)
        {
            return [];
        }

        var command = new BsonWriter().Text("insert", collection).Bool("ordered", false);
        WriteConcern(command).Array("documents", documents =>
        {
            for (var i = 0; i < count; i++)
            {
                write(documents, i);
            }
        });
        var duplicates = new HashSet<int>();
        foreach (var (_, error) in RunWrite(command)["writeErrors"].Elements)
        {
            if (error["code"].AsLong != DuplicateKey)
            {
                throw Unavailable($"a document is refused: {error["errmsg"].AsText}");
            }

            duplicates.Add((int)error["index"].AsLong);
        }

        return duplicates;
    }

    private void Replace(List<RunRecord> records)
    {
        if (records.Count > 0)
        {
            Update("log", records.Count, (update, i) => update
                .Document("q", filter => filter.Text("_id", records[i].Id))
                .Document("u", document => RunDocument.WriteFields(document, records[i])));
        }
    }

    private void CountSoon(IEnumerable<RunRecord> records)
    {
        lock (_gate)
        {
            foreach (var record in records)
            {
                Add(_uncounted, (record.JobName, DayStats.DayOf(record)), DayStats.Of(record));
            }

            _counting ??= CountAsync();
        }
    }

    /// <summary>Counts at once, then what has come up within each second, until there is nothing more. When told to end it tries once more.</summary>
    private async Task CountAsync()
    {
        await Task.Yield();
        for (var failures = 0; ; await Task.Delay(BetweenCounts, _end.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing))
        {
            var isLast = _end.IsCancellationRequested;
            try
            {
                await RunAsync(Count);
                failures = 0;
            }
            catch (LogStoreException failure)
            {
                if (++failures == 1)
                {
                    _log.CountsWait(failure.Message);
                }
            }

            lock (_gate)
            {
                if (isLast || _uncounted.Count == 0)
                {
                    _counting = null;
                    return;
                }
            }
        }
    }

    private static void Add(Dictionary<(string Job, DateOnly Day), Dictionary<string, long>> days, (string Job, DateOnly Day) day, IEnumerable<(string Key, long Count)> counts)
    {
        var sums = days.TryGetValue(day, out var there) ? there : days[day] = [];
        foreach (var (key, count) in counts)
        {
            var sum = sums.GetValueOrDefault(key);
            sums[key] = key == DayStats.Longest ? Math.Max(sum, count) : sum + count;
        }
    }

    private int Count()
    {
        Dictionary<(string Job, DateOnly Day), Dictionary<string, long>> uncounted;
        lock (_gate)
        {
            (uncounted, _uncounted) = (_uncounted, []);
        }

        // In order, so that two writers, of a server that keeps what a command has changed locked until its end, never wait for each other.
        var days = uncounted.OrderBy(day => day.Key.Job, StringComparer.Ordinal).ThenBy(day => day.Key.Day).ToList();
        if (days.Count == 0)
        {
            return 0;
        }

        try
        {
            Update("stats", days.Count, (update, i) =>
            {
                var ((job, date), counts) = days[i];
                var day = TextOf(date);
                update.Document("q", filter => filter.Text("_id", $"{job}/{day}"));
                update.Document("u", change =>
                {
                    change.Document("$set", set => set.Text("jobName", job).Text("day", day));
                    change.Document("$inc", add => counts.Where(count => count.Key != DayStats.Longest).ToList().ForEach(count => add.Long($"n.{count.Key}", count.Value)));
                    if (counts.TryGetValue(DayStats.Longest, out var longest))
                    {
                        change.Document("$max", most => most.Long($"n.{DayStats.Longest}", longest));
                    }
                });
                update.Bool("upsert", true);
            });
            return days.Count;
        }
        catch (LogStoreException)
        {
            lock (_gate)
            {
                days.ForEach(day => Add(_uncounted, day.Key, day.Value.Select(count => (count.Key, count.Value))));
            }

            throw;
        }
    }

    private void Update(string collection, int count, Action<BsonWriter, int> write)
    {
        var command = new BsonWriter().Text("update", collection).Bool("ordered", false);
        WriteConcern(command).Array("updates", updates =>
        {
            for (var i = 0; i < count; i++)
            {
                updates.Document(update => write(update, i));
            }
        });
        if (RunWrite(command)["writeErrors"].Elements.Select(error => error.Value["errmsg"].AsText).FirstOrDefault() is { } refused)
        {
            throw Unavailable($"an update is refused: {refused}");
        }
    }

    private BsonWriter WriteConcern(BsonWriter command) => command.Document("writeConcern", concern => _ = int.TryParse(_writeConcern, CultureInfo.InvariantCulture, out var nodes)
        ? concern.Int("w", nodes)
        : concern.Text("w", _writeConcern));

    /// <param name="limit">0 = all.</param>
    private List<BsonValue> Find(string collection, Action<BsonWriter> filter, Action<BsonWriter> sort, int limit, int skip = 0)
    {
        var command = new BsonWriter().Text("find", collection).Document("filter", filter).Document("sort", sort).Int("limit", limit);
        command = skip > 0 ? command.Int("skip", skip) : command;
        var cursor = Read((limit > 0 ? command.Int("batchSize", limit) : command).ToArray())["cursor"];
        var found = cursor["firstBatch"].Elements.Select(element => element.Value).ToList();
        for (var id = cursor["id"].AsLong; id != 0 && (limit == 0 || found.Count < limit);)
        {
            cursor = Run(new BsonWriter().Long("getMore", id).Text("collection", collection))["cursor"];
            found.AddRange(cursor["nextBatch"].Elements.Select(element => element.Value));
            id = cursor["id"].AsLong;
        }

        return found;
    }

    /// <summary>A write that is not on as many members as was asked for is no success: a primary that steps down would take it along.</summary>
    private BsonValue RunWrite(BsonWriter command)
    {
        var answer = Run(command);
        return answer["writeConcernError"].Elements.Any()
            ? throw Unavailable($"the write concern is not met: {answer["writeConcernError"]["errmsg"].AsText}")
            : answer;
    }

    private BsonValue Run(BsonWriter command) => Run(command.ToArray());

    private BsonValue Run(byte[] command) => LibMongoc.RunCommand(_pool, Database, command, out var error) is { } answer ? BsonValue.Of(answer) : throw Unavailable(error);

    /// <summary>A question that fails is asked once more: by then the pool has noticed that its connection was broken by a restart of the server.</summary>
    private BsonValue Read(byte[] command)
    {
        try
        {
            return Run(command);
        }
        catch (LogStoreException)
        {
            return Run(command);
        }
    }

    private LogStoreException Unavailable(string why) => new($"{_where}: {why}", new IOException(why));

    /// <summary>The driver's calls block: each runs on a thread of its own, for the pool has few, and starts wait for those. With the first one the indexes are made, in the background.</summary>
    private Task<T> RunAsync<T>(Func<T> call)
    {
        lock (_gate)
        {
            _indexing ??= Task.Run(MakeIndexes);
        }

        return Task.Factory.StartNew(call, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
    }

    private void MakeIndexes()
    {
        try
        {
            foreach (var (collection, indexes) in Indexes)
            {
                MakeIndexes(collection, indexes);
            }
        }
        catch (LogStoreException failure)
        {
            lock (_gate)
            {
                _indexing = null; // Tried again with the next call.
            }

            _log.IndexesMissing(failure.Message);
        }
    }

    private void MakeIndexes(string collection, (string Name, Action<BsonWriter> Keys, bool Expires)[] indexes)
    {
        // A command on a collection that does not exist is refused by some servers.
        LibMongoc.RunCommand(_pool, Database, new BsonWriter().Text("create", collection).ToArray(), out _);
        var command = new BsonWriter().Text("createIndexes", collection).Array("indexes", all =>
        {
            foreach (var (name, keys, expires) in indexes)
            {
                all.Document(index =>
                {
                    index.Text("name", name).Document("key", keys);
                    if (expires)
                    {
                        index.Int("expireAfterSeconds", 0);
                    }
                });
            }
        });
        _ = Run(command);
    }

    private IEnumerable<string> MissingOf(string collection, (string Name, Action<BsonWriter> Keys, bool Expires)[] indexes)
    {
        // A collection that is not there yet is refused, and has none.
        var answer = LibMongoc.RunCommand(_pool, Database, new BsonWriter().Text("listIndexes", collection).ToArray(), out _);
        var there = answer is null ? [] : BsonValue.Of(answer)["cursor"]["firstBatch"].Elements.Select(index => index.Value["name"].AsText).ToHashSet();
        return indexes.Where(index => !there.Contains(index.Name)).Select(index => $"{collection}.{index.Name}");
    }

    private static string WithTimeouts(string uri, TimeSpan timeout)
    {
        var ms = ((long)timeout.TotalMilliseconds).ToString(CultureInfo.InvariantCulture);
        foreach (var option in new[] { "connectTimeoutMS", "serverSelectionTimeoutMS" })
        {
            if (!uri.Contains($"{option}=", StringComparison.OrdinalIgnoreCase))
            {
                uri += (uri.Contains('?') ? "&" : uri.LastIndexOf('/') > uri.IndexOf("://", StringComparison.Ordinal) + 2 ? "?" : "/?") + $"{option}={ms}";
            }
        }

        return uri;
    }

    /// <summary>What may be shown of a URI: neither user nor password.</summary>
    private static string HostsOf(string uri) => HostsPattern().Match(uri) is { Success: true } match ? match.Groups[1].Value : "an unknown host";

    [GeneratedRegex(@"^mongodb(?:\+srv)?://(?:[^@/]*@)?([^/?]+)")]
    private static partial Regex HostsPattern();

    [GeneratedRegex(@"[?&]w=([^&]+)")]
    private static partial Regex WriteConcernPattern();
}
