using System.Diagnostics;
using System.Globalization;
using Dts.Common.Jobs;
using Dts.Common.Logs;
using Dts.Master.Logs;
using Dts.Tests.Support;
using Dts.Worker.Logs;
using Dts.Worker.Records;
using Microsoft.Extensions.Logging.Abstractions;
using MongoDB.Bson;
using MongoDB.Driver;

namespace Dts.Bench;

/// <summary>
/// How quick the log is: writing, draining, and lists and statistics when it has grown. <c>make bench ARGS="log 10000000"</c>
/// </summary>
internal static class LogFigures
{
    private const int Jobs = 1000;
    private const int BatchSize = 1000;
    private const int Questions = 300;
    private const int WritingRounds = 5;
    private const int WritingRecords = 100_000; // In a round.
    private const int PageSize = 50;

    private static readonly int[] WritingSizes = [100, 1000, 5000];

    private static DateTimeOffset _first = DateTimeOffset.UtcNow.AddDays(-1); // Set so that the last of the records are of now.

    /// <param name="only">sqlite or documents: how that one is when it has grown, and nothing else; null = all.</param>
    public static async Task RunAsync(long rows, string? only)
    {
        _first = DateTimeOffset.FromUnixTimeSeconds(DateTimeOffset.UtcNow.ToUnixTimeSeconds() - (rows / 10));
        var folder = Directory.CreateTempSubdirectory("dts-bench-log-");
        await using var server = new DocumentServer { BuildsIndexes = true };
        await server.InitializeAsync();
        try
        {
            Console.WriteLine(
                $"{Environment.ProcessorCount} cores, {DateTimeOffset.UtcNow:yyyy-MM-dd HH:mm} UTC, document database: {server.Kind}, "
                    + $"{rows:N0} records\n");
            using var sqlite = new SqliteLogStore(Path.Combine(folder.FullName, "log.db"));
            using var mongo = new MongoLogStore(server.Uri, TimeSpan.FromSeconds(30), NullLogger.Instance);
            if (only is null)
            {
                await WritingAsync(server.Uri, WritingSizes);
                await DrainAsync(folder.FullName, "SQLite", sqlite);
                await DrainAsync(folder.FullName, server.Kind, mongo);
            }

            Console.WriteLine(
                "\n| store | records | written, a second | first page p50 / p99, ms | page 1,000 | of one job | failed ones "
                    + "| statistics of 30 days |\n|---|--:|--:|--:|--:|--:|--:|--:|");
            if (only is null or "sqlite")
            {
                await GrownAsync("SQLite", sqlite, rows);
            }

            if (only is null or "documents")
            {
                await GrownAsync(server.Kind, mongo, rows);
            }
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    /// <summary>The writing alone, which is quickly asked. <c>make bench ARGS="log-writing 1000 5000"</c></summary>
    /// <param name="sizes">Of the batches; empty = the usual ones.</param>
    public static async Task WriteAsync(int[] sizes)
    {
        await using var server = new DocumentServer { BuildsIndexes = true };
        await server.InitializeAsync();
        await WritingAsync(server.Uri, sizes is [] ? WritingSizes : sizes);
    }

    /// <summary>What the store's writing, counts and all, reaches of the bare insert of the same documents by the same driver.</summary>
    /// <remarks>Medians of rounds in which the ways take turns, so that other load falls on all alike; a ratio is of one round.</remarks>
    private static async Task WritingAsync(string uri, int[] sizes)
    {
        using (var mongo = new MongoLogStore(uri, TimeSpan.FromSeconds(30), NullLogger.Instance))
        {
            await mongo.WriteAsync(Batch(-1, 1), CancellationToken.None);
            await Patience.Until(() => mongo.FindMissingIndexesAsync().Result.Count == 0, () => "indexes are not there");
        }

        using var client = new MongoClient(uri);
        var bare = client.GetDatabase("cron").GetCollection<RawBsonDocument>("log").WithWriteConcern(WriteConcern.WMajority);
        var unordered = new InsertManyOptions { IsOrdered = false };
        var offset = 0L;
        Console.WriteLine(
            "| batch | bare insert, records a second | by two connections | store | ratio to the bare one | to the better |\n"
                + "|--:|--:|--:|--:|--:|--:|");
        foreach (var size in sizes)
        {
            Func<MongoLogStore, List<RunRecord>, Task>[] ways =
            [
                (_, batch) => bare.InsertManyAsync(Documents(batch), unordered),
                (_, batch) => Task.WhenAll(
                    bare.InsertManyAsync(Documents(batch[..(size / 2)]), unordered),
                    bare.InsertManyAsync(Documents(batch[(size / 2)..]), unordered)),
                (mongo, batch) => mongo.WriteAsync(batch, CancellationToken.None),
            ];
            var rates = new List<double[]>();
            for (var round = 0; round < WritingRounds; round++)
            {
                rates.Add(new double[ways.Length]);
                for (var way = 0; way < ways.Length; way++, offset += WritingRecords)
                {
                    List<List<RunRecord>> batches =
                    [
                        .. Enumerable.Range(0, WritingRecords / size).Select(n => Batch(offset + (n * size), size)),
                    ];
                    rates[round][way] = await RateAsync(WritingRecords, async () =>
                    {
                        // Its end is when all is counted.
                        using var mongo = new MongoLogStore(uri, TimeSpan.FromSeconds(30), NullLogger.Instance);
                        foreach (var batch in batches)
                        {
                            await ways[way](mongo, batch);
                        }
                    });
                }

                Console.Error.WriteLine(Invariant(
                    $"batches of {size}, round {round + 1}: {rates[round][0]:N0}, {rates[round][1]:N0}, {rates[round][2]:N0}"));
            }

            double Median(Func<double[], double> of) => rates.Select(of).Order().ElementAt(WritingRounds / 2);
            Console.WriteLine(
                Invariant($"| {size} | {Median(r => r[0]):N0} | {Median(r => r[1]):N0} | {Median(r => r[2]):N0} | ")
                    + Invariant($"{Median(r => r[2] / r[0]):F2} | {Median(r => r[2] / Math.Max(r[0], r[1])):F2} |"));
        }
    }

    private static IEnumerable<RawBsonDocument> Documents(List<RunRecord> batch) => batch.Select(RecordDocument.Of);

    /// <summary>What ten minutes at 200 records a second have left in the spool goes when the store is back.</summary>
    private static async Task DrainAsync(string folder, string name, ILogStore store)
    {
        const int waiting = 120_000;
        using var spool = Spool.Open(Path.Combine(folder, $"spool-{name}"), 4L << 30, NullLogger.Instance);
        for (var n = 0; n < waiting; n += 250)
        {
            spool.Append(Batch(1_000_000_000L + n, 250));
        }

        var appended = System.Threading.Channels.Channel.CreateBounded<bool>(1);
        appended.Writer.Complete();
        var watch = Stopwatch.StartNew();
        await new LogShipper(
            spool,
            new RefusedRecords(Path.Combine(folder, "refused")),
            store,
            appended.Reader,
            BatchSize,
            TimeSpan.FromSeconds(1),
            TimeProvider.System,
            NullLogger.Instance).RunAsync();
        Console.WriteLine(Invariant(
            $"\n{name}: {waiting:N0} records that waited in the spool drained in {watch.Elapsed.TotalSeconds:F1} s"));
    }

    private static async Task GrownAsync(string name, ILogStore store, long rows)
    {
        var watch = Stopwatch.StartNew();
        for (var n = 0L; n < rows; n += BatchSize * 5)
        {
            await store.WriteAsync(Batch(n, BatchSize * 5), CancellationToken.None);
        }

        var rate = rows / watch.Elapsed.TotalSeconds;
        var deep = await StartOfPageAsync(store, 1000);
        var random = new Random(1);
        var figures = new[]
        {
            await AskAsync(() => store.SearchAsync(new LogQuery(Limit: PageSize), CancellationToken.None)),
            await AskAsync(() => store.SearchAsync(new LogQuery(Limit: PageSize, After: deep), CancellationToken.None)),
            await AskAsync(() => store.SearchAsync(new LogQuery(Job: JobOf(random.Next(Jobs)), Limit: PageSize), CancellationToken.None)),
            await AskAsync(() => store.SearchAsync(new LogQuery(Status: RunStatus.Failed, Limit: PageSize), CancellationToken.None)),
            await AskAsync(
                () => store.ListStatsAsync(
                    JobName.Parse(JobOf(random.Next(Jobs))), DateOnly.FromDateTime(DateTime.UtcNow).AddDays(-30), CancellationToken.None)),
        };
        Console.WriteLine($"| {name} | {rows:N0} | {rate:N0} | {string.Join(" | ", figures)} |");
    }

    private static async Task<LogCursor?> StartOfPageAsync(ILogStore store, int page)
    {
        LogCursor? after = null;
        for (var n = 1; n < page; n += 20)
        {
            var next = (await store.SearchAsync(new LogQuery(Limit: PageSize * 20, After: after), CancellationToken.None)).Next;
            after = next is null ? after : LogCursor.Parse(next);
        }

        return after;
    }

    private static async Task<string> AskAsync<T>(Func<Task<T>> ask)
    {
        await ask();
        var times = new List<double>();
        for (var n = 0; n < Questions; n++)
        {
            var watch = Stopwatch.StartNew();
            await ask();
            times.Add(watch.Elapsed.TotalMilliseconds);
        }

        times.Sort();
        return Invariant($"{times[Questions / 2]:F1} / {times[Questions * 99 / 100]:F1}");
    }

    private static async Task<double> RateAsync(int size, Func<Task> write)
    {
        var watch = Stopwatch.StartNew();
        await write();
        return size / watch.Elapsed.TotalSeconds;
    }

    /// <summary>Records as short runs leave them, ten a second, of a thousand jobs.</summary>
    internal static List<RunRecord> Batch(long from, int count) => [.. Enumerable.Range(0, count).Select(n => Record(from + n))];

    private static RunRecord Record(long n)
    {
        var planTime = _first.AddSeconds(n / 10);
        var ms = planTime.ToUnixTimeMilliseconds();
        var failed = n % 50 == 0;
        var job = JobOf((int)(n % Jobs));
        return new RunRecord(
            job, "echo hello $DTS_JOB", failed ? "exit status 1" : "", "hello\n", ms, ms - 1100, ms + 1, ms + 4 + (n % 7),
            $"{job}/{RunId.Of(planTime)}-{n}", failed ? RunStatus.Failed : RunStatus.Succeeded, ExitCode: failed ? 1 : 0,
            Worker: $"worker-{n % 5}",
            Host: "host",
            JobRevision: 5,
            FencingToken: n,
            OutputBytes: 6,
            ExpireAt: DateTimeOffset.UtcNow.AddDays(3650));
    }

    private static string JobOf(int n) => $"job-{n:D4}";

    private static string Invariant(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
