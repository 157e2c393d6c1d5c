using Dts.Common.Jobs;
using MongoDB.Bson;
using MongoDB.Bson.IO;

namespace Dts.Common.Logs.Mongo;

/// <summary>A run record as a document: the first eight fields are the original's.</summary>
internal static class RunDocument
{
    private static readonly BsonBinaryWriterSettings Lenient = new() { Encoding = Utf8Encodings.Lenient };

    /// <summary>A document of what is written into it.</summary>
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
        document.WriteDateTime("expireAt", record.ExpireAt.ToUnixTimeMilliseconds());
    });

    public static RunRecord Read(BsonDocument document)
    {
        var times = document.GetValue("timePoint", null) as BsonDocument; // The older shape, in seconds.
        return new RunRecord(
            JobName: document.Text("jobName"),
            Command: document.Text("command"),
            Err: document.Text("err"),
            Output: times is null ? document.Text("output") : document.Text("content"),
            PlanTime: document.Long("planTime"),
            ScheduleTime: document.Long("scheduleTime"),
            StartTime: times is null ? document.Long("startTime") : times.Long("startTime") * 1000,
            EndTime: times is null ? document.Long("endTime") : times.Long("endTime") * 1000,
            Id: document.Text("_id"),
            Status: ReadStatus(document),
            ExitCode: ReadNumber(document, "exitCode"),
            Signal: ReadNumber(document, "signal"),
            Worker: document.Text("worker"),
            Host: document.Text("host"),
            Attempt: Math.Max(1, (int)document.Long("attempt")),
            Trigger: document.Text("trigger") is { Length: > 0 } trigger ? trigger : Dts.Common.Jobs.RunSpec.Schedule,
            JobRevision: document.Long("jobRevision"),
            FencingToken: document.Long("fencingToken"),
            CpuMs: document.Long("cpuMs"),
            MaxRssKb: document.Long("maxRssKb"),
            PeakMemoryBytes: document.Long("peakMemoryBytes"),
            OomKilled: document.Bool("oomKilled"),
            OutputBytes: document.Long("outputBytes"),
            OutputTruncated: document.Bool("outputTruncated"),
            OutputStored: document.Long("outputStored"),
            MissedCount: document.Long("missedCount"),
            MissedSince: document.Long("missedSince"),
            LostAt: document.Long("lostAt"),
            ExpireAt: DateTimeOffset.FromUnixTimeMilliseconds(document.Long("expireAt")));
    }

    /// <summary>The original has no status: no error is success.</summary>
    private static RunStatus ReadStatus(BsonDocument document) => document.Text("status") switch
    {
        "" => document.Text("err").Length == 0 ? RunStatus.Succeeded : RunStatus.Failed,
        var word => Enum.GetValues<RunStatus>().FirstOrDefault(status => status.Word() == word),
    };

    private static int? ReadNumber(BsonDocument document, string name) =>
        document.GetValue(name, BsonNull.Value).IsBsonNull ? null : (int)document.Long(name);

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

/// <summary>
/// Reads fields of documents that others may have written: what is not there, or of another type, reads as that type's nothing.
/// </summary>
internal static class Fields
{
    public static string Text(this BsonDocument document, string name) =>
        document.GetValue(name, null) is BsonString text ? text.Value : "";

    public static long Long(this BsonDocument document, string name) => document.GetValue(name, null) switch
    {
        BsonInt64 number => number.Value,
        BsonInt32 number => number.Value,
        BsonDouble number => (long)number.Value,
        BsonDateTime time => time.MillisecondsSinceEpoch,
        _ => 0,
    };

    public static bool Bool(this BsonDocument document, string name) =>
        document.GetValue(name, null) is BsonBoolean yes ? yes.Value : document.Long(name) != 0;
}
