using System.Buffers.Binary;
using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using System.Text;
using MongoDB.Bson;
using Npgsql;
using static Dts.Tests.Support.DocumentCommands;

namespace Dts.Tests.Support;

/// <summary>A server that speaks MongoDB's wire protocol to drivers and passes their commands to DocumentDB.</summary>
/// <remarks>
/// It understands OP_MSG, and OP_QUERY, with which drivers say hello. It has a connection to the database for each client.
/// </remarks>
internal sealed class DocumentGateway : IAsyncDisposable
{
    private const int DocumentSizeMax = 16 << 20;
    private const int CommandSizeMax = DocumentSizeMax + (16 << 10);

    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly CancellationTokenSource _stop = new();
    private readonly DocumentCommands _commands = new();
    private readonly NpgsqlDataSource _database;
    private readonly Task _accepting;
    private volatile bool _stepsDown;
    private volatile bool _isMember;
    private readonly ConcurrentBag<Task> _serving = [];

    public DocumentGateway(string connectionString)
    {
        _database = NpgsqlDataSource.Create(connectionString);
        _listener.Start();
        _accepting = AcceptAsync();
    }

    public string Uri => $"mongodb://127.0.0.1:{((IPEndPoint)_listener.LocalEndpoint).Port}/?directConnection=true";

    /// <summary>Commands that are refused, as MongoDB refuses a user without the right.</summary>
    public IReadOnlyCollection<string> Refuses { get; set; } = [];

    /// <summary>Documents with this text are refused, as by a collection's validator; empty = all are accepted.</summary>
    public string Rejects { get; set; } = "";

    /// <summary>Refuses the next insert as a primary that has stepped down.</summary>
    public bool StepsDown
    {
        get => _stepsDown;
        set => (_stepsDown, _isMember) = (value, true);
    }

    /// <summary>The compressors of the messages received so far.</summary>
    public ConcurrentBag<string> Compressors { get; } = [];

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        _listener.Stop();
        await _accepting;
        await Task.WhenAll(_serving);
        await _database.DisposeAsync();
        _stop.Dispose();
    }

    private async Task AcceptAsync()
    {
        try
        {
            while (true)
            {
                _serving.Add(ServeAsync(await _listener.AcceptTcpClientAsync(_stop.Token)));
            }
        }
        catch (Exception ended) when (ended is OperationCanceledException or SocketException or InvalidOperationException)
        {
            // Disposed.
        }
    }

    private async Task ServeAsync(TcpClient client)
    {
        await Task.Yield();
        try
        {
            using var _ = client;
            client.NoDelay = true;
            await using var stream = client.GetStream();
            await using var database = await _database.OpenConnectionAsync(_stop.Token);
            var login = new ScramLogin();
            var head = new byte[16];
            while (await stream.ReadAtLeastAsync(head, 16, throwOnEndOfStream: false, _stop.Token) == 16)
            {
                var body = new byte[BinaryPrimitives.ReadInt32LittleEndian(head) - 16];
                await stream.ReadExactlyAsync(body, _stop.Token);
                var request = BinaryPrimitives.ReadInt32LittleEndian(head.AsSpan(4));
                var operation = BinaryPrimitives.ReadInt32LittleEndian(head.AsSpan(12));
                var compressor = operation == WireMessage.OpCompressed ? body[8] : (byte)0;
                if (operation == WireMessage.OpCompressed)
                {
                    (operation, body) = (BinaryPrimitives.ReadInt32LittleEndian(body), WireMessage.Decompress(compressor, body));
                    Compressors.Add(WireMessage.CompressorOf(compressor));
                }

                var isQuery = operation == WireMessage.OpQuery;
                var command = isQuery ? WireMessage.ReadQuery(body) : WireMessage.ReadMessage(body);
                var answer = body.Length > CommandSizeMax
                    ? Failure(10334, $"BSONObj size: {body.Length} is invalid. Size must be between 0 and {CommandSizeMax}")
                    : command[0].Name is "saslStart" or "saslContinue"
                    ? login.Answer(Read(RawElement.WriteAll(command)))?.ToBson() ?? Failure(18, "Authentication failed.")
                    : await AnswerAsync(database, command);
                var reply = isQuery
                    ? WireMessage.Reply(WireMessage.OpReply, request, new byte[20], answer, count: true)
                    : WireMessage.Reply(WireMessage.OpMsg, request, new byte[5], answer, count: false);
                await stream.WriteAsync(compressor > 0 ? WireMessage.Compress(compressor, reply) : reply, _stop.Token);
            }
        }
        catch (Exception ended) when (ended is OperationCanceledException or IOException or SocketException or NpgsqlException)
        {
            // The driver or the server is gone; closing the connection tells the other one.
        }
    }

    private async Task<byte[]> AnswerAsync(NpgsqlConnection database, List<RawElement> command)
    {
        var name = command[0].Name;
        if (Rejects is { Length: > 0 } rejected && command.Find(element => element.Name is "documents" or "updates") is { } array)
        {
            var written = RawElement.ReadAll(array.Value);
            var allowed = written.Where(element => element.Value.Span.IndexOf(Encoding.UTF8.GetBytes(rejected)) < 0).ToList();
            if (allowed.Count < written.Count)
            {
                return await ValidateAsync(database, command, array, written, allowed);
            }
        }

        var target = command.FirstOrDefault(element => element.Name == "$db")?.Text ?? "admin";
        if (Refuses.Contains(name))
        {
            return Failure(13, $"not authorized on {target} to execute command {name}");
        }

        if (StepsDown && name == "insert")
        {
            StepsDown = false;
            return new BsonDocument
            {
                { "ok", 0 },
                { "code", 10107 },
                { "errmsg", "not primary" },
                { "errorLabels", new BsonArray { "RetryableWriteError" } },
            }.ToBson();
        }

        return name.ToLowerInvariant() switch
        {
            "hello" or "ismaster" => Hello(command),
            "ping" or "endsessions" or "killcursors" => new BsonDocument("ok", 1).ToBson(),
            "buildinfo" => new BsonDocument { { "version", "7.0.0" }, { "ok", 1 } }.ToBson(),
            _ => await _commands.AnswerAsync(database, command, target, _stop.Token),
        };
    }

    /// <summary>Writes the accepted documents and answers for all of them.</summary>
    private async Task<byte[]> ValidateAsync(
        NpgsqlConnection database, List<RawElement> command, RawElement array, List<RawElement> written, List<RawElement> allowed)
    {
        var renumbered = allowed.Select((element, i) => element with { Name = $"{i}" });
        var rest = new RawElement(array.Type, array.Name, RawElement.WriteAll(renumbered));
        var answer = allowed.Count == 0
            ? []
            : Read(await AnswerAsync(database, [.. command.Select(element => element == array ? rest : element)]));
        var errors = answer.GetValue("writeErrors", new BsonArray()).AsBsonArray
            .Select(error => Error(written.IndexOf(allowed[error["index"].ToInt32()]), error["code"].ToInt32(), error["errmsg"].AsString))
            .Concat(written.Except(allowed).Select(element => Error(written.IndexOf(element), 121, "Document failed validation")));
        return new BsonDocument
        {
            { "n", answer.GetValue("n", 0).ToInt64() },
            { "writeErrors", new BsonArray(errors) },
            { "ok", 1 },
        }.ToBson();

        static BsonDocument Error(int index, int code, string why) => new() { { "index", index }, { "code", code }, { "errmsg", why } };
    }

    /// <summary>A standalone server; the primary of a replica set from the first step-down on.</summary>
    private byte[] Hello(List<RawElement> asked) => new BsonDocument
    {
        { "setName", "rs", _isMember },
        { "hosts", new BsonArray { Host }, _isMember },
        { "me", Host, _isMember },
        { "secondary", false, _isMember },
        { "compression", new BsonArray(CompressorsOf(asked)) },
        { "saslSupportedMechs", new BsonArray { "SCRAM-SHA-256" }, asked.Exists(element => element.Name == "saslSupportedMechs") },
        { "ismaster", true }, { "isWritablePrimary", true }, { "helloOk", true },
        { "maxBsonObjectSize", DocumentSizeMax }, { "maxMessageSizeBytes", 48_000_000 }, { "maxWriteBatchSize", 100_000 },
        { "minWireVersion", 0 }, { "maxWireVersion", 17 }, { "logicalSessionTimeoutMinutes", 30 }, { "ok", 1 },
    }.ToBson();

    private string Host => _listener.LocalEndpoint.ToString()!;

    private static IEnumerable<string> CompressorsOf(List<RawElement> asked) =>
        asked.Find(element => element.Name == "compression") is { } names ? RawElement.ReadAll(names.Value).Select(name => name.Text) : [];

    private static BsonDocument Read(byte[] document) => new RawBsonDocument(document).Materialize(new());
}
