using Dts.Common.Hosting;
using Microsoft.Extensions.Logging;
using MongoDB.Bson;

namespace Dts.Common.Logs.Mongo;

/// <summary>
/// The log in MongoDB: collections <c>log</c> (a document a run), <c>output</c> (chunks) and <c>stats</c> (a document a job and day) of
/// database <c>cron</c>.
/// </summary>
/// <remarks>
/// Thread-safe. Connects when it is first needed. The first eight fields of a document in <c>log</c> are the original's, with its names and
/// types. An older shape, whose times stand in seconds in <c>timePoint</c> and whose output is <c>content</c>, is read, too.
/// </remarks>
/// <exception cref="FormatException">The text is no MongoDB URI; the message says what is wrong.</exception>
internal class MongoLog(string uri, TimeSpan connectTimeout, ILogger log) : ILogOutput
{
    private const int ChunkBytesUsual = 64 << 10;
    private const int ChunksMax = 1000;

    private readonly Lock _gate = new();
    private Task? _indexing;
    private bool _isIndexingLogged;
    private int _disposed;

    /// <summary>Who is asked, without its password.</summary>
    public string Where => Database.Where;

    protected MongoDatabase Database { get; } = new(uri, connectTimeout);

    public Task<IReadOnlyList<OutputChunk>> ReadOutputAsync(
        string run, long offset, int bytesMax, CancellationToken cancel) => RunAsync(async () =>
    {
        // The chunk that the offset lies in begins at it or before.
        var filter = new BsonDocument { { "run", run }, { "offset", new BsonDocument("$lte", offset) } };
        var first = await Database.FindAsync("output", filter, new BsonDocument { { "run", 1 }, { "offset", -1 } }, limit: 1);
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

    /// <summary>
    /// Finds out, and changes nothing, why records could not be written (empty = they could), and which indexes are missing.
    /// </summary>
    public (string WhyNotWritable, IReadOnlyList<string> MissingIndexes) Examine()
    {
        Database.RunAsync(() => Database.CommandAsync(new BsonDocument("ping", 1))).GetAwaiter().GetResult();
        var why = "";
        try
        {
            // Of no document: it takes the right, and does nothing with it.
            var update = new BsonDocument
            {
                { "q", new BsonDocument("_id", "no such record") },
                { "u", new BsonDocument("$set", new BsonDocument("err", "")) },
            };
            Database.RunAsync(() => Database.CommandAsync(
                new BsonDocument { { "update", "log" }, { "updates", new BsonArray { update } } })).GetAwaiter().GetResult();
        }
        catch (LogStoreException failure)
        {
            why = failure.Message;
        }

        return (why, Database.RunAsync(() => MongoIndexes.FindMissingAsync(Database)).GetAwaiter().GetResult());
    }

    public void Dispose()
    {
        if (Interlocked.Exchange(ref _disposed, 1) == 0)
        {
            End();
            Database.Dispose();
        }
    }

    /// <summary>Completes what is under way, once, before the connection is closed.</summary>
    protected virtual void End()
    {
    }

    /// <summary>With the first call the indexes are made, in the background.</summary>
    protected Task<T> RunAsync<T>(Func<Task<T>> call)
    {
        lock (_gate)
        {
            _indexing ??= MakeIndexesAsync();
        }

        return Database.RunAsync(call);
    }

    private async Task<List<OutputChunk>> FindChunksAsync(string run, long from, int most)
    {
        var filter = new BsonDocument { { "run", run }, { "offset", new BsonDocument("$gte", from) } };
        var found = await Database.FindAsync("output", filter, new BsonDocument { { "run", 1 }, { "offset", 1 } }, most);
        return
        [
            .. found.Select(
                chunk => new OutputChunk(
                    run, chunk.Long("offset"), (chunk.GetValue("data", null) as BsonBinaryData)?.Bytes ?? [], default)),
        ];
    }

    private async Task MakeIndexesAsync()
    {
        try
        {
            await Database.RunAsync(async () =>
            {
                await MongoIndexes.MakeAsync(Database);
                return true;
            });
        }
        catch (LogStoreException failure)
        {
            if (!_isIndexingLogged)
            {
                _isIndexingLogged = true;
                log.IndexesMissing(failure.Message);
            }

            lock (_gate)
            {
                _indexing = null; // Tried again with the next call.
            }
        }
    }
}
