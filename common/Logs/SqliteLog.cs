using System.Text.Json;
using Microsoft.Data.Sqlite;

namespace Dts.Common.Logs;

/// <summary>The log of a single host: one SQLite file in WAL mode, shared by several processes.</summary>
/// <param name="prepare">For a writer: see <see cref="SqliteFile"/>.</param>
internal abstract class SqliteLog(string path, Action<SqliteFile.Opened>? prepare = null) : ILogOutput
{
    protected SqliteFile LogFile { get; } = new(path, prepare);

    public Task<IReadOnlyList<OutputChunk>> ReadOutputAsync(
        string run, long offset, int bytesMax, CancellationToken cancel) => ReadAsync(connection =>
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

    protected virtual Task<IReadOnlyList<T>> ReadAsync<T>(Func<SqliteConnection, IReadOnlyList<T>> question, CancellationToken cancel) =>
        LogFile.ReadAsync(question, cancel);

    protected static RunRecord? Parse(string json) => JsonSerializer.Deserialize(json, LogsJson.Readable.RunRecord);
}
