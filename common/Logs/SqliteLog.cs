using System.Text.Json;

namespace Dts.Common.Logs;

/// <summary>The log of a single host: one SQLite file in WAL mode, which several processes write and read at a time.</summary>
/// <remarks>The file is opened, and made if it is missing, when it is first needed.</remarks>
/// <param name="readOnly">A missing file is an error.</param>
internal abstract class SqliteLog(string path, bool readOnly = false) : ILogOutput
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

    protected SqliteFile LogFile { get; } = new(path, Schema, readOnly);

    public Task<IReadOnlyList<OutputChunk>> ReadOutputAsync(
        string run, long offset, int bytesMax, CancellationToken cancel) => LogFile.ReadAsync(connection =>
    {
        using var command = connection.CreateCommand();
        command.CommandText =
            "select offset, data from output where run = $run and offset >= coalesce((select max(offset) from output where run = $run and "
                + "offset <= $offset), 0) order by offset";
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

    public virtual void Dispose() => LogFile.Dispose();

    protected static RunRecord? Parse(string json) => JsonSerializer.Deserialize(json, LogsJson.Readable.RunRecord);
}
