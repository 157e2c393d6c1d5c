using System.Buffers.Binary;
using System.Collections.Concurrent;
using System.IO.Compression;
using System.Net;
using System.Net.Sockets;
using System.Text;
using MongoDB.Bson;
using Npgsql;

namespace Dts.Tests.Support;

/// <summary>Speaks MongoDB's wire protocol to drivers, and SQL to DocumentDB, whose functions take whole command documents.</summary>
/// <remarks>
/// https://www.mongodb.com/docs/manual/reference/mongodb-wire-protocol: OP_MSG, and OP_QUERY, with which drivers say hello. One connection
/// behind for each in front.
/// </remarks>
internal sealed class DocumentGateway : IAsyncDisposable
{
    private const int DocumentSizeMax = 16 << 20;
    private const int CommandSizeMax = DocumentSizeMax + (16 << 10);
    private const int OpReply = 1;
    private const int OpQuery = 2004;
    private const int OpCompressed = 2012;
    private const int OpMsg = 2013;
    private const int DuplicateKeyThere = 319_029_277; // DocumentDB's number for it,
    private const int DuplicateKeyHere = 11_000;       // and MongoDB's.

    private static readonly string[] OfTheProtocol =
    [
        "lsid",
        "$db",
        "$clusterTime",
        "txnNumber",
        "$readPreference",
        "writeConcern",
        "readConcern",
        "apiVersion",
    ];

    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly CancellationTokenSource _stop = new();
    private readonly ConcurrentDictionary<long, string> _continuations = new();
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

    /// <summary>Commands that its users have no right to, as MongoDB answers those.</summary>
    public IReadOnlyCollection<string> Refuses { get; set; } = [];

    /// <summary>Documents with this text are refused, as by a collection's validator; empty = all are accepted.</summary>
    public string Rejects { get; set; } = "";

    /// <summary>Refuses the next insert as a primary that has stepped down.</summary>
    public bool StepsDown
    {
        get => _stepsDown;
        set => (_stepsDown, _isMember) = (value, true);
    }

    /// <summary>The compressors whose messages have come.</summary>
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
        catch (Exception ended) when (ended is OperationCanceledException or SocketException or ObjectDisposedException)
        {
            // Told to end.
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
                var compressor = operation == OpCompressed ? body[8] : (byte)0;
                if (operation == OpCompressed)
                {
                    (operation, body) = (BinaryPrimitives.ReadInt32LittleEndian(body), Decompress(compressor, body));
                }

                var isQuery = operation == OpQuery;
                var command = isQuery ? ReadQuery(body) : ReadMessage(body);
                var answer = body.Length > CommandSizeMax
                    ? Failure(10334, $"BSONObj size: {body.Length} is invalid. Size must be between 0 and {CommandSizeMax}")
                    : command[0].Name is "saslStart" or "saslContinue"
                    ? login.Answer(Read(Element.WriteAll(command)))?.ToBson() ?? Failure(18, "Authentication failed.")
                    : await AnswerAsync(database, command);
                var reply = isQuery
                    ? Reply(OpReply, request, new byte[20], answer, count: true)
                    : Reply(OpMsg, request, new byte[5], answer, count: false);
                await stream.WriteAsync(compressor > 0 ? Compress(compressor, reply) : reply, _stop.Token);
            }
        }
        catch (Exception ended) when (ended is OperationCanceledException or IOException or SocketException or NpgsqlException)
        {
            // The driver or the server is gone; the other hears of it by the connection's end.
        }
    }

    /// <summary>The command, with the database that its collection's name begins with, as OP_MSG has it.</summary>
    private static List<Element> ReadQuery(byte[] body)
    {
        var collectionEnd = Array.IndexOf(body, (byte)0, 4);
        var database = Encoding.UTF8.GetString(body.AsSpan(4, collectionEnd - 4)).Split('.')[0];
        return [.. Element.ReadAll(body.AsMemory(collectionEnd + 1 + 8)), .. Element.ReadAll(new BsonDocument("$db", database).ToBson())];
    }

    /// <summary>The command, with what came in sections of their own (the documents of an insert) put into it as arrays.</summary>
    private static List<Element> ReadMessage(byte[] body)
    {
        List<Element> command = [];
        for (var at = 4; at < body.Length;)
        {
            var kind = body[at++];
            var size = BinaryPrimitives.ReadInt32LittleEndian(body.AsSpan(at));
            if (kind == 0)
            {
                command.InsertRange(0, Element.ReadAll(body.AsMemory(at, size)));
            }
            else
            {
                var nameEnd = Array.IndexOf(body, (byte)0, at + 4);
                command.Add(Element.Array(
                    Encoding.UTF8.GetString(body.AsSpan(at + 4, nameEnd - at - 4)), body.AsMemory(nameEnd + 1, at + size - nameEnd - 1)));
            }

            at += size;
        }

        return command;
    }

    private async Task<byte[]> AnswerAsync(NpgsqlConnection database, List<Element> command)
    {
        var name = command[0].Name;
        if (Rejects is { Length: > 0 } rejected && command.Find(element => element.Name is "documents" or "updates") is { } array)
        {
            var written = Element.ReadAll(array.Value);
            var allowed = written.Where(element => element.Value.Span.IndexOf(Encoding.UTF8.GetBytes(rejected)) < 0).ToList();
            if (allowed.Count < written.Count)
            {
                return await ValidateAsync(database, command, array, written, allowed);
            }
        }

        var target = command.FirstOrDefault(element => element.Name == "$db")?.Text ?? "admin";
        var spec = Hex(Element.WriteAll(command.Where(element => !OfTheProtocol.Contains(element.Name))));
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

        try
        {
            return name.ToLowerInvariant() switch
            {
                "hello" or "ismaster" => Hello(command),
                "ping" or "endsessions" or "killcursors" => new BsonDocument("ok", 1).ToBson(),
                "buildinfo" => new BsonDocument { { "version", "7.0.0" }, { "ok", 1 } }.ToBson(),
                "insert" or "update" or "delete" =>
                    await CallAsync(
                        database,
                        $"select p_result::text, null::text from documentdb_api.{name}($1, $2::documentdb_core.bson)",
                        target,
                        spec),
                "find" => await CursorAsync(database, "find_cursor_first_page", target, spec),
                "aggregate" => await CursorAsync(database, "aggregate_cursor_first_page", target, spec),
                "listindexes" => await CursorAsync(database, "list_indexes_cursor_first_page", target, spec),
                "listcollections" => await CursorAsync(database, "list_collections_cursor_first_page", target, spec),
                "getmore" => await GetMoreAsync(database, target, spec, command[0].Long),
                "createindexes" => await CallAsync(
                    database,
                    "select retval::text, null::text from documentdb_api.create_indexes_background($1, $2::documentdb_core.bson)",
                    target,
                    spec),
                "create" => await DoAsync(database, "select documentdb_api.create_collection($1, $2)", target, command[0].Text),
                "drop" => await DoAsync(database, "select documentdb_api.drop_collection($1, $2)", target, command[0].Text),
                "count" => await CallAsync(
                    database, "select documentdb_api.count_query($1, $2::documentdb_core.bson)::text, null::text", target, spec),
                "distinct" => await CallAsync(
                    database, "select documentdb_api.distinct_query($1, $2::documentdb_core.bson)::text, null::text", target, spec),
                _ => Failure(59, $"no such command: {name}"),
            };
        }
        catch (PostgresException refused)
        {
            return Failure(1, $"{refused.MessageText} ({refused.SqlState})");
        }
    }

    /// <summary>Writes the accepted documents and answers for all of them.</summary>
    private async Task<byte[]> ValidateAsync(
        NpgsqlConnection database, List<Element> command, Element array, List<Element> written, List<Element> allowed)
    {
        var rest = new Element(array.Type, array.Name, Element.WriteAll(allowed.Select((element, i) => element with { Name = $"{i}" })));
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

    /// <summary>A server alone; also the primary of a replica set, once one was asked to step down.</summary>
    private byte[] Hello(List<Element> asked) => new BsonDocument
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

    private static IEnumerable<string> CompressorsOf(List<Element> asked) =>
        asked.Find(element => element.Name == "compression") is { } names ? Element.ReadAll(names.Value).Select(name => name.Text) : [];

    private byte[] Decompress(byte compressor, byte[] body)
    {
        var (size, bytes) = (BinaryPrimitives.ReadInt32LittleEndian(body.AsSpan(4)), body[9..]);
        Compressors.Add(compressor switch { 1 => "snappy", 2 => "zlib", _ => "zstd" });
        switch (compressor)
        {
            case 1:
                return Snappier.Snappy.DecompressToArray(bytes);
            case 2:
                var plain = new byte[size];
                using (var zlib = new ZLibStream(new MemoryStream(bytes), CompressionMode.Decompress))
                {
                    zlib.ReadExactly(plain);
                }

                return plain;
            default:
                using (var zstd = new ZstdSharp.DecompressionStream(new MemoryStream(bytes)))
                {
                    var all = new byte[size];
                    zstd.ReadExactly(all);
                    return all;
                }
        }
    }

    private static byte[] Compress(byte compressor, byte[] reply)
    {
        using var bytes = new MemoryStream();
        bytes.Write(reply.AsSpan(0, 12));
        bytes.Write(new byte[13]);
        switch (compressor)
        {
            case 1:
                bytes.Write(Snappier.Snappy.CompressToArray(reply.AsSpan(16)));
                break;
            case 2:
                using (var zlib = new ZLibStream(bytes, CompressionLevel.Fastest, leaveOpen: true))
                {
                    zlib.Write(reply.AsSpan(16));
                }

                break;
            default:
                using (var zstd = new ZstdSharp.CompressionStream(bytes, leaveOpen: true))
                {
                    zstd.Write(reply.AsSpan(16));
                }

                break;
        }

        var message = bytes.ToArray();
        BinaryPrimitives.WriteInt32LittleEndian(message, message.Length);
        BinaryPrimitives.WriteInt32LittleEndian(message.AsSpan(12), OpCompressed);
        reply.AsSpan(12, 4).CopyTo(message.AsSpan(16));
        BinaryPrimitives.WriteInt32LittleEndian(message.AsSpan(20), reply.Length - 16);
        message[24] = compressor;
        return message;
    }

    private static byte[] Failure(int code, string message) =>
        new BsonDocument { { "ok", 0 }, { "code", code }, { "errmsg", message } }.ToBson();

    private static BsonDocument Read(byte[] document) => new RawBsonDocument(document).Materialize(new());

    private async Task<byte[]> CursorAsync(NpgsqlConnection database, string function, string target, string spec)
    {
        await using var query = new NpgsqlCommand(
            $"select cursorpage::text, continuation::text from documentdb_api.{function}($1, $2::documentdb_core.bson)", database);
        query.Parameters.AddWithValue(target);
        query.Parameters.AddWithValue(spec);
        return await ReadAsync(query);
    }

    private async Task<byte[]> GetMoreAsync(NpgsqlConnection database, string target, string spec, long cursor)
    {
        if (!_continuations.TryRemove(cursor, out var continuation))
        {
            return Failure(43, $"cursor {cursor} is not there");
        }

        await using var query = new NpgsqlCommand(
            "select cursorpage::text, continuation::text from documentdb_api.cursor_get_more($1, $2::documentdb_core.bson, "
                + "$3::documentdb_core.bson)",
            database);
        query.Parameters.AddWithValue(target);
        query.Parameters.AddWithValue(spec);
        query.Parameters.AddWithValue(continuation);
        return await ReadAsync(query);
    }

    private async Task<byte[]> CallAsync(NpgsqlConnection database, string sql, string target, string spec)
    {
        await using var query = new NpgsqlCommand(sql, database);
        query.Parameters.AddWithValue(target);
        query.Parameters.AddWithValue(spec);
        return await ReadAsync(query);
    }

    private async Task<byte[]> ReadAsync(NpgsqlCommand query)
    {
        await using var rows = await query.ExecuteReaderAsync(_stop.Token);
        await rows.ReadAsync(_stop.Token);
        var answer = Convert.FromHexString(rows.GetString(0).AsSpan("BSONHEX".Length));
        if (!rows.IsDBNull(1)
            && new RawBsonDocument(answer).TryGetValue("cursor", out var page)
            && page["id"].ToInt64() is not 0 and var cursor)
        {
            _continuations[cursor] = rows.GetString(1);
        }

        ReplaceNumber(answer, DuplicateKeyThere, DuplicateKeyHere);
        return answer;
    }

    private static async Task<byte[]> DoAsync(NpgsqlConnection database, string sql, string target, string collection)
    {
        await using var query = new NpgsqlCommand(sql, database);
        query.Parameters.AddWithValue(target);
        query.Parameters.AddWithValue(collection);
        await query.ExecuteNonQueryAsync();
        return new BsonDocument("ok", 1).ToBson();
    }

    private static string Hex(byte[] document) => "BSONHEX" + Convert.ToHexString(document);

    private static void ReplaceNumber(Span<byte> document, int from, int to)
    {
        Span<byte> pattern = stackalloc byte[4];
        BinaryPrimitives.WriteInt32LittleEndian(pattern, from);
        for (int at; (at = document.IndexOf(pattern)) >= 0;)
        {
            BinaryPrimitives.WriteInt32LittleEndian(document[at..], to);
        }
    }

    private static byte[] Reply(int opCode, int responseTo, byte[] head, byte[] document, bool count)
    {
        var reply = new byte[16 + head.Length + document.Length];
        BinaryPrimitives.WriteInt32LittleEndian(reply, reply.Length);
        BinaryPrimitives.WriteInt32LittleEndian(reply.AsSpan(8), responseTo);
        BinaryPrimitives.WriteInt32LittleEndian(reply.AsSpan(12), opCode);
        head.CopyTo(reply.AsSpan(16));
        if (count)
        {
            BinaryPrimitives.WriteInt32LittleEndian(reply.AsSpan(16 + 16), 1); // documents returned
        }

        document.CopyTo(reply.AsSpan(16 + head.Length));
        return reply;
    }

    /// <summary>An element of a document as it stands there.</summary>
    private sealed record Element(byte Type, string Name, ReadOnlyMemory<byte> Value)
    {
        public string Text => Type == 0x02 ? Encoding.UTF8.GetString(Value.Span[4..^1]) : "";

        public long Long =>
            Type == 0x12 ? BinaryPrimitives.ReadInt64LittleEndian(Value.Span) : BinaryPrimitives.ReadInt32LittleEndian(Value.Span);

        public static List<Element> ReadAll(ReadOnlyMemory<byte> document)
        {
            List<Element> elements = [];
            for (var at = 4; document.Span[at] != 0;)
            {
                var type = document.Span[at++];
                var nameEnd = at + document.Span[at..].IndexOf((byte)0);
                var size = SizeOf(type, document.Span[(nameEnd + 1)..]);
                elements.Add(new Element(type, Encoding.UTF8.GetString(document.Span[at..nameEnd]), document.Slice(nameEnd + 1, size)));
                at = nameEnd + 1 + size;
            }

            return elements;
        }

        private static int SizeOf(byte type, ReadOnlySpan<byte> value) => type switch
        {
            0x01 or 0x09 or 0x11 or 0x12 => 8,
            0x02 or 0x0D or 0x0E => 4 + BinaryPrimitives.ReadInt32LittleEndian(value),
            0x03 or 0x04 or 0x0F => BinaryPrimitives.ReadInt32LittleEndian(value),
            0x05 => 5 + BinaryPrimitives.ReadInt32LittleEndian(value),
            0x07 => 12,
            0x08 => 1,
            0x10 => 4,
            0x13 => 16,
            0x06 or 0x0A or 0x7F or 0xFF => 0,
            0x0B => RegexSize(value),
            _ => throw new InvalidDataException($"BSON type {type}"),
        };

        private static int RegexSize(ReadOnlySpan<byte> value)
        {
            var pattern = value.IndexOf((byte)0) + 1;
            return pattern + value[pattern..].IndexOf((byte)0) + 1;
        }

        /// <summary>An array of the documents that follow each other in a section.</summary>
        public static Element Array(string name, ReadOnlyMemory<byte> documents)
        {
            List<Element> elements = [];
            for (var at = 0; at < documents.Length;)
            {
                var size = BinaryPrimitives.ReadInt32LittleEndian(documents.Span[at..]);
                elements.Add(new Element(0x03, $"{elements.Count}", documents.Slice(at, size)));
                at += size;
            }

            return new Element(0x04, name, WriteAll(elements));
        }

        public static byte[] WriteAll(IEnumerable<Element> elements)
        {
            using var document = new MemoryStream();
            document.Write(new byte[4]);
            foreach (var element in elements)
            {
                document.WriteByte(element.Type);
                document.Write(Encoding.UTF8.GetBytes(element.Name));
                document.WriteByte(0);
                document.Write(element.Value.Span);
            }

            document.WriteByte(0);
            var bytes = document.ToArray();
            BinaryPrimitives.WriteInt32LittleEndian(bytes, bytes.Length);
            return bytes;
        }
    }
}
