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

    private const string Insert = """
        insert into log (_id, jobName, status, startTime, planTime, missedSince, expireAt, record)
        values ($id, $job, $status, $start, $plan, $since, $expire, cast($record as text)) on conflict (_id) do nothing
        """;

    private const int CountsOfRun = 4; // Status, duration, longest duration, lag.

    private const string Replace = """
        update log set status = $status, startTime = $start, expireAt = $expire, record = cast($record as text) where _id = $id
        """;

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
        using var insert = Prepare(connection, Insert, "$id", "$job", "$status", "$start", "$plan", "$since", "$expire", "$record");
        foreach (var record in records)
        {
            if (TryExecute(insert, record, refused, [
                record.Id, record.JobName, record.Status.Word(), record.StartTime, record.PlanTime, record.MissedSince,
                record.ExpireAt.ToUnixTimeMilliseconds(), ToJson(record)]) is not { } rows)
            {
                continue;
            }

            if (rows > 0)
            {
                counts.Add(record);
            }
            else if (record.Status != RunStatus.Lost)
            {
                ReplaceFormer(connection, record, ToJson(record), refused, counts);
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

    /// <summary>The record takes the place of another of the same run, if it replaces it.</summary>
    private static void ReplaceFormer(
        SqliteConnection connection, RunRecord record, byte[] json, List<Refused<RunRecord>> refused, DayCounts counts)
    {
        using var find = Prepare(connection, "select record from log where _id = $id", "$id");
        find.Parameters[0].Value = record.Id;
        var former = find.ExecuteScalar() is string found ? TryParse(found) : null;
        if (former is not null && !record.Replaces(former))
        {
            return;
        }

        using var replace = Prepare(connection, Replace, "$id", "$status", "$start", "$expire", "$record");
        if (TryExecute(replace, record, refused, [
            record.Id, record.Status.Word(), record.StartTime, record.ExpireAt.ToUnixTimeMilliseconds(), json]) is null)
        {
            return;
        }

        counts.Add(record);
        if (former is not null)
        {
            counts.Subtract(former);
        }
    }

    /// <summary>Null = this version cannot read the record, so what it was counted as is unknown.</summary>
    private static RunRecord? TryParse(string json)
    {
        try
        {
            return Parse(json);
        }
        catch (JsonException)
        {
            return null;
        }
    }

    /// <summary>Executes a statement that writes a value. Returns the number of rows written; null = SQLite refuses the value.</summary>
    private static int? TryExecute<T>(SqliteCommand command, T what, List<Refused<T>> refused, object[] values)
    {
        for (var i = 0; i < values.Length; i++)
        {
            command.Parameters[i].Value = values[i];
        }

        try
        {
            return command.ExecuteNonQuery();
        }
        catch (SqliteException failure) when (failure.SqliteErrorCode is TooBig or Constraint or Mismatch)
        {
            refused.Add(new Refused<T>(what, failure.Message));
            return null;
        }
    }

    private static void WriteCounts(SqliteConnection connection, DayCounts counts)
    {
        using var one = PrepareCounts(connection, 1);
        using var some = PrepareCounts(connection, CountsOfRun);
        foreach (var (job, day, sums) in counts.InOrder)
        {
            var rest = sums.Where(sum => sum.Value != 0).ToList();
            foreach (var rows in rest.Chunk(rest.Count % CountsOfRun == 0 ? CountsOfRun : 1))
            {
                var command = rows.Length == 1 ? one : some;
                (command.Parameters[0].Value, command.Parameters[1].Value) = (job, DayKeys.TextOf(day));
                for (var n = 0; n < rows.Length; n++)
                {
                    (command.Parameters[2 + (2 * n)].Value, command.Parameters[3 + (2 * n)].Value) = (rows[n].Key, rows[n].Value);
                }

                command.ExecuteNonQuery();
            }
        }
    }

    /// <summary>A statement that adds some counts to those of a day.</summary>
    private static SqliteCommand PrepareCounts(SqliteConnection connection, int count)
    {
        var rows = Enumerable.Range(0, count).ToList();
        return Prepare(
            connection,
            $"""
            insert into stats (jobName, day, key, n) values {string.Join(", ", rows.Select(n => $"($job, $day, $key{n}, $n{n})"))}
            on conflict (jobName, day, key) do update set
                n = case key when '{DayKeys.Longest}' then max(n, excluded.n) else n + excluded.n end
            """,
            ["$job", "$day", .. rows.SelectMany(n => (string[])[$"$key{n}", $"$n{n}"])]);
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
