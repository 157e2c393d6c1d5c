using System.Diagnostics;
using System.Globalization;
using System.Threading.Channels;
using Dts.Common.Logs;
using Dts.Tests.Support;
using Dts.Worker.Records;
using Microsoft.Extensions.Logging.Abstractions;

namespace Dts.Bench;

/// <summary>How quickly records get into both log stores. <c>make bench ARGS="log 1000 5000"</c> names the sizes of the batches.</summary>
internal static class LogWriteFigures
{
    private const double OfBare = 0.9;
    private const int ShippedAtOnce = 1000;

    private static readonly TimeSpan Timeout = TimeSpan.FromSeconds(30);

    public static async Task<Findings> MeasureAsync(Effort effort)
    {
        using var folder = new ScratchFolder();
        await using var server = new DocumentServer { BuildsIndexes = true };
        await server.InitializeAsync();
        await PrepareAsync(server.Uri);
        int[] sizes = effort.Arguments is []
            ? [1000]
            : [.. effort.Arguments.Select(size => int.Parse(size, CultureInfo.InvariantCulture))];
        var figures = new List<Figure>();
        foreach (var size in sizes)
        {
            figures.AddRange(await WriteDocumentsAsync(server, size, effort));
            figures.AddRange(await WriteSqliteAsync(folder, size, effort));
        }

        using var documents = new MongoLogStore(server.Uri, Timeout, NullLogger.Instance);
        using var sqlite = new SqliteLogStore(folder.File("drained.db"));
        var waiting = effort.Of(120_000, 1_000);
        figures.Add(new Figure($"{server.Kind}: {waiting:N0} records drain from a spool, s", await DrainAsync(folder, documents, waiting)));
        figures.Add(new Figure($"SQLite: {waiting:N0} records drain from a spool, s", await DrainAsync(folder, sqlite, waiting)));
        return new Findings(
            figures,
            """
            Writing is durable and counted, and looks for a former record of each run; a bare insert is the driver's, of the same records
            into the same tables with all indexes. The records that drain are those of ten minutes at 200 a second.
            """);
    }

    private static async Task PrepareAsync(string uri)
    {
        using var store = new MongoLogStore(uri, Timeout, NullLogger.Instance);
        await store.WriteAsync(LogRecords.Until(DateTimeOffset.UtcNow, 1).Batch(-1, 1), CancellationToken.None);
        await Patience.Until(() => store.FindMissingIndexesAsync().Result.Count == 0, () => "indexes are not there");
    }

    private static async Task<IEnumerable<Figure>> WriteDocumentsAsync(DocumentServer server, int size, Effort effort)
    {
        using var bare = new BareDocuments(server.Uri);
        var batches = new Batches(size, effort.Of(20_000, 1_000));
        var rates = await Callers.TakeTurnsAsync(
            effort.Rounds,
            () => batches.RateAsync(bare.InsertAsync),
            () => batches.RateAsync(bare.InsertByTwoAsync),
            () => StoreAsync(() => new MongoLogStore(server.Uri, Timeout, NullLogger.Instance), batches));
        var ours = new Figure($"{server.Kind}: records/s in batches of {size:N0}", Series.Of(rates[2]));
        return
        [
            ours.Beside("bare insert", Series.Of(rates[0])).Should(Bound.AtLeastTimes(OfBare)),
            ours.Beside("two bare inserts at once", Series.Of(rates[1])),
        ];
    }

    private static async Task<IEnumerable<Figure>> WriteSqliteAsync(ScratchFolder folder, int size, Effort effort)
    {
        using var bare = new BareSqlite(folder.File($"bare-{size}.db"));
        var batches = new Batches(size, effort.Of(20_000, 1_000));
        var rates = await Callers.TakeTurnsAsync(
            effort.Rounds,
            () => batches.RateAsync(batch => Task.Run(() => bare.Insert(batch))),
            () => StoreAsync(() => new SqliteLogStore(folder.File($"store-{size}.db")), batches));
        return
        [
            new Figure($"SQLite: records/s in batches of {size:N0}", Series.Of(rates[1]))
                .Beside("bare insert", Series.Of(rates[0])).Should(Bound.AtLeastTimes(OfBare)),
        ];
    }

    /// <summary>A store of its own for each round: it has ended when all is counted.</summary>
    private static Task<double> StoreAsync(Func<ILogStore> open, Batches batches)
    {
        ILogStore? store = null;
        return batches.RateAsync(batch => (store ??= open()).WriteAsync(batch, CancellationToken.None), () => store?.Dispose());
    }

    private static async Task<Series> DrainAsync(ScratchFolder folder, ILogStore store, int waiting)
    {
        var path = folder.File($"spool-{Guid.NewGuid():N}");
        using var spool = Spool.Open(path, 4L << 30, NullLogger.Instance);
        var records = LogRecords.Until(DateTimeOffset.UtcNow, waiting);
        for (var n = 0; n < waiting; n += 250)
        {
            spool.Append(records.Batch(1_000_000_000L + n, 250));
        }

        var appended = Channel.CreateBounded<bool>(1);
        appended.Writer.Complete();
        var watch = Stopwatch.StartNew();
        await new LogShipper(
            spool, new RefusedRecords(folder.File("refused")), store, appended.Reader, ShippedAtOnce, TimeSpan.FromSeconds(1),
            TimeProvider.System, NullLogger.Instance).RunAsync();
        return Series.Of(watch.Elapsed.TotalSeconds);
    }

    /// <summary>Batches of records that nobody has written before.</summary>
    private sealed class Batches(int size, int records)
    {
        private readonly LogRecords _records = LogRecords.Until(DateTimeOffset.UtcNow, 1_000_000);
        private long _next;

        /// <summary>Records a second.</summary>
        public async Task<double> RateAsync(Func<List<RunRecord>, Task> write, Action? end = null)
        {
            List<List<RunRecord>> batches =
            [
                .. Enumerable.Range(0, records / size).Select(n => _records.Batch(_next + ((long)n * size), size)),
            ];
            _next += records;
            var watch = Stopwatch.StartNew();
            foreach (var batch in batches)
            {
                await write(batch);
            }

            end?.Invoke();
            return batches.Count * size / watch.Elapsed.TotalSeconds;
        }
    }
}
