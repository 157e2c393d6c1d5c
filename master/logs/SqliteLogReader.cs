using System.Text;
using Dts.Common.Jobs;
using Dts.Common.Logs;
using Microsoft.Data.Sqlite;

namespace Dts.Master.Logs;

/// <summary>Reads the log of a single host.</summary>
/// <param name="mustExist">A missing file is an error; else it has no records yet.</param>
internal sealed class SqliteLogReader(string path, bool mustExist = false) : SqliteLog(path), ILogReader
{
    private const int LettersEnd = 0x20000; // No letter at or above it has an upper and a lower case.

    /// <summary>For each upper-case letter, all letters that differ from it only in case.</summary>
    private static readonly Lazy<Dictionary<int, string>> Cases = new(FindCases);

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
                        rows.GetString(1), EndedRun.RunIdOf(rows.GetString(0), rows.GetString(1)), status, rows.GetInt64(3),
                        rows.GetInt64(4), rows.GetInt64(5), rows.GetString(6), rows.GetString(7), rows.GetString(8)));
                }
            }
        }

        return endings;
    }, cancel);

    protected override async Task<IReadOnlyList<T>> ReadAsync<T>(
        Func<SqliteConnection, IReadOnlyList<T>> question, CancellationToken cancel)
    {
        try
        {
            return await base.ReadAsync(question, cancel);
        }
        catch (LogStoreException failure) when (IsNotMade(failure) && !mustExist)
        {
            return []; // The worker makes the file with its first record.
        }
    }

    private static bool IsNotMade(LogStoreException failure) =>
        failure.InnerException is FileNotFoundException || failure.Message.Contains("no such table", StringComparison.Ordinal);

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

    private Task<IReadOnlyList<RunRecord>> Query(
        string sql,
        (string Name, object Value)[] parameters,
        CancellationToken cancel) => ReadAsync<RunRecord>(connection =>
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
