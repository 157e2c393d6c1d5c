using System.Diagnostics;
using Dts.Common.Jobs;
using Dts.Master.Logs;
using Dts.Tests.Support;
using Microsoft.Extensions.Logging.Abstractions;

namespace Dts.Bench;

/// <summary>How quick lists and statistics are when the log has grown. <c>make bench ARGS="log-grown 10000000"</c></summary>
internal static class LogFigures
{
    private const int BatchSize = 5000;
    private const int PageSize = 50;
    private const int Days = 30;

    /// <summary>The second argument is sqlite or documents: that one alone.</summary>
    public static async Task<Findings> MeasureAsync(Effort effort)
    {
        var (records, questions) = (effort.Argument(0, 10_000_000, 5_000), effort.Of(300, 10));
        var only = effort.Arguments.ElementAtOrDefault(1);
        var figures = new List<Figure>();
        if (only is null or "sqlite")
        {
            using var folder = new ScratchFolder();
            using var sqlite = new SqliteLogStore(folder.File("log.db"));
            figures.AddRange(await MeasureAsync("SQLite", sqlite, records, questions));
        }

        if (only is null or "documents")
        {
            await using var server = new DocumentServer { BuildsIndexes = true };
            await server.InitializeAsync();
            using var documents = new MongoLogStore(server.Uri, TimeSpan.FromSeconds(30), NullLogger.Instance);
            figures.AddRange(await MeasureAsync(server.Kind, documents, records, questions));
        }

        return new Findings(figures, $"{questions} questions of each kind, {records:N0} records of {LogRecords.Jobs:N0} jobs.");
    }

    private static async Task<IEnumerable<Figure>> MeasureAsync(string name, ILogStore store, int count, int questions)
    {
        var records = LogRecords.Until(DateTimeOffset.UtcNow, count);
        var watch = Stopwatch.StartNew();
        for (var n = 0; n < count; n += BatchSize)
        {
            await store.WriteAsync(records.Batch(n, BatchSize), CancellationToken.None);
        }

        var rate = count / watch.Elapsed.TotalSeconds;
        var deep = await FindPageAsync(store, 1000);
        var random = new Random(1);
        return
        [
            new Figure($"{name}: records/s while it grew", Series.Of(rate)),
            await AskAsync("first page", () => new LogQuery(Limit: PageSize)),
            await AskAsync("page 1,000", () => new LogQuery(Limit: PageSize, After: deep)),
            await AskAsync("one job's", () => new LogQuery(Job: LogRecords.JobOf(random.Next(LogRecords.Jobs)), Limit: PageSize)),
            await AskAsync("failed ones", () => new LogQuery(Status: RunStatus.Failed, Limit: PageSize)),
            await TimeAsync(
                $"{name}: statistics of a job's {Days} days",
                () => store.ListStatsAsync(
                    JobName.Parse(LogRecords.JobOf(random.Next(LogRecords.Jobs))),
                    DateOnly.FromDateTime(DateTime.UtcNow).AddDays(-Days),
                    CancellationToken.None)),
        ];

        Task<Figure> AskAsync(string what, Func<LogQuery> query) =>
            TimeAsync($"{name}: {what}", () => store.SearchAsync(query(), CancellationToken.None));

        async Task<Figure> TimeAsync(string what, Func<Task> ask)
        {
            await ask();
            var times = new List<double>();
            for (var n = 0; n < questions; n++)
            {
                var begun = Stopwatch.GetTimestamp();
                await ask();
                times.Add(Stopwatch.GetElapsedTime(begun).TotalMilliseconds);
            }

            return new Figure($"{what}: p50 / p99, ms", Quantiles.Of(times, 50, 99));
        }
    }

    private static async Task<LogCursor?> FindPageAsync(ILogStore store, int page)
    {
        LogCursor? after = null;
        for (var n = 1; n < page; n += 20)
        {
            var next = (await store.SearchAsync(new LogQuery(Limit: PageSize * 20, After: after), CancellationToken.None)).Next;
            after = next is null ? after : LogCursor.Parse(next);
        }

        return after;
    }
}
