using System.Text.Json;
using Dts.Common.Hosting;
using Dts.Common.Jobs;
using Dts.Common.Logs;
using Dts.Worker.Logs;
using Microsoft.Data.Sqlite;
using MongoDB.Bson;
using MongoDB.Driver;

namespace Dts.Bench;

/// <summary>
/// The bare insert of a log store's driver: the same records into the same tables, without a look at former ones and without counts.
/// </summary>
internal sealed class BareDocuments : IDisposable
{
    private static readonly InsertManyOptions Unordered = new() { IsOrdered = false };

    private readonly MongoClient _client;
    private readonly IMongoCollection<RawBsonDocument> _log;

    public BareDocuments(string uri)
    {
        _client = new MongoClient(uri);
        _log = _client.GetDatabase("cron").GetCollection<RawBsonDocument>("log").WithWriteConcern(WriteConcern.WMajority);
    }

    public Task InsertAsync(List<RunRecord> batch) => _log.InsertManyAsync(batch.Select(RecordDocument.Of), Unordered);

    /// <summary>Half the records by each of two connections.</summary>
    public Task InsertByTwoAsync(List<RunRecord> batch) =>
        Task.WhenAll(InsertAsync(batch[..(batch.Count / 2)]), InsertAsync(batch[(batch.Count / 2)..]));

    public void Dispose() => _client.Dispose();
}

/// <inheritdoc cref="BareDocuments"/>
internal sealed class BareSqlite : IDisposable
{
    private readonly SqliteFile.Opened _file;
    private readonly SqliteCommand _insert;

    public BareSqlite(string path)
    {
        var connection = new SqliteConnection(new SqliteConnectionStringBuilder { DataSource = path, Pooling = false }.ToString());
        connection.Open();
        _file = new SqliteFile.Opened(connection, path, Libc.FileIdentity(path));
        SqliteSchema.Prepare(_file);
        _insert = connection.CreateCommand();
        _insert.CommandText =
            "insert into log (_id, jobName, status, startTime, planTime, missedSince, expireAt, record) "
                + "values ($0, $1, $2, $3, $4, $5, $6, $7)";
        for (var n = 0; n < 8; n++)
        {
            _insert.Parameters.Add(new SqliteParameter { ParameterName = $"${n}" });
        }
    }

    /// <summary>Inserts the records in one transaction.</summary>
    public void Insert(List<RunRecord> batch)
    {
        _file.Execute("begin immediate");
        foreach (var record in batch)
        {
            object[] values =
            [
                record.Id, record.JobName, record.Status.Word(), record.StartTime, record.PlanTime, record.MissedSince,
                record.ExpireAt.ToUnixTimeMilliseconds(), JsonSerializer.Serialize(record, LogsJson.Readable.RunRecord),
            ];
            for (var n = 0; n < values.Length; n++)
            {
                _insert.Parameters[n].Value = values[n];
            }

            _insert.ExecuteNonQuery();
        }

        _file.Execute("commit");
    }

    public void Dispose()
    {
        _insert.Dispose();
        _file.Dispose();
    }
}
