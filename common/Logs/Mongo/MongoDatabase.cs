using System.Net.Sockets;
using MongoDB.Bson;
using MongoDB.Driver;

namespace Dts.Common.Logs.Mongo;

/// <summary>The database <c>cron</c> of a MongoDB: commands, and documents found, inserted and updated.</summary>
/// <remarks>Thread-safe. <see cref="RunAsync"/> makes calls; within it all others throw what the driver throws.</remarks>
internal sealed class MongoDatabase : IDisposable
{
    private const int DuplicateKey = 11000;

    // Errors for what a document says, https://www.mongodb.com/docs/manual/reference/error-codes: BadValue, FailedToParse, TypeMismatch,
    // InvalidBSON, names of fields that are not taken, a validator (121), too large (10334, 17280, 17419, 17420), a key of an index that
    // somebody else has made. All others may pass.
    private static readonly HashSet<int> OfContent = [2, 9, 14, 22, 52, 55, 56, 57, 121, 10334, DuplicateKey, 16755, 17280, 17419, 17420];
    private static readonly HashSet<int> OfSize = [10334, 17419, 17420]; // These may refuse a whole command.

    private const int DocumentsMax = 10_000;     // In a command; servers take 100,000.
    private const int BytesMax = 6 << 20;        // In a command of several documents.
    private const int DocumentBytesMax = 16 << 20;

    private static readonly TimeSpan CallsEndWithin = TimeSpan.FromSeconds(10);

    private readonly MongoClient _client;
    private readonly IMongoDatabase _database;
    private readonly CountdownEvent _calls = new(1); // And one for not being closed.

    /// <summary>Connects when it is first needed.</summary>
    /// <exception cref="FormatException">The text is no MongoDB URI; the message says what is wrong.</exception>
    public MongoDatabase(string uri, TimeSpan connectTimeout)
    {
        Where = $"MongoDB at {MongoUri.HostsOf(uri)}";
        _client = new MongoClient(MongoUri.Read(uri, connectTimeout));
        _database = _client.GetDatabase("cron");
    }

    /// <summary>Who is asked, without its password.</summary>
    public string Where { get; }

    /// <summary>Makes calls, for whose end <see cref="Dispose"/> waits.</summary>
    /// <exception cref="LogStoreException">They did not succeed.</exception>
    public async Task<T> RunAsync<T>(Func<Task<T>> calls)
    {
        if (!_calls.TryAddCount())
        {
            throw Failed("it has been closed");
        }

        try
        {
            return await Task.Run(calls).ConfigureAwait(false);
        }
        catch (Exception failure) when (failure is MongoException or BsonException or TimeoutException or IOException or SocketException
            or FormatException or InvalidOperationException)
        {
            throw Failed(Explain(failure));
        }
        finally
        {
            _calls.Signal();
        }
    }

    public Task<BsonDocument> CommandAsync(BsonDocument command) => _database.RunCommandAsync<BsonDocument>(command);

    /// <summary>Runs a command that may be refused; then its answer has no elements.</summary>
    public async Task<BsonDocument> TryCommandAsync(BsonDocument command)
    {
        try
        {
            return await CommandAsync(command);
        }
        catch (MongoCommandException)
        {
            return [];
        }
    }

    /// <param name="limit">0 = all.</param>
    public async Task<List<BsonDocument>> FindAsync(
        string collection, BsonDocument filter, BsonDocument? sort, int limit = 0, int skip = 0, BsonDocument? fields = null)
    {
        int? most = limit > 0 ? limit : null;
        var options = new FindOptions<BsonDocument>
        {
            Sort = sort,
            Limit = most,
            BatchSize = most,
            Skip = skip > 0 ? skip : null,
            Projection = fields,
        };
        using var cursor = await _database.GetCollection<BsonDocument>(collection).FindAsync(filter, options);
        return await cursor.ToListAsync();
    }

    /// <summary>Inserts documents, in as many commands as it takes; each happens when its result is asked for.</summary>
    public async IAsyncEnumerable<Inserted> InsertAsync(string collection, IEnumerable<RawBsonDocument> documents)
    {
        var unordered = new InsertManyOptions { IsOrdered = false };
        await foreach (var (from, batch, errors) in WriteAsync(
            documents, SizeOf, batch => _database.GetCollection<RawBsonDocument>(collection).InsertManyAsync(batch, unordered)))
        {
            // Their ids are there, or it is a key of an index of somebody else; the driver does not say which.
            var twins = errors
                .Where(error => error.Code == DuplicateKey)
                .ToDictionary(error => error.Index, error => batch[error.Index - from]["_id"]);
            var there = twins.Count == 0
                ? []
                : await FindAsync(
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

    /// <summary>Updates documents, and returns what is refused for its content.</summary>
    /// <param name="sizeOf">In bytes, about.</param>
    public async Task<List<WriteError>> UpdateAsync<TModel>(string collection, IEnumerable<TModel> updates, Func<TModel, int> sizeOf)
        where TModel : WriteModel<RawBsonDocument>
    {
        List<WriteError> refused = [];
        var unordered = new BulkWriteOptions { IsOrdered = false };
        await foreach (var (_, _, errors) in WriteAsync(
            updates, sizeOf, batch => _database.GetCollection<RawBsonDocument>(collection).BulkWriteAsync(batch, unordered)))
        {
            refused.AddRange(
                errors.FirstOrDefault(error => !OfContent.Contains(error.Code)) is { } failure
                    ? throw Failed($"an update is refused: {failure.Reason}")
                    : errors);
        }

        return refused;
    }

    public static int SizeOf(RawBsonDocument document) => document.Slice.Length;

    public LogStoreException Failed(string why) => new($"{Where}: {why}", new IOException(why));

    /// <summary>Waits for the calls that are being made, but not long: what is left then ends with the process.</summary>
    public void Dispose()
    {
        if (_calls.IsSet || _calls.Signal() || _calls.Wait(CallsEndWithin))
        {
            _client.Dispose();
        }
    }

    /// <summary>Writes in commands of as many as fit, and says of each what was wrong with some of them.</summary>
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
                ? throw Failed($"the write concern is not met: {unmet.Message}") // A primary that steps down would take it along.
                : [.. refused.WriteErrors.Select(error => new WriteError(from + error.Index, error.Code, error.Message))];
        }
        catch (MongoCommandException refused) when (OfSize.Contains(refused.Code))
        {
            var half = batch.Count / 2; // Until the one that is too large is alone.
            return half == 0
                ? [new WriteError(from, refused.Code, refused.ErrorMessage)]
                : [.. await WriteAsync(from, batch[..half], sizeOf, write), .. await WriteAsync(from + half, batch[half..], sizeOf, write)];
        }
    }

    /// <summary>One line that names the cause.</summary>
    private string Explain(Exception failure)
    {
        var cause = failure.GetBaseException();
        var why = (cause as MongoCommandException)?.ErrorMessage ?? cause.Message;
        var unreached = _client.Cluster.Description.Servers
            .Where(server => server.HeartbeatException is not null)
            .Select(server => $"{NameOf(server.EndPoint)}: {server.HeartbeatException.GetBaseException().Message}")
            .ToList();
        return (failure switch
        {
            MongoAuthenticationException when cause is MongoCommandException or MongoAuthenticationException =>
                $"it refuses the user or the password of mongodbUri: {why}",
            TimeoutException when unreached.Count > 0 => string.Join("; ", unreached),
            TimeoutException when _client.Cluster.Description.Servers.Count == 0 =>
                "DNS has no hosts for it (SRV records of _mongodb._tcp and this name)",
            TimeoutException when why.Contains("selecting a server", StringComparison.Ordinal) =>
                "no server of it takes writes now; is there a primary?",
            _ => why,
        }).ReplaceLineEndings(" ");

        static string NameOf(System.Net.EndPoint place) => place is System.Net.DnsEndPoint dns ? $"{dns.Host}:{dns.Port}" : $"{place}";
    }

    /// <summary>What became of the documents of one command, by their places.</summary>
    /// <param name="Known">There was one with that id already.</param>
    /// <param name="Refused">They are refused for their content.</param>
    /// <param name="Failure">Why others were not taken; null = there are none.</param>
    public sealed record Inserted(IReadOnlyList<int> New, IReadOnlyList<int> Known, IReadOnlyList<WriteError> Refused, string? Failure);

    /// <summary>Why the document at an index was not written.</summary>
    public sealed record WriteError(int Index, int Code, string Reason);
}
