namespace Dts.Common.Logs;

/// <summary>A piece of a run's output.</summary>
/// <param name="Run">The record's id, <c>job/runId</c>.</param>
/// <param name="Offset">In bytes from the beginning of the output.</param>
public sealed record OutputChunk(string Run, long Offset, ReadOnlyMemory<byte> Data, DateTimeOffset ExpireAt)
{
    public long End => Offset + Data.Length;

    /// <summary>
    /// Joins chunks, sorted by offset, from an offset on: overlaps are cut off, and chunks after a gap are dropped.
    /// </summary>
    internal static IReadOnlyList<OutputChunk> Join(IEnumerable<OutputChunk> chunks, long offset)
    {
        List<OutputChunk> joined = [];
        foreach (var chunk in chunks)
        {
            if (chunk.Offset > offset)
            {
                break;
            }

            if (chunk.End > offset)
            {
                joined.Add(chunk with { Offset = offset, Data = chunk.Data[(int)(offset - chunk.Offset)..] });
                offset = chunk.End;
            }
        }

        return joined;
    }
}
