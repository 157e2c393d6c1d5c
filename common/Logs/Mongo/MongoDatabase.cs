using System.Net.Sockets;
using MongoDB.Bson;
using MongoDB.Driver;

namespace Dts.Common.Logs.Mongo;

/// <summary>The database <c>cron</c> of a MongoDB.</summary>
/// <remarks>Thread-safe. Use the other members within <see cref="RunAsync"/>, which translates the driver's exceptions.</remarks>
internal sealed class MongoDatabase : IDisposable
{
    private static readonly TimeSpan CallsEndWithin = TimeSpan.FromSeconds(10);

    private readonly MongoClient _client;
    private readonly IMongoDatabase _database;
    private readonly CountdownEvent _calls = new(1); // One more until it is disposed.

    /// <summary>Connects at the first use.</summary>
    /// <exception cref="FormatException">The text is not a MongoDB URI; the message says what is wrong.</exception>
    public MongoDatabase(string uri, TimeSpan connectTimeout)
    {
        Where = $"MongoDB at {MongoUri.HostsOf(uri)}";
        _client = new MongoClient(MongoUri.Read(uri, connectTimeout));
        _database = _client.GetDatabase("cron");
    }

    /// <summary>The hosts, without user and password.</summary>
    public string Where { get; }

    /// <summary>Makes calls; <see cref="Dispose"/> waits for them.</summary>
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

    /// <summary>Finds out, without a change, why records cannot be written; empty = they can.</summary>
    public Task<string> ExamineAsync() => RunAsync(async () =>
    {
        await CommandAsync(new BsonDocument("ping", 1));

        // An update of no document needs the right to write, and changes nothing.
        var update = new BsonDocument
        {
            { "q", new BsonDocument("_id", "no such record") },
            { "u", new BsonDocument("$set", new BsonDocument("err", "")) },
        };
        try
        {
            await CommandAsync(new BsonDocument { { "update", "log" }, { "updates", new BsonArray { update } } });
            return "";
        }
        catch (MongoCommandException refusal)
        {
            return refusal.ErrorMessage;
        }
    });

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

    public IMongoCollection<RawBsonDocument> Collection(string name) => _database.GetCollection<RawBsonDocument>(name);

    public LogStoreException Failed(string why) => new($"{Where}: {why}", new IOException(why));

    /// <summary>Waits briefly for calls in progress; the rest ends with the process.</summary>
    public void Dispose()
    {
        if (_calls.IsSet || _calls.Signal() || _calls.Wait(CallsEndWithin))
        {
            _client.Dispose();
        }
    }

    /// <summary>The cause in one line.</summary>
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
}
