using Dts.Common.Jobs;

namespace Dts.Master.Views;

/// <summary>A worker as lists show it: its registration, and how it stands.</summary>
/// <param name="State"><c>live</c>; <c>refusing</c>: it claims nothing, and <paramref name="Refuses"/> says why; <c>left</c>.</param>
/// <param name="LeftAt">When its registration went, as this master saw it; null = it is there.</param>
/// <param name="Running">How many runs it has in flight.</param>
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
    string Refuses)
{
    public const string Live = "live";
    public const string Refusing = "refusing";
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
        worker.LeftAt is not null ? Left : worker.Registration.Refuses.Length > 0 ? Refusing : Live,
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
        worker.Registration.Refuses);
}

/// <param name="Next">Always null: workers come on one page.</param>
internal sealed record WorkerPage(IReadOnlyList<WorkerRow> Workers, string? Next = null);
