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
internal abstract class MongoLog(string uri, TimeSpan connectTimeout) : ILogOutput
{
    private const int ChunkBytesUsual = 64 << 10;
    private const int ChunksMax = 1000;

    private int _disposed;

    protected MongoDatabase Database { get; } = new(uri, connectTimeout);

    public Task<IReadOnlyList<OutputChunk>> ReadOutputAsync(
        string run, long offset, int bytesMax, CancellationToken cancel) => Database.RunAsync(async () =>
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
}
