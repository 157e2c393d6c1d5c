using System.Text.Json;
using Dts.Common.Jobs;
using Microsoft.Data.Sqlite;

namespace Dts.Common.Logs;

/// <summary>The log of a single host: one SQLite file in WAL mode, which several processes write and read at a time.</summary>
public sealed class SqliteLogStore : ILogStore
{
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
        create index if not exists log_job on log (jobName, startTime desc, _id);
        create index if not exists log_start on log (startTime desc, _id);
        create index if not exists log_status on log (status, startTime desc, _id);
        create index if not exists log_plan on log (jobName, planTime);
        create index if not exists log_missed on log (jobName, missedSince, planTime) where missedSince > 0;
        create index if not exists log_expire on log (expireAt);
        """;

    private const string Upsert = """
        insert into log (_id, jobName, status, startTime, planTime, missedSince, expireAt, record) values ($id, $job, $status, $start, $plan, $since, $expire, $record)
        on conflict (_id) do update set
            status = excluded.status, startTime = excluded.startTime, expireAt = excluded.expireAt, record = excluded.record
        where excluded.status <> 'lost'
        """;

    private readonly string _path;
    private readonly Lock _gate = new();
    private SqliteConnection? _open;

    /// <summary>The file is opened, and made if it is missing, when it is first needed.</summary>
    public SqliteLogStore(string path) => _path = path;

    public Task WriteAsync(IReadOnlyList<RunRecord> records, CancellationToken cancel) => Locked(connection =>
    {
        using var transaction = connection.BeginTransaction(deferred: false);
        using var command = connection.CreateCommand();
        command.Transaction = transaction;
        command.CommandText = Upsert;
        foreach (var record in records)
        {
            command.Parameters.Clear();
            command.Parameters.AddWithValue("$id", record.Id);
            command.Parameters.AddWithValue("$job", record.JobName);
            command.Parameters.AddWithValue("$status", record.Status.Word());
            command.Parameters.AddWithValue("$start", record.StartTime);
            command.Parameters.AddWithValue("$plan", record.PlanTime);
            command.Parameters.AddWithValue("$since", record.MissedSince);
            command.Parameters.AddWithValue("$expire", record.ExpireAt.ToUnixTimeMilliseconds());
            command.Parameters.AddWithValue("$record", JsonSerializer.Serialize(record, DtsJson.Readable.RunRecord));
            command.ExecuteNonQuery();
        }

        transaction.Commit();
        return records.Count;
    });

    public Task<IReadOnlyList<RunRecord>> ListAsync(JobName job, int skip, int limit, CancellationToken cancel) => Query(
        "select record from log where jobName = $job order by startTime desc, _id desc limit $limit offset $skip",
        ("$job", job.Value), ("$limit", limit), ("$skip", skip));

    public Task<IReadOnlyList<RunRecord>> ListPlannedAsync(JobName job, DateTimeOffset from, DateTimeOffset until, CancellationToken cancel) => Query(
        """
        select record from log where jobName = $job and planTime >= $from and planTime < $to
        union all
        select record from log where jobName = $job and missedSince > 0 and missedSince < $to and planTime >= $to
        """,
        ("$job", job.Value), ("$from", from.ToUnixTimeMilliseconds()), ("$to", until.ToUnixTimeMilliseconds()));

    public Task<int> RemoveExpiredAsync(DateTimeOffset now, CancellationToken cancel) => Locked(connection =>
    {
        using var command = connection.CreateCommand();
        command.CommandText = "delete from log where rowid in (select rowid from log where expireAt < $now limit 1000)";
        command.Parameters.AddWithValue("$now", now.ToUnixTimeMilliseconds());
        return command.ExecuteNonQuery();
    });

    public void Dispose() => _open?.Dispose();

    private Task<IReadOnlyList<RunRecord>> Query(string sql, params (string Name, object Value)[] parameters) => Locked<IReadOnlyList<RunRecord>>(connection =>
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
            if (JsonSerializer.Deserialize(rows.GetString(0), DtsJson.Readable.RunRecord) is { } record)
            {
                records.Add(record);
            }
        }

        return records;
    });

    private static void Execute(SqliteConnection connection, string sql)
    {
        using var command = connection.CreateCommand();
        command.CommandText = sql;
        command.ExecuteNonQuery();
    }

    private SqliteConnection Open()
    {
        Directory.CreateDirectory(Path.GetDirectoryName(_path)!);
        var settings = new SqliteConnectionStringBuilder { DataSource = _path, Pooling = false, DefaultTimeout = 10 };
        var connection = new SqliteConnection(settings.ToString());
        try
        {
            connection.Open();
            Execute(connection, "pragma journal_mode = wal; pragma synchronous = full;");
            Execute(connection, Schema);
            return connection;
        }
        catch (SqliteException)
        {
            connection.Dispose();
            throw;
        }
    }

    private Task<T> Locked<T>(Func<SqliteConnection, T> action) => Task.Run(() =>
    {
        try
        {
            lock (_gate)
            {
                return action(_open ??= Open());
            }
        }
        catch (Exception failure) when (failure is SqliteException or IOException or UnauthorizedAccessException)
        {
            throw new LogStoreException($"log file {_path}: {failure.Message}", failure);
        }
    });
}
