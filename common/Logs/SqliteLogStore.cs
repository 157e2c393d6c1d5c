using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;
using System.Text.Json;
using Dts.Common.Jobs;
using Microsoft.Data.Sqlite;

namespace Dts.Common.Logs;

/// <summary>The log of a single host: one SQLite file in WAL mode, which several processes write and read at a time.</summary>
public sealed class SqliteLogStore : ILogStore
{
    // Result codes that concern the row, not the file (https://sqlite.org/rescode.html).
    private const int TooBig = 18;
    private const int Constraint = 19;
    private const int Mismatch = 20;

    private const string Schema = """
        create table if not exists log (
            _id text primary key,
            jobName text not null,
            status text not null,
            startTime integer not null,
            planTime integer not null,
            missedSince integer not null,
            expireAt integer not null,
            record text not null
        );
        create index if not exists log_job on log (jobName, startTime desc, _id desc);
        create index if not exists log_start on log (startTime desc, _id desc);
        create index if not exists log_status on log (status, startTime desc, _id desc);
        create index if not exists log_plan on log (jobName, planTime);
        create index if not exists log_missed on log (jobName, missedSince, planTime) where missedSince > 0;
        create index if not exists log_expire on log (expireAt);
        create table if not exists output (
            run text, offset integer, expireAt integer not null, data blob not null, primary key (run, offset)
        ) without rowid;
        create index if not exists output_expire on output (expireAt);
        create table if not exists stats (
            jobName text, day text, key text, n integer not null, primary key (jobName, day, key)
        ) without rowid;
        """;

    private const string Upsert = """
        insert into log (_id, jobName, status, startTime, planTime, missedSince, expireAt, record)
        values ($id, $job, $status, $start, $plan, $since, $expire, cast($record as text))
        on conflict (_id) do update set
            status = excluded.status, startTime = excluded.startTime, expireAt = excluded.expireAt, record = excluded.record
        where excluded.status <> 'lost'
        """;

    private const string Count = """
        insert into stats (jobName, day, key, n) values ($job, $day, $key, $n)
        on conflict (jobName, day, key) do update set n = n + excluded.n
        """;

    private const string CountMost = """
        insert into stats (jobName, day, key, n) values ($job, $day, $key, $n)
        on conflict (jobName, day, key) do update set n = max(n, excluded.n)
        """;

    private const string InsertOutput = "insert or ignore into output (run, offset, expireAt, data) values ($run, $offset, $expire, $data)";

    private const int LettersEnd = 0x20000; // No letter at or above it has an upper and a lower case.

    /// <summary>For each upper-case letter, all letters that differ from it only in case.</summary>
    private static readonly Lazy<Dictionary<int, string>> Cases = new(FindCases);

    private readonly SqliteFile _file;

    /// <summary>The file is opened, and made if it is missing, when it is first needed.</summary>
    /// <param name="readOnly">A missing file is an error.</param>
    public SqliteLogStore(string path, bool readOnly = false) => _file = new SqliteFile(path, Schema, readOnly);

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

        // In UTF-8, as SQLite takes it: a string is copied twice on its way.
        byte[] ToJson(RunRecord record)
        {
            json.SetLength(0);
            writer.Reset();
            JsonSerializer.Serialize(writer, record, LogsJson.Readable.RunRecord);
            return json.ToArray();
        }
    });

    public Task<IReadOnlyList<Refused<OutputChunk>>> WriteOutputAsync(
        IReadOnlyList<OutputChunk> chunks, CancellationToken cancel) => _file.WriteAsync<IReadOnlyList<Refused<OutputChunk>>>(connection =>
    {
        List<Refused<OutputChunk>> refused = [];
        using var insert = Prepare(connection, InsertOutput, "$run", "$offset", "$expire", "$data");
        foreach (var chunk in chunks)
        {
            var whole = MemoryMarshal.TryGetArray(chunk.Data, out var data) && data.Count == data.Array!.Length
                ? data.Array
                : chunk.Data.ToArray();
            TryExecute(insert, chunk, refused, [chunk.Run, chunk.Offset, chunk.ExpireAt.ToUnixTimeMilliseconds(), whole]);
        }

        return refused;
    });

    public Task<IReadOnlyList<OutputChunk>> ReadOutputAsync(
        string run, long offset, int bytesMax, CancellationToken cancel) => _file.ReadAsync(connection =>
    {
        using var command = connection.CreateCommand();
        command.CommandText = """
            select offset, data from output
            where run = $run and offset >= coalesce((select max(offset) from output where run = $run and offset <= $offset), 0)
            order by offset
            """;
        command.Parameters.AddWithValue("$run", run);
        command.Parameters.AddWithValue("$offset", offset);
        using var rows = command.ExecuteReader();
        var chunks = new List<OutputChunk>();
        for (var bytes = 0; bytes < bytesMax && rows.Read();)
        {
            chunks.Add(new OutputChunk(run, rows.GetInt64(0), (byte[])rows[1], default));
            bytes += chunks[^1].Data.Length;
        }

        return OutputChunk.Join(chunks, offset);
    }, cancel);

    public async Task<RunRecord?> FindAsync(string id, CancellationToken cancel) =>
        await Query("select record from log where _id = $id", [("$id", id)], cancel) is [var record] ? record : null;

    public Task<IReadOnlyList<RunRecord>> ListAsync(JobName job, int skip, int limit, CancellationToken cancel) => Query(
        "select record from log where jobName = $job order by startTime desc, _id desc limit $limit offset $skip",
        [("$job", job.Value), ("$limit", limit), ("$skip", skip)],
        cancel);

    public async Task<LogPage> SearchAsync(LogQuery query, CancellationToken cancel)
    {
        var sql = new StringBuilder("select record from log where true");
        var parameters = new List<(string, object)> { ("$limit", query.Limit + 1) };
        Where("jobName = $job", "$job", query.Job);
        Where("status = $status", "$status", query.Status?.Word());
        Where("record ->> 'worker' = $worker", "$worker", query.Worker);
        Where("record ->> 'trigger' = $trigger", "$trigger", query.Trigger);
        Where("startTime >= $from", "$from", query.From?.ToUnixTimeMilliseconds());
        Where("startTime < $until", "$until", query.Until?.ToUnixTimeMilliseconds());
        Where(
            "(record ->> 'command' glob $text or record ->> 'err' glob $text)",
            "$text",
            query.Text is { } text ? $"*{string.Concat(text.EnumerateRunes().Select(InAnyCase))}*" : null);
        if (query.After is { } after)
        {
            Where("(startTime, _id) < ($afterStart, $afterId)", "$afterStart", after.StartTime);
            parameters.Add(("$afterId", after.Id));
        }

        sql.Append(" order by startTime desc, _id desc limit $limit");
        return LogPage.Of(await Query(sql.ToString(), [.. parameters], cancel), query.Limit);

        void Where(string condition, string name, object? value)
        {
            if (value is not null)
            {
                sql.Append(" and ").Append(condition);
                parameters.Add((name, value));
            }
        }
    }

    public Task<IReadOnlyList<RunRecord>> ListPlannedAsync(
        JobName job, DateTimeOffset from, DateTimeOffset until, CancellationToken cancel) => Query(
        """
        select record from log where jobName = $job and planTime >= $from and planTime < $to
        union all
        select record from log where jobName = $job and missedSince > 0 and missedSince < $to and planTime >= $to
        """,
        [("$job", job.Value), ("$from", from.ToUnixTimeMilliseconds()), ("$to", until.ToUnixTimeMilliseconds())],
        cancel);

    public Task<IReadOnlyList<DayStats>> ListStatsAsync(
        JobName job, DateOnly from, CancellationToken cancel) => _file.ReadAsync<IReadOnlyList<DayStats>>(connection =>
    {
        using var command = connection.CreateCommand();
        command.CommandText = "select day, key, n from stats where jobName = $job and day >= $from";
        command.Parameters.AddWithValue("$job", job.Value);
        command.Parameters.AddWithValue("$from", TextOf(from));
        using var rows = command.ExecuteReader();
        var days = new SortedDictionary<string, Dictionary<string, long>>(StringComparer.Ordinal);
        while (rows.Read())
        {
            var counts = days.TryGetValue(rows.GetString(0), out var known) ? known : days[rows.GetString(0)] = [];
            counts[rows.GetString(1)] = rows.GetInt64(2);
        }

        return [.. days.Select(day => new DayStats(DateOnly.ParseExact(day.Key, "yyyy-MM-dd", CultureInfo.InvariantCulture), day.Value))];
    }, cancel);

    public Task<int> RemoveExpiredAsync(DateTimeOffset now, CancellationToken cancel) => _file.WriteAsync(connection =>
    {
        using var command = connection.CreateCommand();
        command.Parameters.AddWithValue("$now", now.ToUnixTimeMilliseconds());
        command.CommandText = "delete from output where (run, offset) in (select run, offset from output where expireAt < $now limit 1000)";
        var chunks = command.ExecuteNonQuery();
        command.CommandText = "delete from log where rowid in (select rowid from log where expireAt < $now limit 1000)";
        return Math.Max(chunks, command.ExecuteNonQuery());
    });

    public void Dispose() => _file.Dispose();

    private static RunRecord? Parse(string json) => JsonSerializer.Deserialize(json, LogsJson.Readable.RunRecord);

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

    private static string TextOf(DateOnly day) => day.ToString("yyyy-MM-dd", CultureInfo.InvariantCulture);

    /// <summary>A pattern for glob; like ignores case for ASCII letters only.</summary>
    private static string InAnyCase(Rune rune) =>
        Cases.Value.TryGetValue(Rune.ToUpperInvariant(rune).Value, out var cases) ? $"[{cases}]"
        : rune.Value is '*' or '?' or '[' ? $"[{rune}]"
        : $"{rune}";

    private static Dictionary<int, string> FindCases()
    {
        var cases = new Dictionary<int, string>();
        for (var value = 'a' + 0; value < LettersEnd; value++)
        {
            if (Rune.IsValid(value) && Rune.ToUpperInvariant(new Rune(value)).Value is var upper && upper != value)
            {
                cases[upper] = cases.GetValueOrDefault(upper, char.ConvertFromUtf32(upper)) + char.ConvertFromUtf32(value);
            }
        }

        return cases;
    }

    private static void WriteCounts(SqliteConnection connection, DayCounts counts)
    {
        using var add = Prepare(connection, Count, "$job", "$day", "$key", "$n");
        using var most = Prepare(connection, CountMost, "$job", "$day", "$key", "$n");
        foreach (var (job, day, sums) in counts.InOrder)
        {
            foreach (var (key, count) in sums.Where(sum => sum.Value != 0))
            {
                var command = key == DayStats.Longest ? most : add;
                command.Parameters[0].Value = job;
                command.Parameters[1].Value = TextOf(day);
                command.Parameters[2].Value = key;
                command.Parameters[3].Value = count;
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

    private Task<IReadOnlyList<RunRecord>> Query(string sql, (string Name, object Value)[] parameters, CancellationToken cancel) =>
        _file.ReadAsync<IReadOnlyList<RunRecord>>(connection =>
        {
            using var command = connection.CreateCommand();
            command.CommandText = sql;
            foreach (var (name, value) in parameters)
            {
                command.Parameters.AddWithValue(name, value);
            }

            using var rows = command.ExecuteReader();
            var records = new List<RunRecord>();
            while (rows.Read())
            {
                if (Parse(rows.GetString(0)) is { } record)
                {
                    records.Add(record);
                }
            }

            return records;
        }, cancel);
}
