using System.Text;
using Dts.Common.Jobs;
using Dts.Common.Logs;
using Microsoft.Data.Sqlite;

namespace Dts.Master.Versions;

/// <summary>The versions in the embedded store's table <c>jobs</c>.</summary>
/// <remarks>The worker creates the file and the table; until then there are no versions here, and none can be written.</remarks>
internal sealed class SqliteVersionStore : IVersionStore
{
    private const string Columns = "_id, jobName, revision, at, author, origin, former, job";
    private const string LatestFirst = "order by at desc, revision desc";

    private readonly VersionLimits _limits;
    private readonly SqliteFile _reading;
    private readonly SqliteFile _writing;
    private readonly SqliteWriter _writer;

    public SqliteVersionStore(string path, VersionLimits limits)
    {
        _limits = limits;
        _reading = new SqliteFile(path);
        _writing = new SqliteFile(path, file => file.Execute("pragma synchronous = full"), mustExist: true);
        _writer = new SqliteWriter(_writing);
    }

    public Task WriteAsync(JobVersion version, CancellationToken cancel) => _writer.WriteAsync(connection =>
    {
        connection.Execute(
            $"insert or ignore into jobs ({Columns}) values ($id, $job, $revision, $at, $author, $origin, $former, $definition)",
            ("$id", version.Id),
            ("$job", version.JobName),
            ("$revision", version.Revision),
            ("$at", version.At.ToUnixTimeMilliseconds()),
            ("$author", version.Author.By),
            ("$origin", version.Author.From),
            ("$former", version.Former),
            ("$definition", version.Job is { } job ? JobJson.ToJson(job) : version.IsLost ? "" : DBNull.Value));
        var (removed, changed) = _limits.Apply(ListHeads(connection, version.JobName));
        foreach (var id in removed)
        {
            connection.Execute("delete from jobs where _id = $id", ("$id", id));
        }

        foreach (var (id, expireAt) in changed)
        {
            object expires = expireAt is { } moment ? moment.ToUnixTimeMilliseconds() : DBNull.Value;
            connection.Execute("update jobs set expireAt = $expire where _id = $id", ("$id", id), ("$expire", expires));
        }

        return true;
    });

    public Task<IReadOnlyList<JobVersion>> ListAsync(JobName job, VersionCursor? after, int limit, CancellationToken cancel)
    {
        var place = after ?? new VersionCursor(long.MaxValue, 0);
        return ReadAsync(
            $"select {Columns} from jobs where jobName = $job and (at, revision) < ($at, $revision) {LatestFirst} limit $limit",
            cancel,
            ("$job", job.Value),
            ("$at", place.AtMs),
            ("$revision", place.Revision),
            ("$limit", limit));
    }

    public async Task<JobVersion?> FindAsync(JobName job, long revision, CancellationToken cancel) =>
        await ReadAsync(
            $"select {Columns} from jobs where jobName = $job and revision = $revision {LatestFirst} limit 1",
            cancel,
            ("$job", job.Value),
            ("$revision", revision)) is [var found] ? found : null;

    public Task RemoveExpiredAsync(DateTimeOffset now, CancellationToken cancel) => _writer.WriteAsync(connection =>
        connection.Execute("delete from jobs where expireAt < $now", ("$now", now.ToUnixTimeMilliseconds())));

    public void Dispose()
    {
        _writer.Dispose();
        _writing.Dispose();
        _reading.Dispose();
    }

    private async Task<IReadOnlyList<JobVersion>> ReadAsync(
        string sql, CancellationToken cancel, params (string Name, object Value)[] parameters)
    {
        try
        {
            return await _reading.ReadAsync(connection => connection.Rows(sql, parameters, Read), cancel);
        }
        catch (LogStoreException failure) when (SqliteFile.IsNotMade(failure))
        {
            return [];
        }
    }

    private static JobVersion Read(SqliteDataReader row)
    {
        var definition = row.IsDBNull(7) ? null : row.GetString(7);
        var job = definition is not null && JobJson.TryParse(Encoding.UTF8.GetBytes(definition), out var read, out _) ? read : null;
        return new JobVersion(
            row.GetString(0),
            row.GetString(1),
            row.GetInt64(2),
            DateTimeOffset.FromUnixTimeMilliseconds(row.GetInt64(3)),
            new Author(row.GetString(4), row.GetString(5)),
            row.GetInt64(6),
            job,
            IsLost: definition is not null && job is null);
    }

    private static List<VersionHead> ListHeads(SqliteConnection connection, string job) => connection.Rows(
        $"select _id, at, job is null, expireAt from jobs where jobName = $job {LatestFirst}",
        [("$job", job)],
        row => new VersionHead(
            row.GetString(0),
            DateTimeOffset.FromUnixTimeMilliseconds(row.GetInt64(1)),
            row.GetInt64(2) != 0,
            row.IsDBNull(3) ? null : DateTimeOffset.FromUnixTimeMilliseconds(row.GetInt64(3))));
}
