using Dts.Common.Logs;
using Microsoft.Data.Sqlite;

namespace Dts.Master.Audit;

/// <summary>The audit trail in the embedded store's table <c>audit</c>.</summary>
/// <remarks>The worker makes the file; before that, nothing can be written. Only masters need the table, so they make it.</remarks>
internal sealed class SqliteAuditStore : IAuditStore
{
    private const string Schema = """
        pragma synchronous = full;
        create table if not exists audit (
            _id text primary key, at integer not null, who text not null, role text not null, via text not null, origin text not null,
            act text not null, target text not null, outcome text not null, detail text not null, changes text not null,
            expireAt integer not null
        ) without rowid;
        create index if not exists audit_at on audit (at desc, _id desc);
        create index if not exists audit_expire on audit (expireAt);
        """;

    private const string Columns = "_id, at, who, role, via, origin, act, target, outcome, detail, changes";

    private readonly TimeSpan _retention;
    private readonly SqliteFile _reading;
    private readonly SqliteFile _writing;
    private readonly SqliteWriter _writer;

    public SqliteAuditStore(string path, TimeSpan retention)
    {
        _retention = retention;
        _reading = new SqliteFile(path);
        _writing = new SqliteFile(path, file => file.Execute(Schema), mustExist: true);
        _writer = new SqliteWriter(_writing);
    }

    public Task WriteAsync(IReadOnlyList<AuditRecord> records, CancellationToken cancel) => _writer.WriteAsync(connection =>
    {
        foreach (var record in records)
        {
            var texts = record.ListTexts().Select((text, i) => ($"${i}", (object)text)).ToList();
            using var command = Prepare(
                connection,
                $"insert or ignore into audit ({Columns}, expireAt) values "
                    + $"($id, $at, {string.Join(", ", texts.Select(text => text.Item1))}, $expire)",
                [
                    ("$id", record.Id),
                    ("$at", record.At.ToUnixTimeMilliseconds()),
                    ("$expire", (record.At + _retention).ToUnixTimeMilliseconds()),
                    .. texts,
                ]);
            command.ExecuteNonQuery();
        }

        return true;
    });

    public async Task<IReadOnlyList<AuditRecord>> ListAsync(AuditQuery query, CancellationToken cancel)
    {
        var (where, parameters) = ConditionsOf(query);
        var sql = $"select {Columns} from audit where {string.Join(" and ", where)} order by at desc, _id desc limit $limit";
        try
        {
            return await _reading.ReadAsync<IReadOnlyList<AuditRecord>>(
                connection =>
                {
                    using var command = Prepare(connection, sql, [.. parameters, ("$limit", query.Limit)]);
                    using var rows = command.ExecuteReader();
                    var records = new List<AuditRecord>();
                    while (rows.Read())
                    {
                        records.Add(Read(rows));
                    }

                    return records;
                },
                cancel);
        }
        catch (LogStoreException failure) when (SqliteFile.IsNotMade(failure))
        {
            return [];
        }
    }

    public Task RemoveExpiredAsync(DateTimeOffset now, CancellationToken cancel) => _writer.WriteAsync(connection =>
    {
        using var command = Prepare(connection, "delete from audit where expireAt < $now", ("$now", now.ToUnixTimeMilliseconds()));
        return command.ExecuteNonQuery();
    });

    public void Dispose()
    {
        _writer.Dispose();
        _writing.Dispose();
        _reading.Dispose();
    }

    private static (List<string> Where, List<(string, object)> Parameters) ConditionsOf(AuditQuery query)
    {
        var place = query.After ?? new AuditCursor(long.MaxValue, "");
        List<string> where = ["(at, _id) < ($at, $id)"];
        List<(string, object)> parameters = [("$at", place.AtMs), ("$id", place.Id)];
        Add("who = $who", "$who", query.Who.Length > 0 ? query.Who : null);
        Add("outcome = $outcome", "$outcome", query.Outcome.Length > 0 ? query.Outcome : null);
        Add("at >= $from", "$from", query.From?.ToUnixTimeMilliseconds());
        Add("at < $until", "$until", query.Until?.ToUnixTimeMilliseconds());
        for (var i = 0; i < query.Words.Count; i++)
        {
            Add(
                $"instr(lower(who || char(10) || origin || char(10) || act || char(10) || target || char(10) || detail), $word{i}) > 0",
                $"$word{i}",
                query.Words[i].ToLowerInvariant());
        }

        return (where, parameters);

        void Add(string condition, string name, object? value)
        {
            if (value is not null)
            {
                where.Add(condition);
                parameters.Add((name, value));
            }
        }
    }

    private static AuditRecord Read(SqliteDataReader row) =>
        AuditRecord.Of(row.GetString(0), row.GetInt64(1), [.. Enumerable.Range(2, row.FieldCount - 2).Select(row.GetString)]);

    private static SqliteCommand Prepare(SqliteConnection connection, string sql, params (string Name, object Value)[] parameters)
    {
        var command = connection.CreateCommand();
        command.CommandText = sql;
        foreach (var (name, value) in parameters)
        {
            command.Parameters.AddWithValue(name, value);
        }

        return command;
    }
}
