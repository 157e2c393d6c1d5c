using Dts.Common.Jobs;
using MongoDB.Bson;

namespace Dts.Common.Logs.Mongo;

/// <summary>Reads a run record from a document; the worker's <c>RecordDocument</c> writes it.</summary>
internal static class RunDocument
{
    public static RunRecord Read(BsonDocument document)
    {
        var times = document.GetValue("timePoint", null) as BsonDocument; // The older shape, in seconds.
        return new RunRecord(
            JobName: document.Text("jobName"),
            Command: document.Text("command"),
            Err: document.Text("err"),
            Output: times is null ? document.Text("output") : document.Text("content"),
            PlanTime: document.Time("planTime"),
            ScheduleTime: document.Time("scheduleTime"),
            StartTime: times is null ? document.Time("startTime") : RecordTimes.OfSeconds(times.Long("startTime")),
            EndTime: times is null ? document.Time("endTime") : RecordTimes.OfSeconds(times.Long("endTime")),
            Id: RecordIds.Read(document.GetValue("_id", "")),
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
            MissedSince: document.Time("missedSince"),
            LostAt: document.Time("lostAt"),
            LastLine: document.Text("lastLine"),
            Cause: document.Text("cause"),
            ExpireAt: DateTimeOffset.FromUnixTimeMilliseconds(document.Time("expireAt")),
            Processes: (document.GetValue("processes", null) as BsonArray)?.OfType<BsonDocument>().Select(ReadProcess).ToList());
    }

    private static RunProcess ReadProcess(BsonDocument document) => new(
        (int)document.Long("pid"),
        (int)document.Long("parent"),
        document.Text("state"),
        document.Text("command"),
        document.Long("cpuMs"),
        document.Long("rssKb"),
        document.Text("waitsIn"));

    /// <summary>The original has no status: no error is success.</summary>
    private static RunStatus ReadStatus(BsonDocument document) => document.Text("status") switch
    {
        "" => document.Text("err").Length == 0 ? RunStatus.Succeeded : RunStatus.Failed,
        var word => Enum.GetValues<RunStatus>().FirstOrDefault(status => status.Word() == word),
    };

    private static int? ReadNumber(BsonDocument document, string name) =>
        document.GetValue(name, BsonNull.Value).IsBsonNull ? null : (int)document.Long(name);
}

/// <summary>
/// Reads fields of documents that others may have written. A field that is missing, or has another type, reads as empty, 0 or false.
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

    /// <summary>Milliseconds since the epoch, within the calendar.</summary>
    public static long Time(this BsonDocument document, string name) => RecordTimes.Clamp(document.Long(name));

    public static bool Bool(this BsonDocument document, string name) =>
        document.GetValue(name, null) is BsonBoolean yes ? yes.Value : document.Long(name) != 0;
}
