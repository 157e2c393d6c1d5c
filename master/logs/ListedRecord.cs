using System.Text.Json;
using Dts.Common.Logs;

namespace Dts.Master.Logs;

/// <summary>
/// A record in a list: with the last line of its output, without the output unless it is requested, and without its processes, which may
/// be as long as the output.
/// </summary>
internal static class ListedRecord
{
    /// <summary>Reads a record. An output that is not requested is not even decoded.</summary>
    public static RunRecord? Parse(byte[] json, bool withOutput)
    {
        if (withOutput || !TryCutOutput(json, out var shorter))
        {
            return Of(Read(json), withOutput);
        }

        var record = Read(shorter);
        return record is { LastLine.Length: 0, OutputBytes: > 0 } // From an older version, or with blanks only.
            ? Of(Read(json), withOutput)
            : WithoutProcesses(record);
    }

    /// <param name="record">With its output.</param>
    public static RunRecord? Of(RunRecord? record, bool withOutput) => WithoutProcesses(OfOne(record, withOutput));

    /// <summary>A record that was requested alone: it has its processes.</summary>
    /// <param name="record">With its output.</param>
    public static RunRecord? OfOne(RunRecord? record, bool withOutput) => record is null ? null : record with
    {
        LastLine = record.LastLine.Length > 0 ? record.LastLine : LastLine.Of(record.Output),
        Output = withOutput ? record.Output : "",
    };

    private static RunRecord? WithoutProcesses(RunRecord? record) =>
        record is { Processes: not null } ? record with { Processes = null } : record;

    private static RunRecord? Read(ReadOnlySpan<byte> json) => JsonSerializer.Deserialize(json, LogsJson.Readable.RunRecord);

    private static bool TryCutOutput(ReadOnlySpan<byte> json, out byte[] shorter)
    {
        var reader = new Utf8JsonReader(json);
        while (reader.Read())
        {
            if (reader.TokenType != JsonTokenType.PropertyName || reader.CurrentDepth != 1 || !reader.ValueTextEquals("output"u8))
            {
                continue;
            }

            reader.Read();
            shorter = [.. json[..(int)reader.TokenStartIndex], .. "\"\""u8, .. json[(int)reader.BytesConsumed..]];
            return true;
        }

        shorter = [];
        return false;
    }
}
