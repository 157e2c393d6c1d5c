using System.Text;
using Dts.Common.Jobs;
using Dts.Common.Logs;
using Dts.Master.Logs;

namespace Dts.Master.Api;

/// <summary>Reads a run's output from an offset on: from chunks, or, if there are none, from its record.</summary>
/// <remarks>Not thread-safe.</remarks>
internal sealed class OutputReader(ILogReader store, string run, long offset)
{
    private RunRecord? _record;

    /// <summary>Where the next read begins.</summary>
    public long Offset { get; private set; } = offset;

    /// <summary>The run has been declared lost; its worker may still report its true ending.</summary>
    public bool IsLost { get; private set; }

    public bool HasRecord => _record is not null;

    /// <summary>The run's record; null = there is none yet, or it only says that the run was lost.</summary>
    public async Task<RunRecord?> FindRecordAsync(CancellationToken cancel)
    {
        if (_record is null && await store.FindAsync(run, cancel) is { } found)
        {
            IsLost = found.Status == RunStatus.Lost;
            _record = IsLost ? null : found;
        }

        return _record;
    }

    /// <summary>The next bytes; empty = there are none (yet).</summary>
    public async Task<byte[]> ReadAsync(RunRecord? record, int bytesMax, CancellationToken cancel)
    {
        var bytes = record is { OutputStored: 0 } ? FromRecord(record) : await FromChunksAsync(bytesMax, cancel);
        Offset += bytes.Length;
        return bytes;
    }

    private byte[] FromRecord(RunRecord record)
    {
        var whole = Encoding.UTF8.GetBytes(record.Output);
        return Offset < whole.Length ? whole[(int)Offset..] : [];
    }

    private async Task<byte[]> FromChunksAsync(int bytesMax, CancellationToken cancel)
    {
        var chunks = await store.ReadOutputAsync(run, Offset, bytesMax, cancel);
        var bytes = new byte[chunks.Sum(chunk => chunk.Data.Length)];
        var length = 0;
        foreach (var chunk in chunks)
        {
            chunk.Data.CopyTo(bytes.AsMemory(length));
            length += chunk.Data.Length;
        }

        return bytes;
    }
}
