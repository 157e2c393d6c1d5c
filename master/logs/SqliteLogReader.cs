using Dts.Common.Jobs;
using Dts.Common.Logs;
using Microsoft.Data.Sqlite;

namespace Dts.Master.Logs;

/// <summary>Reads the log of a single host.</summary>
/// <param name="mustExist">A missing file is an error; else it has no records yet.</param>
internal sealed class SqliteLogReader(string path, bool mustExist = false) : SqliteLog(path), ILogReader
{
    public async Task<RunRecord?> FindAsync(string id, CancellationToken cancel) =>
        await Query("select record from log where _id = $id", [("$id", id)], cancel) is [var record] ? record : null;

    public Task<IReadOnlyList<RunRecord>> ListAsync(JobName job, int skip, int limit, CancellationToken cancel) => Query(
        "select record from log where jobName = $job order by startTime desc, _id desc limit $limit offset $skip",
        [("$job", job.Value), ("$limit", limit), ("$skip", skip)],
        cancel);

    public async Task<LogPage> SearchAsync(LogQuery query, CancellationToken cancel)
    {
        var conditions = SqliteConditions.Of(query);
        return LogPage.Of(
            await QueryRecords(
                conditions.LatestOf("record"), [.. conditions.Parameters, ("$limit", query.Limit + 1)], query.Output, cancel),
            query.Limit);
    }

    public async Task<DateTimeOffset?> FindStartAsync(LogQuery query, int records, CancellationToken cancel)
    {
        var conditions = SqliteConditions.Of(query.Indexed);
        var starts = await ReadAsync(
            connection => connection.Rows(
                conditions.LatestOf("startTime"), [.. conditions.Parameters, ("$limit", records + 1)], row => row.GetInt64(0)),
            cancel);
        return starts.Count > records ? DateTimeOffset.FromUnixTimeMilliseconds(RecordTimes.Clamp(starts[^1])) : null;
    }

    public async Task<SpanCounts> CountAsync(LogQuery query, TimeSpan step, int recordsMax, CancellationToken cancel)
    {
        var ms = (long)step.TotalMilliseconds;
        var counts = await ReadAsync<SpanCounts>(
            connection => SqliteConditions.OnlyEndingsOf(query) is { } statuses
                ? [CountByIndex(connection, query, statuses, ms)]
                : [CountRecords(connection, SqliteConditions.Of(query), ms, recordsMax)],
            cancel);
        return counts is [var counted] ? counted : new SpanCounts([], IsWhole: true);
    }

    public Task<IReadOnlyList<RunRecord>> ListPlannedAsync(
        JobName job, DateTimeOffset from, DateTimeOffset until, CancellationToken cancel) => QueryRecords(
        """
        select record from log where jobName = $job and planTime >= $from and planTime < $to
        union all
        select record from log where jobName = $job and missedSince > 0 and missedSince < $to and planTime >= $to
        """,
        [("$job", job.Value), ("$from", from.ToUnixTimeMilliseconds()), ("$to", until.ToUnixTimeMilliseconds())],
        withOutput: false,
        cancel);

    public Task<IReadOnlyList<DayStats>> ListStatsAsync(
        JobName job, DateOnly from, CancellationToken cancel) => ReadAsync<DayStats>(connection =>
    {
        using var command = connection.CreateCommand();
        command.CommandText = "select day, key, n from stats where jobName = $job and day >= $from";
        command.Parameters.AddWithValue("$job", job.Value);
        command.Parameters.AddWithValue("$from", DayKeys.TextOf(from));
        using var rows = command.ExecuteReader();
        var days = new SortedDictionary<string, Dictionary<string, long>>(StringComparer.Ordinal);
        while (rows.Read())
        {
            var counts = days.TryGetValue(rows.GetString(0), out var known) ? known : days[rows.GetString(0)] = [];
            counts[rows.GetString(1)] = rows.GetInt64(2);
        }

        return [.. days.Select(day => new DayStats(DayKeys.DayOf(day.Key), day.Value))];
    }, cancel);

    public Task<IReadOnlyList<EndedRun>> ListEndingsAsync(IReadOnlyList<string> jobs, int each, CancellationToken cancel) => ReadEndings(
        "jobName = $key order by startTime desc, _id desc limit $limit", jobs, each, cancel);

    public Task<IReadOnlyList<EndedRun>> FindEndingsAsync(IReadOnlyList<string> ids, CancellationToken cancel) =>
        ReadEndings("_id = $key limit $limit", ids, 1, cancel);

    private Task<IReadOnlyList<EndedRun>> ReadEndings(
        string condition, IReadOnlyList<string> keys, int each, CancellationToken cancel) => ReadAsync<EndedRun>(connection =>
    {
        using var command = connection.CreateCommand();
        command.CommandText =
            "select _id, jobName, status, planTime, startTime, coalesce(record ->> 'endTime', 0), coalesce(record ->> 'worker', ''), "
                + $"coalesce(substr(record ->> 'err', 1, {EndedRun.ErrLengthMax}), ''), coalesce(record ->> 'lastLine', '') "
                + $"from log where {condition}";
        var key = command.Parameters.AddWithValue("$key", "");
        command.Parameters.AddWithValue("$limit", each);
        var endings = new List<EndedRun>();
        foreach (var value in keys)
        {
            cancel.ThrowIfCancellationRequested();
            key.Value = value;
            using var rows = command.ExecuteReader();
            while (rows.Read())
            {
                if (RunStatusWords.Find(rows.GetString(2)) is { } status)
                {
                    endings.Add(new EndedRun(
                        rows.GetString(1), EndedRun.RunIdOf(rows.GetString(0), rows.GetString(1)), status, TimeOf(rows, 3),
                        TimeOf(rows, 4), TimeOf(rows, 5), rows.GetString(6), rows.GetString(7), rows.GetString(8)));
                }
            }
        }

        return endings;
    }, cancel);

    private static long TimeOf(SqliteDataReader rows, int column) => RecordTimes.Clamp(rows.GetInt64(column));

    protected override async Task<IReadOnlyList<T>> ReadAsync<T>(
        Func<SqliteConnection, IReadOnlyList<T>> question, CancellationToken cancel)
    {
        try
        {
            return await base.ReadAsync(question, cancel);
        }
        catch (LogStoreException failure) when (SqliteFile.IsNotMade(failure) && !mustExist)
        {
            return []; // The worker makes the file with its first record.
        }
    }

    /// <summary>By the index of endings and start times alone: some ten million records a second.</summary>
    private static SpanCounts CountByIndex(SqliteConnection connection, LogQuery query, IEnumerable<RunStatus> statuses, long step)
    {
        var counts = new List<EndingCount>();
        using var first = connection.CreateCommand();
        first.CommandText =
            "select startTime from log where status = $status and startTime >= $from and startTime < $to order by startTime limit 1";
        using var count = connection.CreateCommand();
        count.CommandText = "select count(*) from log where status = $status and startTime >= $from and startTime < $to";
        var (from, until) = (query.From?.ToUnixTimeMilliseconds() ?? 0, query.Until?.ToUnixTimeMilliseconds() ?? long.MaxValue);
        foreach (var status in statuses)
        {
            for (var at = from; Ask(first, status, at, until) is long start;)
            {
                var begin = start / step * step;
                at = Math.Min(begin + step, until);
                counts.Add(new EndingCount(begin, status, (long)Ask(count, status, start, at)!));
            }
        }

        return new SpanCounts(counts, IsWhole: true);

        static object? Ask(SqliteCommand command, RunStatus status, long from, long until)
        {
            command.Parameters.Clear();
            command.Parameters.AddWithValue("$status", status.Word());
            command.Parameters.AddWithValue("$from", from);
            command.Parameters.AddWithValue("$to", until);
            return command.ExecuteScalar();
        }
    }

    private static SpanCounts CountRecords(SqliteConnection connection, SqliteConditions conditions, long step, int recordsMax)
    {
        IEnumerable<(string, object)> parameters = [.. conditions.Parameters, ("$most", recordsMax), ("$step", step)];
        var counted = $"select count(*) from (select 1 from log where {conditions.Indexed} limit $most + 1)";
        if (connection.Rows(counted, parameters, row => row.GetInt64(0))[0] > recordsMax)
        {
            return SpanCounts.TooMany;
        }

        var counts = connection.Rows(
            $"select startTime / $step * $step, status, count(*) from log where {conditions.Indexed} and {conditions.Others} group by 1, 2",
            parameters,
            row => RunStatusWords.Find(row.GetString(1)) is { } status
                ? new EndingCount(row.GetInt64(0), status, row.GetInt64(2))
                : null);
        return new SpanCounts([.. counts.OfType<EndingCount>()], IsWhole: true);
    }

    private Task<IReadOnlyList<RunRecord>> Query(string sql, (string Name, object Value)[] parameters, CancellationToken cancel) =>
        Query(sql, parameters, rows => Parse(rows.GetString(0)), cancel);

    private Task<IReadOnlyList<RunRecord>> QueryRecords(
        string sql, (string Name, object Value)[] parameters, bool withOutput, CancellationToken cancel) =>
        Query(sql, parameters, rows => ListedRecord.Parse(rows.GetFieldValue<byte[]>(0), withOutput), cancel);

    private Task<IReadOnlyList<RunRecord>> Query(
        string sql,
        (string Name, object Value)[] parameters,
        Func<SqliteDataReader, RunRecord?> parse,
        CancellationToken cancel) =>
        ReadAsync<RunRecord>(connection => [.. connection.Rows(sql, parameters, parse).OfType<RunRecord>()], cancel);
}
