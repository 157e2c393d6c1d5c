using System.Net.Sockets;
using MongoDB.Bson;
using MongoDB.Driver;

namespace Dts.Common.Logs.Mongo;

/// <summary>The database <c>cron</c> of a MongoDB: commands, and documents found.</summary>
/// <remarks>Thread-safe. <see cref="RunAsync"/> makes calls; within it all others throw what the driver throws.</remarks>
internal sealed class MongoDatabase : IDisposable
{
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

    /// <summary>Finds out, and changes nothing, why records could not be written; empty = they could.</summary>
    public Task<string> ExamineAsync() => RunAsync(async () =>
    {
        await CommandAsync(new BsonDocument("ping", 1));

        // Of no document: it takes the right, and does nothing with it.
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

    /// <summary>Waits for the calls that are being made, but not long: what is left then ends with the process.</summary>
    public void Dispose()
    {
        if (_calls.IsSet || _calls.Signal() || _calls.Wait(CallsEndWithin))
        {
            _client.Dispose();
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
}
