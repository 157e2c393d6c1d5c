using System.Runtime.InteropServices;
using System.Text.Json;
using Dts.Common.Jobs;
using Dts.Common.Logs;
using Microsoft.Data.Sqlite;

namespace Dts.Worker.Logs;

/// <summary>Writes the log of a single host.</summary>
internal sealed class SqliteLogWriter : SqliteLog, ILogWriter
{
    // Result codes for the row, not the file (https://sqlite.org/rescode.html).
    private const int TooBig = 18;
    private const int Constraint = 19;
    private const int Mismatch = 20;

    private const string Upsert = """
        insert into log (_id, jobName, status, startTime, planTime, missedSince, expireAt, record)
        values ($id, $job, $status, $start, $plan, $since, $expire, cast($record as text))
        on conflict (_id) do update set
            status = excluded.status, startTime = excluded.startTime, expireAt = excluded.expireAt, record = excluded.record
        where excluded.status <> 'lost'
        """;

    private const string Count =
        "insert into stats (jobName, day, key, n) values ($job, $day, $key, $n) on conflict (jobName, day, "
            + "key) do update set n = n + excluded.n";
    private const string CountMost =
        "insert into stats (jobName, day, key, n) values ($job, $day, $key, $n) on conflict (jobName, day, key) do update set n = max(n, "
            + "excluded.n)";

    private readonly SqliteWriter _file;

    public SqliteLogWriter(string path)
        : base(path, SqliteSchema.Prepare) => _file = new SqliteWriter(LogFile);

    public Task<IReadOnlyList<Refused<RunRecord>>> WriteAsync(
        IReadOnlyList<RunRecord> records, CancellationToken cancel) => _file.WriteAsync<IReadOnlyList<Refused<RunRecord>>>(connection =>
    {
        var counts = new DayCounts();
        List<Refused<RunRecord>> refused = [];
        using var json = new MemoryStream();
        using var writer = LogsJson.WriteTo(json);
        using var find = Prepare(connection, "select record from log where _id = $id", "$id");
        using var upsert = Prepare(connection, Upsert, "$id", "$job", "$status", "$start", "$plan", "$since", "$expire", "$record");
        foreach (var record in records)
        {
            find.Parameters[0].Value = record.Id;
            var former = find.ExecuteScalar() is string found ? Parse(found) : null;
            if (former is not null && record.Status == RunStatus.Lost)
            {
                continue;
            }

            if (!TryExecute(upsert, record, refused, [
                record.Id, record.JobName, record.Status.Word(), record.StartTime, record.PlanTime, record.MissedSince,
                record.ExpireAt.ToUnixTimeMilliseconds(), ToJson(record)]))
            {
                continue;
            }

            counts.Add(record);
            if (former is not null)
            {
                counts.Subtract(former);
            }
        }

        WriteCounts(connection, counts);
        return refused;

        // SQLite takes UTF-8; a string would be copied twice.
        byte[] ToJson(RunRecord record)
        {
            json.SetLength(0);
            writer.Reset();
            JsonSerializer.Serialize(writer, record, LogsJson.Readable.RunRecord);
            return json.ToArray();
        }
    });

    public Task<IReadOnlyList<Refused<OutputChunk>>> WriteOutputAsync(
        IReadOnlyList<OutputChunk> chunks,
        CancellationToken cancel) => _file.WriteAsync<IReadOnlyList<Refused<OutputChunk>>>(connection =>
    {
        List<Refused<OutputChunk>> refused = [];
        using var insert = Prepare(
            connection,
            "insert or ignore into output (run, offset, expireAt, data) values ($run, $offset, $expire, $data)",
            "$run",
            "$offset",
            "$expire",
            "$data");
        foreach (var chunk in chunks)
        {
            var whole = MemoryMarshal.TryGetArray(chunk.Data, out var data) && data.Count == data.Array!.Length
                ? data.Array
                : chunk.Data.ToArray();
            TryExecute(insert, chunk, refused, [chunk.Run, chunk.Offset, chunk.ExpireAt.ToUnixTimeMilliseconds(), whole]);
        }

        return refused;
    });

    public Task<int> RemoveExpiredAsync(DateTimeOffset now, CancellationToken cancel) => _file.WriteAsync(connection =>
    {
        using var command = connection.CreateCommand();
        command.Parameters.AddWithValue("$now", now.ToUnixTimeMilliseconds());
        command.CommandText = "delete from output where (run, offset) in (select run, offset from output where expireAt < $now limit 1000)";
        var chunks = command.ExecuteNonQuery();
        command.CommandText = "delete from log where rowid in (select rowid from log where expireAt < $now limit 1000)";
        return Math.Max(chunks, command.ExecuteNonQuery());
    });

    public override void Dispose()
    {
        _file.Dispose();
        base.Dispose();
    }

    /// <summary>Executes a statement that writes a value; false = SQLite refuses the value.</summary>
    private static bool TryExecute<T>(SqliteCommand command, T what, List<Refused<T>> refused, object[] values)
    {
        for (var i = 0; i < values.Length; i++)
        {
            command.Parameters[i].Value = values[i];
        }

        try
        {
            command.ExecuteNonQuery();
            return true;
        }
        catch (SqliteException failure) when (failure.SqliteErrorCode is TooBig or Constraint or Mismatch)
        {
            refused.Add(new Refused<T>(what, failure.Message));
            return false;
        }
    }

    private static void WriteCounts(SqliteConnection connection, DayCounts counts)
    {
        using var add = Prepare(connection, Count, "$job", "$day", "$key", "$n");
        using var most = Prepare(connection, CountMost, "$job", "$day", "$key", "$n");
        foreach (var (job, day, sums) in counts.InOrder)
        {
            foreach (var (key, count) in sums.Where(sum => sum.Value != 0))
            {
                var command = key == DayKeys.Longest ? most : add;
                (
                    command.Parameters[0].Value,
                    command.Parameters[1].Value,
                    command.Parameters[2].Value,
                    command.Parameters[3].Value) = (job, DayKeys.TextOf(day), key, count);
                command.ExecuteNonQuery();
            }
        }
    }

    private static SqliteCommand Prepare(SqliteConnection connection, string sql, params string[] parameters)
    {
        var command = connection.CreateCommand();
        command.CommandText = sql;
        foreach (var parameter in parameters)
        {
            command.Parameters.Add(new SqliteParameter { ParameterName = parameter });
        }

        return command;
    }
}
