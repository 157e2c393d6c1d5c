using System.Buffers.Binary;
using System.Collections.Concurrent;
using MongoDB.Bson;
using Npgsql;

namespace Dts.Tests.Support;

/// <summary>MongoDB's commands as calls of DocumentDB's SQL functions, which take whole command documents.</summary>
internal sealed class DocumentCommands
{
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

    private readonly ConcurrentDictionary<long, string> _continuations = new();

    public static byte[] Failure(int code, string message) =>
        new BsonDocument { { "ok", 0 }, { "code", code }, { "errmsg", message } }.ToBson();

    /// <param name="target">The database that the command names.</param>
    public async Task<byte[]> AnswerAsync(NpgsqlConnection database, List<RawElement> command, string target, CancellationToken stop)
    {
        var name = command[0].Name;
        var spec = Hex(RawElement.WriteAll(command.Where(element => !OfTheProtocol.Contains(element.Name))));
        try
        {
            return name.ToLowerInvariant() switch
            {
                "insert" or "update" or "delete" =>
                    await CallAsync(
                        database,
                        $"select p_result::text, null::text from documentdb_api.{name}($1, $2::documentdb_core.bson)",
                        target,
                        spec,
                        stop),
                "find" => await CursorAsync(database, "find_cursor_first_page", target, spec, stop),
                "aggregate" => await CursorAsync(database, "aggregate_cursor_first_page", target, spec, stop),
                "listindexes" => await CursorAsync(database, "list_indexes_cursor_first_page", target, spec, stop),
                "listcollections" => await CursorAsync(database, "list_collections_cursor_first_page", target, spec, stop),
                "getmore" => await GetMoreAsync(database, target, spec, command[0].Long, stop),
                "createindexes" => await CallAsync(
                    database,
                    "select retval::text, null::text from documentdb_api.create_indexes_background($1, $2::documentdb_core.bson)",
                    target,
                    spec,
                    stop),
                "create" => await DoAsync(database, "select documentdb_api.create_collection($1, $2)", target, command[0].Text),
                "drop" => await DoAsync(database, "select documentdb_api.drop_collection($1, $2)", target, command[0].Text),
                "count" => await CallAsync(
                    database, "select documentdb_api.count_query($1, $2::documentdb_core.bson)::text, null::text", target, spec, stop),
                "distinct" => await CallAsync(
                    database, "select documentdb_api.distinct_query($1, $2::documentdb_core.bson)::text, null::text", target, spec, stop),
                _ => Failure(59, $"no such command: {name}"),
            };
        }
        catch (PostgresException refused)
        {
            return Failure(1, $"{refused.MessageText} ({refused.SqlState})");
        }
    }

    private Task<byte[]> CursorAsync(NpgsqlConnection database, string function, string target, string spec, CancellationToken stop) =>
        CallAsync(
            database,
            $"select cursorpage::text, continuation::text from documentdb_api.{function}($1, $2::documentdb_core.bson)",
            target,
            spec,
            stop);

    private async Task<byte[]> GetMoreAsync(NpgsqlConnection database, string target, string spec, long cursor, CancellationToken stop)
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
        return await ReadAsync(query, stop);
    }

    private async Task<byte[]> CallAsync(NpgsqlConnection database, string sql, string target, string spec, CancellationToken stop)
    {
        await using var query = new NpgsqlCommand(sql, database);
        query.Parameters.AddWithValue(target);
        query.Parameters.AddWithValue(spec);
        return await ReadAsync(query, stop);
    }

    private async Task<byte[]> ReadAsync(NpgsqlCommand query, CancellationToken stop)
    {
        await using var rows = await query.ExecuteReaderAsync(stop);
        await rows.ReadAsync(stop);
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
}
