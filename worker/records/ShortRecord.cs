using System.Text;
using Dts.Common.Logs;
using Dts.Worker.Commands;
using Dts.Worker.Commands.Holders;

namespace Dts.Worker.Records;

/// <summary>Shortens records where space is scarce.</summary>
internal static class ShortRecord
{
    private const int ShortOutputBytes = 512;

    /// <summary>The record with a short head and tail of its output, and without processes.</summary>
    public static RunRecord Shortened(this RunRecord record)
    {
        var output = Encoding.UTF8.GetBytes(record.Output);
        if (output.Length <= ShortOutputBytes + OutputCapture.MarkerSizeMax)
        {
            return record.Processes is null ? record : record with { Processes = null };
        }

        var front = Utf8Cut.Front(output, ShortOutputBytes / 2);
        var back = Utf8Cut.Back(output, ShortOutputBytes / 2);
        var marker = OutputCapture.Marker(Math.Max(record.OutputBytes, output.Length) - front.Length - back.Length);
        var kept = Encoding.UTF8.GetString(front) + marker + Encoding.UTF8.GetString(back);
        return record with { Output = kept, OutputTruncated = true, Processes = null };
    }
}
