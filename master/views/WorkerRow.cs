using Dts.Common.Jobs;
using Dts.Common.Metrics;

namespace Dts.Master.Views;

/// <summary>A worker in a list: its registration and its state.</summary>
/// <param name="State">
/// <c>live</c>; <c>refusing</c>: it claims nothing, and <paramref name="Refuses"/> says why; <c>draining</c>: it was drained, and its last
/// runs go on; <c>drained</c>: no runs are left; <c>left</c>.
/// </param>
/// <param name="LeftAt">When its registration went, as this master saw it; null = it is there.</param>
/// <param name="Running">How many runs it has in flight.</param>
/// <param name="Drain">Who drained it, and when; empty = nobody has.</param>
/// <param name="ClockAheadMs">How far its clock is ahead of this master's, less the delay of the news; null = not known.</param>
/// <param name="Lag">How late its commands have started since it started; null = none has, or its version does not say.</param>
/// <param name="Spool">The records on its host that wait for the log store; null = its version does not say.</param>
/// <param name="RefusedRecords">The records that the log store refuses, kept on its host.</param>
internal sealed record WorkerRow(
    string Id,
    string State,
    DateTime? LeftAt,
    int Running,
    string Host,
    string Address,
    string Version,
    ProcessIdentity Process,
    int Slots,
    DateTime Started,
    IReadOnlyDictionary<string, string> Labels,
    DateTime Clock,
    string Refuses,
    string Drain,
    double? ClockAheadMs,
    WorkerLag? Lag,
    long? Spool,
    long? RefusedRecords)
{
    public const string Live = "live";
    public const string Refusing = "refusing";
    public const string Draining = "draining";
    public const string Drained = "drained";
    public const string Left = "left";

    /// <summary>All of them, by id.</summary>
    public static IReadOnlyList<WorkerRow> List(ClusterState state)
    {
        var running = state.Runs.CountByWorker();
        return [.. state.Workers.All.Select(worker => Of(worker, running.GetValueOrDefault(worker.Id)))];
    }

    /// <summary>One of them; null = it is not known.</summary>
    public static WorkerRow? Find(ClusterState state, string id) =>
        state.Workers.Find(id) is { } worker ? Of(worker, state.Runs.CountByWorker().GetValueOrDefault(id)) : null;

    private static WorkerRow Of(WorkerEntry worker, int running) => new(
        worker.Id,
        StateOf(worker, running),
        worker.LeftAt?.UtcDateTime,
        running,
        worker.Registration.Host,
        worker.Registration.Address,
        worker.Registration.Version,
        worker.Registration.Process,
        worker.Registration.Slots,
        worker.Registration.Started.UtcDateTime,
        worker.Registration.Labels,
        worker.Registration.Clock.UtcDateTime,
        worker.Registration.Refuses,
        worker.Registration.Drain,
        worker.ClockAhead?.TotalMilliseconds,
        WorkerLag.Of(worker.Registration.Figures),
        worker.Registration.Figures?.Spool,
        worker.Registration.Figures?.Refused);

    private static string StateOf(WorkerEntry worker, int running) =>
        worker.LeftAt is not null ? Left
        : worker.Registration.Drain.Length > 0 ? (running > 0 ? Draining : Drained)
        : worker.Registration.Refuses.Length > 0 ? Refusing
        : Live;
}

/// <summary>How late commands started, in milliseconds: the upper bounds of the buckets with the median and the 99th percentile.</summary>
internal sealed record WorkerLag(double P50Ms, double P99Ms)
{
    public static WorkerLag? Of(WorkerFigures? figures) =>
        figures?.Lag?.With(Bounds.Lag) is { } lag && lag.Counts.Sum() > 0 ? new WorkerLag(End(lag, 0.5), End(lag, 0.99)) : null;

    private static double End(Distribution lag, double share)
    {
        var wanted = Math.Ceiling(lag.Counts.Sum() * share);
        var sum = 0L;
        var bucket = lag.Counts.TakeWhile(count => (sum += count) < wanted).Count();
        return lag.Bounds[Math.Min(bucket, lag.Bounds.Count - 1)] * 1000;
    }
}

/// <param name="Next">Always null: workers come on one page.</param>
internal sealed record WorkerPage(IReadOnlyList<WorkerRow> Workers, string? Next = null);
