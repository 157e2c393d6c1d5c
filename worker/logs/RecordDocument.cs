using Dts.Common.Jobs;
using Dts.Common.Logs;
using MongoDB.Bson;
using MongoDB.Bson.IO;

namespace Dts.Worker.Logs;

/// <summary>A run record as a document: the first eight fields are the original's.</summary>
internal static class RecordDocument
{
    private static readonly BsonBinaryWriterSettings Lenient = new() { Encoding = Utf8Encodings.Lenient };

    /// <summary>Makes a document from the fields that a function writes.</summary>
    public static RawBsonDocument Write(Action<BsonBinaryWriter> fields)
    {
        using var bytes = new MemoryStream();
        using (var document = new BsonBinaryWriter(bytes, Lenient))
        {
            document.WriteStartDocument();
            fields(document);
            document.WriteEndDocument();
        }

        return new RawBsonDocument(bytes.ToArray());
    }

    public static RawBsonDocument Of(RunRecord record) => Write(document =>
    {
        document.WriteString("_id", record.Id);
        document.WriteString("jobName", record.JobName);
        document.WriteString("command", record.Command);
        document.WriteString("err", record.Err);
        document.WriteString("output", record.Output);
        document.WriteInt64("planTime", record.PlanTime);
        document.WriteInt64("scheduleTime", record.ScheduleTime);
        document.WriteInt64("startTime", record.StartTime);
        document.WriteInt64("endTime", record.EndTime);
        document.WriteString("status", record.Status.Word());
        WriteNumber(document, "exitCode", record.ExitCode);
        WriteNumber(document, "signal", record.Signal);
        document.WriteString("worker", record.Worker);
        document.WriteString("host", record.Host);
        document.WriteInt32("attempt", record.Attempt);
        document.WriteString("trigger", record.Trigger);
        document.WriteInt64("jobRevision", record.JobRevision);
        document.WriteInt64("fencingToken", record.FencingToken);
        document.WriteInt64("cpuMs", record.CpuMs);
        document.WriteInt64("maxRssKb", record.MaxRssKb);
        document.WriteInt64("peakMemoryBytes", record.PeakMemoryBytes);
        document.WriteBoolean("oomKilled", record.OomKilled);
        document.WriteInt64("outputBytes", record.OutputBytes);
        document.WriteBoolean("outputTruncated", record.OutputTruncated);
        document.WriteInt64("outputStored", record.OutputStored);
        document.WriteInt64("missedCount", record.MissedCount);
        document.WriteInt64("missedSince", record.MissedSince);
        document.WriteInt64("lostAt", record.LostAt);
        document.WriteString("lastLine", record.LastLine);
        document.WriteString("cause", record.Cause);
        document.WriteDateTime("expireAt", record.ExpireAt.ToUnixTimeMilliseconds());
        WriteProcesses(document, record.Processes ?? []);
    });

    private static void WriteProcesses(BsonBinaryWriter document, IReadOnlyList<RunProcess> processes)
    {
        if (processes.Count == 0)
        {
            return;
        }

        document.WriteStartArray("processes");
        foreach (var process in processes)
        {
            document.WriteStartDocument();
            document.WriteInt32("pid", process.Pid);
            document.WriteInt32("parent", process.Parent);
            document.WriteString("state", process.State);
            document.WriteString("command", process.Command);
            document.WriteInt64("cpuMs", process.CpuMs);
            document.WriteInt64("rssKb", process.RssKb);
            document.WriteString("waitsIn", process.WaitsIn);
            document.WriteEndDocument();
        }

        document.WriteEndArray();
    }

    private static void WriteNumber(BsonBinaryWriter document, string name, int? value)
    {
        if (value is { } number)
        {
            document.WriteInt32(name, number);
        }
        else
        {
            document.WriteNull(name);
        }
    }
}
