using System.Globalization;
using System.Text.RegularExpressions;

namespace Dts.Common.Logs.Mongo;

/// <summary>The database <c>cron</c> of a MongoDB: commands, and documents found, inserted and updated.</summary>
/// <remarks>Thread-safe. Members block, but for <see cref="RunAsync"/>, and throw a <see cref="LogStoreException"/> when they do not succeed.</remarks>
internal sealed partial class MongoDatabase : IDisposable
{
    private const string Name = "cron";
    private const int DuplicateKey = 11000;

    // Errors that the content of a document causes (https://www.mongodb.com/docs/manual/reference/error-codes): BadValue, FailedToParse,
    // TypeMismatch, InvalidBSON, refused field names, a validator (121), too large (10334, 17280, 17419, 17420), a unique index that
    // DTS did not create. All other errors may be temporary.
    private static readonly HashSet<long> OfContent = [2, 9, 14, 22, 52, 55, 56, 57, 121, 10334, DuplicateKey, 16755, 17280, 17419, 17420];
    private static readonly HashSet<long> OfSize = [10334, 17419, 17420]; // With these the server may refuse a whole command.

    private const int DocumentsMax = 10_000; // In a command; servers take 100,000.
    private const int BytesMax = 6 << 20;    // In a command before its last document; that may have 8 MiB of output, and servers take 16 MiB.

    private static readonly TimeSpan CallsEndWithin = TimeSpan.FromSeconds(10);

    // After this time the connection is closed, which frees its thread.
    private static readonly TimeSpan AnswersWithin = TimeSpan.FromSeconds(60);

    private readonly nint _pool;
    private readonly string _writeConcern;
    private readonly CountdownEvent _calls = new(1); // And one for not being closed.

    /// <summary>Connects when it is first needed.</summary>
    /// <exception cref="FormatException">The text is no MongoDB URI; the message says what is wrong.</exception>
    /// <exception cref="DllNotFoundException">The driver is not installed; the message says how to.</exception>
    public MongoDatabase(string uri, TimeSpan connectTimeout)
    {
        try
        {
            LibMongoc.Initialize();
        }
        catch (DllNotFoundException missing)
        {
            throw new DllNotFoundException((missing.InnerException ?? missing).Message);
        }

        _pool = LibMongoc.OpenPool(WithTimeouts(uri, connectTimeout), "dts", out var error);
        if (_pool == 0)
        {
            throw new FormatException(error);
        }

        Where = $"MongoDB at {HostsOf(uri)}";
        _writeConcern = WriteConcernPattern().Match(uri) is { Success: true } match ? match.Groups[1].Value : "majority";
    }

    /// <summary>Who is asked, without its password.</summary>
    public string Where { get; }

    /// <summary>Makes calls on a thread of their own: they block, and the pool has few threads, for which starts wait.</summary>
    public Task<T> RunAsync<T>(Func<T> calls)
    {
        return _calls.TryAddCount()
            ? Task.Factory.StartNew(Act, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default)
            : Task.FromException<T>(Failed("it has been closed"));

        T Act()
        {
            try
            {
                return calls();
            }
            finally
            {
                _calls.Signal();
            }
        }
    }

    public BsonValue Run(BsonWriter command) => Run(command.ToArray());

    /// <summary>Runs a command that may be refused; then its answer has no elements.</summary>
    public BsonValue TryRun(BsonWriter command) =>
        LibMongoc.RunCommand(_pool, Name, command.ToArray(), out _, out _) is { } answer ? BsonValue.Of(answer) : default;

    /// <param name="limit">0 = all.</param>
    public List<BsonValue> Find(string collection, Action<BsonWriter> filter, Action<BsonWriter> sort, int limit, int skip = 0)
    {
        var command = new BsonWriter().Text("find", collection).Document("filter", filter).Document("sort", sort).Int("limit", limit);
        command = skip > 0 ? command.Int("skip", skip) : command;
        var cursor = Ask((limit > 0 ? command.Int("batchSize", limit) : command).ToArray())["cursor"];
        var found = cursor["firstBatch"].Elements.Select(element => element.Value).ToList();
        for (var id = cursor["id"].AsLong; id != 0 && (limit == 0 || found.Count < limit);)
        {
            cursor = Run(new BsonWriter().Long("getMore", id).Text("collection", collection))["cursor"];
            found.AddRange(cursor["nextBatch"].Elements.Select(element => element.Value));
            id = cursor["id"].AsLong;
        }

        return found;
    }

    /// <summary>Inserts documents, in as many commands as it takes; each happens when its result is asked for.</summary>
    public IEnumerable<Inserted> Insert(string collection, int count, Action<BsonWriter, int> write)
    {
        for (var next = 0; next < count;)
        {
            var from = next;
            var errors = RunWrite("insert", collection, "documents", count, ref next, write);
            yield return new Inserted(
                New: [.. Enumerable.Range(from, next - from).Except(errors.Select(error => error.Index))],
                Known: [.. errors.Where(error => error.IsSameId).Select(error => error.Index)],
                Refused: [.. errors.Where(error => !error.IsSameId && OfContent.Contains(error.Code))],
                Failure: errors.FirstOrDefault(error => !OfContent.Contains(error.Code))?.Reason);
        }
    }

    /// <summary>Updates documents, and returns those that the server refuses because of their content.</summary>
    public List<WriteError> Update(string collection, int count, Action<BsonWriter, int> write)
    {
        List<WriteError> refused = [];
        for (var next = 0; next < count;)
        {
            var errors = RunWrite("update", collection, "updates", count, ref next, (updates, i) => updates.Document(update => write(update, i)));
            refused.AddRange(errors.FirstOrDefault(error => !OfContent.Contains(error.Code)) is { } failure
                ? throw Failed($"an update is refused: {failure.Reason}")
                : errors);
        }

        return refused;
    }

    public LogStoreException Failed(string why) => new($"{Where}: {why}", new IOException(why));

    /// <summary>Waits for the calls that are being made, but not long: what is left then ends with the process.</summary>
    public void Dispose()
    {
        if (_calls.IsSet || _calls.Signal() || _calls.Wait(CallsEndWithin))
        {
            LibMongoc.ClosePool(_pool);
        }
    }

    /// <summary>Writes as many documents as fit into a command, from one on, and returns what was wrong with some of them.</summary>
    private List<WriteError> RunWrite(
        string verb, string collection, string array, int count, ref int next, Action<BsonWriter, int> write, int most = DocumentsMax)
    {
        var (from, i) = (next, next);
        var command = new BsonWriter().Text(verb, collection).Bool("ordered", false).Document("writeConcern", concern => _ = int.TryParse(_writeConcern, CultureInfo.InvariantCulture, out var nodes)
            ? concern.Int("w", nodes)
            : concern.Text("w", _writeConcern));
        command.Array(array, documents =>
        {
            for (var end = Math.Min(count, i + most); i < end && documents.Length < BytesMax; i++)
            {
                write(documents, i);
            }
        });
        if (LibMongoc.RunCommand(_pool, Name, command.ToArray(), out var error, out var code) is not { } reply)
        {
            if (!OfSize.Contains(code))
            {
                throw Failed(error);
            }

            if (i - from > 1)
            {
                // Halve the command until the document that is too large is alone.
                return RunWrite(verb, collection, array, count, ref next, write, (i - from) / 2);
            }

            next = i;
            return [new WriteError(from, code, error, IsSameId: false)];
        }

        var answer = BsonValue.Of(reply);
        if (answer["writeConcernError"].Elements.Any())
        {
            throw Failed($"the write concern is not met: {answer["writeConcernError"]["errmsg"].AsText}"); // A primary that steps down would take it along.
        }

        next = i;
        return [.. answer["writeErrors"].Elements.Select(element => element.Value).Select(refused => new WriteError(
            from + (int)refused["index"].AsLong,
            refused["code"].AsLong,
            refused["errmsg"].AsText,
            refused["code"].AsLong == DuplicateKey && refused["keyPattern"].Elements.All(key => key.Name == "_id")))];
    }

    private BsonValue Run(byte[] command) =>
        LibMongoc.RunCommand(_pool, Name, command, out var error, out _) is { } answer ? BsonValue.Of(answer) : throw Failed(error);

    /// <summary>A question that fails is asked once more: by then the pool has noticed that its connection was broken by a restart of the server.</summary>
    private BsonValue Ask(byte[] command)
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

    private static string WithTimeouts(string uri, TimeSpan timeout)
    {
        (string, TimeSpan)[] timeouts =
        [
            ("connectTimeoutMS", timeout),
            ("serverSelectionTimeoutMS", timeout),
            ("waitQueueTimeoutMS", timeout),
            ("socketTimeoutMS", AnswersWithin),
        ];
        foreach (var (option, span) in timeouts)
        {
            if (!uri.Contains($"{option}=", StringComparison.OrdinalIgnoreCase))
            {
                var ms = ((long)span.TotalMilliseconds).ToString(CultureInfo.InvariantCulture);
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

    /// <summary>The outcome of one insert, by the indexes of its documents.</summary>
    /// <param name="Known">A document with the same id exists already.</param>
    /// <param name="Refused">The server refuses them because of their content.</param>
    /// <param name="Failure">Why the rest was not written; null = there is no rest.</param>
    public sealed record Inserted(IReadOnlyList<int> New, IReadOnlyList<int> Known, IReadOnlyList<WriteError> Refused, string? Failure);

    /// <summary>Why the document at an index was not written.</summary>
    /// <param name="IsSameId">A document with the same id exists already.</param>
    public sealed record WriteError(int Index, long Code, string Reason, bool IsSameId);
}
