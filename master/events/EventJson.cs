using System.Text.Json.Serialization;
using Dts.Common.Hosting;
using Dts.Master.Jobs;
using Dts.Master.Views;

namespace Dts.Master.Events;

/// <summary>The JSON of events. Members have the same names as in the lists that an event changes.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase)]
[JsonSerializable(typeof(JobEvent))]
[JsonSerializable(typeof(RunEvent))]
[JsonSerializable(typeof(WorkerEvent))]
[JsonSerializable(typeof(StreamEvent))]
[JsonSerializable(typeof(HealthEvent))]
internal sealed partial class EventJson : JsonSerializerContext
{
    /// <summary>The one to use; see <see cref="JsonText"/>.</summary>
    public static EventJson Readable => field ??= new(JsonText.Readable(Default.Options));
}

/// <param name="Change">changed; gone: deleted, or no longer in the listener's filter.</param>
/// <param name="Job">The row in lists; null = the job is gone.</param>
internal sealed record JobEvent(string Change, string JobName, JobRow? Job)
{
    public const string Changed = "changed";
    public const string Gone = "gone";
}

/// <param name="Change">queued; dequeued; started; ended; recorded: its record is in the log.</param>
/// <param name="Run">Null = the run has ended.</param>
/// <param name="Ended">How it ended; null = it is not recorded yet.</param>
/// <param name="Ending">The same, as an element of the job's endings.</param>
/// <param name="Row">The changed members of the job's row.</param>
internal sealed record RunEvent(
    string Change, string JobName, string RunId, UnendedRun? Run, LastRun? Ended, EndingRow? Ending, RowChange Row)
{
    public const string Queued = "queued";
    public const string Dequeued = "dequeued";
    public const string Started = "started";
    public const string EndedNow = "ended";
    public const string Recorded = "recorded";
}

/// <summary>The members of a job's row that change with its runs.</summary>
internal sealed record RowChange(JobState State, int Running, int Queued, DateTime? Next, int? Streak, LastRun? Last, long? UsualMs)
{
    public static RowChange Of(JobRow row) => new(row.State, row.Running, row.Queued, row.Next, row.Streak, row.Last, row.UsualMs);
}

/// <param name="Change">joined, changed, left.</param>
internal sealed record WorkerEvent(string Change, WorkerRow Worker);

/// <summary>An event about the stream itself.</summary>
internal sealed record StreamEvent(string Reason);

/// <param name="Follows">The master follows etcd; false = this stream misses events until it does.</param>
/// <param name="AsOf">Up to when it has followed etcd.</param>
internal sealed record HealthEvent(bool Follows, DateTime AsOf);
