using Dts.Common.Logs.Mongo;
using MongoDB.Bson;
using MongoDB.Driver;

namespace Dts.Worker.Logs;

/// <summary>Inserts and updates documents in commands that the server accepts.</summary>
/// <remarks>Thread-safe. Call it within the database's <c>RunAsync</c>.</remarks>
internal sealed class MongoBatches(MongoDatabase database)
{
    private const int DuplicateKey = 11000;

    // Errors that the content of a document causes, https://www.mongodb.com/docs/manual/reference/error-codes: BadValue, FailedToParse,
    // TypeMismatch, InvalidBSON, refused field names, a validator (121), too large (10334, 17280, 17419, 17420), a unique index that is not
    // ours. All others may be temporary.
    private static readonly HashSet<int> OfContent = [2, 9, 14, 22, 52, 55, 56, 57, 121, 10334, DuplicateKey, 16755, 17280, 17419, 17420];
    private static readonly HashSet<int> OfSize = [10334, 17419, 17420]; // These may concern a whole command.

    private const int DocumentsMax = 10_000;     // In a command; servers take 100,000.
    private const int BytesMax = 6 << 20;        // In a command of several documents.
    private const int DocumentBytesMax = 16 << 20;

    /// <summary>Inserts documents, in as many commands as it takes. Each is sent when its result is asked for.</summary>
    public async IAsyncEnumerable<Inserted> InsertAsync(string collection, IEnumerable<RawBsonDocument> documents)
    {
        var unordered = new InsertManyOptions { IsOrdered = false };
        await foreach (var (from, batch, errors) in WriteAsync(
            documents, SizeOf, batch => database.Collection(collection).InsertManyAsync(batch, unordered)))
        {
            // Either the id exists, or the key of a unique index that is not ours; the driver does not say which.
            var twins = errors
                .Where(error => error.Code == DuplicateKey)
                .ToDictionary(error => error.Index, error => batch[error.Index - from]["_id"]);
            var there = twins.Count == 0
                ? []
                : await database.FindAsync(
                    collection,
                    new BsonDocument("_id", new BsonDocument("$in", new BsonArray(twins.Values))),
                    sort: null,
                    fields: new BsonDocument("_id", 1));
            var ids = there.Select(document => document["_id"]).ToHashSet();
            List<int> known = [.. twins.Where(twin => ids.Contains(twin.Value)).Select(twin => twin.Key)];
            yield return new Inserted(
                New: [.. Enumerable.Range(from, batch.Count).Except(errors.Select(error => error.Index))],
                Known: known,
                Refused: [.. errors.Where(error => OfContent.Contains(error.Code) && !known.Contains(error.Index))],
                Failure: errors.FirstOrDefault(error => !OfContent.Contains(error.Code))?.Reason);
        }
    }

    /// <summary>Updates documents, and returns those that are refused because of their content.</summary>
    /// <param name="sizeOf">The approximate size in bytes.</param>
    public async Task<List<WriteError>> UpdateAsync<TModel>(string collection, IEnumerable<TModel> updates, Func<TModel, int> sizeOf)
        where TModel : WriteModel<RawBsonDocument>
    {
        List<WriteError> refused = [];
        var unordered = new BulkWriteOptions { IsOrdered = false };
        await foreach (var (_, _, errors) in WriteAsync(
            updates, sizeOf, batch => database.Collection(collection).BulkWriteAsync(batch, unordered)))
        {
            refused.AddRange(
                errors.FirstOrDefault(error => !OfContent.Contains(error.Code)) is { } failure
                    ? throw database.Failed($"an update is refused: {failure.Reason}")
                    : errors);
        }

        return refused;
    }

    public static int SizeOf(RawBsonDocument document) => document.Slice.Length;

    /// <summary>Writes in commands of as many documents as fit, and returns the errors of each.</summary>
    private async IAsyncEnumerable<(int From, List<T> Batch, List<WriteError> Errors)> WriteAsync<T>(
        IEnumerable<T> all, Func<T, int> sizeOf, Func<List<T>, Task> write)
    {
        var (from, bytes, batch) = (0, 0, new List<T>());
        foreach (var next in all)
        {
            var size = sizeOf(next);
            if (batch.Count > 0 && (batch.Count == DocumentsMax || bytes + size > BytesMax))
            {
                yield return (from, batch, await WriteAsync(from, batch, sizeOf, write));
                (from, bytes, batch) = (from + batch.Count, 0, []);
            }

            batch.Add(next);
            bytes += size;
        }

        if (batch.Count > 0)
        {
            yield return (from, batch, await WriteAsync(from, batch, sizeOf, write));
        }
    }

    private async Task<List<WriteError>> WriteAsync<T>(int from, List<T> batch, Func<T, int> sizeOf, Func<List<T>, Task> write)
    {
        if (batch.Count == 1 && sizeOf(batch[0]) > DocumentBytesMax)
        {
            return [new WriteError(from, 10334, $"it has {sizeOf(batch[0])} bytes; MongoDB takes {DocumentBytesMax}")];
        }

        try
        {
            await write(batch);
            return [];
        }
        catch (MongoBulkWriteException refused)
        {
            return refused.WriteConcernError is { } unmet
                ? throw database.Failed($"the write concern is not met: {unmet.Message}") // A primary that steps down would take it along.
                : [.. refused.WriteErrors.Select(error => new WriteError(from + error.Index, error.Code, error.Message))];
        }
        catch (MongoCommandException refused) when (OfSize.Contains(refused.Code))
        {
            var half = batch.Count / 2; // Halved until the document that is too large is alone.
            return half == 0
                ? [new WriteError(from, refused.Code, refused.ErrorMessage)]
                : [.. await WriteAsync(from, batch[..half], sizeOf, write), .. await WriteAsync(from + half, batch[half..], sizeOf, write)];
        }
    }

    /// <summary>The results of one command, by the places of the documents.</summary>
    /// <param name="Known">A document with that id existed.</param>
    /// <param name="Refused">Refused because of their content.</param>
    /// <param name="Failure">Why others were not written; null = there are none.</param>
    public sealed record Inserted(IReadOnlyList<int> New, IReadOnlyList<int> Known, IReadOnlyList<WriteError> Refused, string? Failure);

    /// <summary>Why the document at an index was not written.</summary>
    public sealed record WriteError(int Index, int Code, string Reason);
}
