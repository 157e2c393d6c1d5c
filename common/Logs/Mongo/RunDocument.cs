namespace Dts.Common.Logs.Mongo;

/// <summary>A run record as a document: the first eight fields are the original's.</summary>
internal static class RunDocument
{
    /// <summary>Writes a record as an element of an array.</summary>
    public static BsonWriter Write(BsonWriter documents, RunRecord record) => documents.Document(document => WriteFields(document, record));

    public static void WriteFields(BsonWriter document, RunRecord record)
    {
        document
            .Text("_id", record.Id)
            .Text("jobName", record.JobName)
            .Text("command", record.Command)
            .Text("err", record.Err)
            .Text("output", record.Output)
            .Long("planTime", record.PlanTime)
            .Long("scheduleTime", record.ScheduleTime)
            .Long("startTime", record.StartTime)
            .Long("endTime", record.EndTime)
            .Text("status", record.Status.Word());
        WriteNumber(document, "exitCode", record.ExitCode);
        WriteNumber(document, "signal", record.Signal);
        document
            .Text("worker", record.Worker)
            .Text("host", record.Host)
            .Int("attempt", record.Attempt)
            .Text("trigger", record.Trigger)
            .Long("jobRevision", record.JobRevision)
            .Long("fencingToken", record.FencingToken)
            .Long("cpuMs", record.CpuMs)
            .Long("maxRssKb", record.MaxRssKb)
            .Long("peakMemoryBytes", record.PeakMemoryBytes)
            .Bool("oomKilled", record.OomKilled)
            .Long("outputBytes", record.OutputBytes)
            .Bool("outputTruncated", record.OutputTruncated)
            .Long("outputStored", record.OutputStored)
            .Long("missedCount", record.MissedCount)
            .Long("missedSince", record.MissedSince)
            .Long("lostAt", record.LostAt)
            .Date("expireAt", record.ExpireAt);
    }

    public static RunRecord Read(BsonValue document)
    {
        var times = document["timePoint"]; // The older shape, in seconds.
        return new RunRecord(
            JobName: document["jobName"].AsText,
            Command: document["command"].AsText,
            Err: document["err"].AsText,
            Output: times.IsMissing ? document["output"].AsText : document["content"].AsText,
            PlanTime: document["planTime"].AsLong,
            ScheduleTime: document["scheduleTime"].AsLong,
            StartTime: times.IsMissing ? document["startTime"].AsLong : times["startTime"].AsLong * 1000,
            EndTime: times.IsMissing ? document["endTime"].AsLong : times["endTime"].AsLong * 1000,
            Id: document["_id"].AsText,
            Status: ReadStatus(document),
            ExitCode: ReadNumber(document["exitCode"]),
            Signal: ReadNumber(document["signal"]),
            Worker: document["worker"].AsText,
            Host: document["host"].AsText,
            Attempt: Math.Max(1, (int)document["attempt"].AsLong),
            Trigger: document["trigger"].AsText is { Length: > 0 } trigger ? trigger : Jobs.RunSpec.Schedule,
            JobRevision: document["jobRevision"].AsLong,
            FencingToken: document["fencingToken"].AsLong,
            CpuMs: document["cpuMs"].AsLong,
            MaxRssKb: document["maxRssKb"].AsLong,
            PeakMemoryBytes: document["peakMemoryBytes"].AsLong,
            OomKilled: document["oomKilled"].AsBool,
            OutputBytes: document["outputBytes"].AsLong,
            OutputTruncated: document["outputTruncated"].AsBool,
            OutputStored: document["outputStored"].AsLong,
            MissedCount: document["missedCount"].AsLong,
            MissedSince: document["missedSince"].AsLong,
            LostAt: document["lostAt"].AsLong,
            ExpireAt: DateTimeOffset.FromUnixTimeMilliseconds(document["expireAt"].AsLong));
    }

    /// <summary>The original has no status: no error is success.</summary>
    private static RunStatus ReadStatus(BsonValue document) => document["status"].AsText switch
    {
        "" => document["err"].AsText.Length == 0 ? RunStatus.Succeeded : RunStatus.Failed,
        var word => Enum.GetValues<RunStatus>().FirstOrDefault(status => status.Word() == word),
    };

    private static int? ReadNumber(BsonValue value) => value.IsMissing ? null : (int)value.AsLong;

    private static void WriteNumber(BsonWriter document, string name, int? value) => _ = value is { } number ? document.Int(name, number) : document.Null(name);
}
