using System.Globalization;
using Dts.Common.Jobs;
using Dts.Common.Logs;
using Dts.Common.Logs.Mongo;
using Microsoft.Extensions.Logging;
using MongoDB.Bson;
using MongoDB.Bson.IO;
using MongoDB.Driver;

namespace Dts.Worker.Logs;

/// <summary>Writes the log in MongoDB.</summary>
/// <remarks>
/// Batches are unordered inserts with our own <c>_id</c>, so writing twice does nothing. A document that exists is replaced as
/// <see cref="Replacement"/> decides. New documents are counted later (<see cref="MongoCounts"/>).
/// </remarks>
internal sealed class MongoLogWriter : MongoLog, ILogWriter
{
    private const int LanesFrom = 200; // Records in a batch; below it two requests cost more than they save.

    private readonly MongoBatches _batches;
    private readonly MongoCounts _counts;
    private readonly MongoIndexes _indexes;

    /// <exception cref="FormatException">The text is no MongoDB URI; the message says what is wrong.</exception>
    public MongoLogWriter(string uri, TimeSpan connectTimeout, ILogger log)
        : base(uri, connectTimeout)
    {
        _batches = new MongoBatches(Database);
        _indexes = new MongoIndexes(Database, log);
        _counts = new MongoCounts(Database, _batches, log);
    }

    public async Task<IReadOnlyList<Refused<RunRecord>>> WriteAsync(IReadOnlyList<RunRecord> records, CancellationToken cancel)
    {
        // One record of each id: two of one id in a batch would disturb each other.
        var latest = records
            .GroupBy(record => record.Id)
            .Select(same => same.Aggregate((former, record) => record.Replaces(former) ? record : former))
            .ToList();
        var half = latest.Count / 2;
        return latest.Count < LanesFrom
            ? await RunAsync(() => WriteAsync(latest))
            : [.. (await Task.WhenAll(RunAsync(() => WriteAsync(latest[..half])), RunAsync(() => WriteAsync(latest[half..]))))
                .SelectMany(refused => refused)];
    }

    public Task<IReadOnlyList<Refused<OutputChunk>>> WriteOutputAsync(
        IReadOnlyList<OutputChunk> chunks, CancellationToken cancel) => RunAsync<IReadOnlyList<Refused<OutputChunk>>>(async () =>
    {
        List<Refused<OutputChunk>> refused = [];
        string? failure = null;
        await foreach (var inserted in _batches.InsertAsync("output", chunks.Select(DocumentOf)))
        {
            refused.AddRange(inserted.Refused.Select(error => new Refused<OutputChunk>(chunks[error.Index], error.Reason)));
            failure ??= inserted.Failure;
        }

        return failure is null ? refused : throw Failed(failure);
    });

    /// <summary>MongoDB removes what has expired by itself: TTL indexes.</summary>
    public Task<int> RemoveExpiredAsync(DateTimeOffset now, CancellationToken cancel) => Task.FromResult(0);

    private async Task<List<Refused<RunRecord>>> WriteAsync(List<RunRecord> records)
    {
        List<RunRecord> known = [];
        List<Refused<RunRecord>> refused = [];
        string? failure = null;
        await foreach (var inserted in _batches.InsertAsync("log", records.Select(RecordDocument.Of)))
        {
            // Before anything else can fail: at the next try they are no longer new.
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
        var lost = (await Database.FindAsync("log", filter, sort: null)).Select(RunDocument.Read).ToDictionary(record => record.Id);
        var replacements = records.Select(
            record => new ReplaceOneModel<RawBsonDocument>(FormerOf(record), RecordDocument.Of(record)));
        var refused = await _batches.UpdateAsync("log", replacements, replacement => MongoBatches.SizeOf(replacement.Replacement));
        var replacing = records.Where((record, i) => lost.ContainsKey(record.Id) && refused.All(error => error.Index != i)).ToList();
        _counts.Add(replacing, replaced: [.. replacing.Select(record => lost[record.Id])]);
        return [.. refused.Select(error => new Refused<RunRecord>(records[error.Index], error.Reason))];
    }

    /// <summary>The filter of the document that a record replaces; the record itself does not say lost.</summary>
    private static BsonDocument FormerOf(RunRecord record) => record.IsOfOwedEnding()
        ? new BsonDocument { { "_id", record.Id }, { "status", RunStatus.Lost.Word() } }
        : new BsonDocument("_id", record.Id);

    private static RawBsonDocument DocumentOf(OutputChunk chunk) => RecordDocument.Write(document =>
    {
        document.WriteString("_id", string.Create(CultureInfo.InvariantCulture, $"{chunk.Run}:{chunk.Offset:D12}"));
        document.WriteString("run", chunk.Run);
        document.WriteInt64("offset", chunk.Offset);
        document.WriteBytes("data", chunk.Data.ToArray());
        document.WriteDateTime("expireAt", chunk.ExpireAt.ToUnixTimeMilliseconds());
    });

    /// <summary>The first writing also begins to make the indexes.</summary>
    private Task<T> RunAsync<T>(Func<Task<T>> write)
    {
        _indexes.Begin();
        return Database.RunAsync(write);
    }

    private LogStoreException Failed(string why) => Database.Failed($"a document is refused: {why}");

    protected override void End() => _counts.Dispose();
}
