using Dts.Common.Jobs;
using Dts.Common.Metrics;
using Dts.Master.Views;

namespace Dts.Master.Metrics;

/// <summary>The metrics of the cluster, from a master's view. All masters show the same: take one, or the maximum of all.</summary>
/// <remarks>
/// No family has names of jobs. So a thousand jobs are not a thousand series, and callers with a filter learn nothing about other jobs.
/// </remarks>
internal static class ClusterFigures
{
    private static readonly string[] WorkerStates = [WorkerRow.Live, WorkerRow.Refusing];

    public static IEnumerable<Family> Of(ClusterState state)
    {
        var jobs = state.Jobs.Sorted.CountBy(state.StateOf).ToDictionary();
        var workers = state.Workers.All.Where(worker => worker.LeftAt is null).ToList();
        Family[] cluster =
        [
            Gauge("dts_jobs", "Jobs by state.", Enum.GetValues<JobState>().Select(
                of => new Sample([new Label("state", of.ToString().ToLowerInvariant())], jobs.GetValueOrDefault(of)))),
            Gauge("dts_runs_in_flight", "Runs that a worker has claimed.", [new Sample([], state.Runs.CountByWorker().Values.Sum())]),
            Gauge("dts_runs_queued", "Runs that are asked for and not claimed.", [new Sample([], state.Runs.QueuedCount)]),
            Gauge(
                "dts_fires_without_ending",
                "Runs that ended more than ten minutes ago and have no record in the log; their records may wait in a worker's spool.",
                [new Sample([], state.EndingQueries.CountWithoutEnding())]),
            Gauge("dts_workers", "Workers by state; a refusing one claims nothing.", WorkerStates.Select(of => new Sample(
                [new Label("state", of)],
                workers.Count(worker => (worker.Registration.Refuses.Length > 0) == (of == WorkerRow.Refusing))))),
        ];
        return cluster.Concat(OfWorkers(workers).Concat(Measured(workers)).Where(family => family.Samples.Count > 0));
    }

    private static IEnumerable<Family> OfWorkers(IReadOnlyList<WorkerEntry> workers)
    {
        yield return Gauge("dts_worker_info", "1 for each worker, with its host and version.", workers.Select(worker => new Sample(
            [LabelOf(worker), new Label("host", worker.Registration.Host), new Label("version", worker.Registration.Version)], 1)));
        yield return Each("dts_worker_slots", "Commands that may run at a time.", worker => worker.Slots);
        yield return Each(
            "dts_worker_start_timestamp_seconds", "When the worker started.", worker => worker.Started.ToUnixTimeMilliseconds() / 1000.0);
        yield return Each("dts_worker_running", "Commands that run.", worker => worker.Figures?.Running);
        yield return Each("dts_worker_spool_records", "Records that wait for the log store.", worker => worker.Figures?.Spool);
        yield return Each(
            "dts_worker_refused_records",
            "Records that the log store refuses, kept on the worker's host.",
            worker => worker.Figures?.Refused);

        Family Each(string name, string help, Func<WorkerRegistration, double?> of) => Gauge(
            name,
            help,
            from worker in workers
            let value = of(worker.Registration)
            where value is not null
            select new Sample([LabelOf(worker)], value.Value));
    }

    /// <summary>The figures that workers measure themselves and send with their registration.</summary>
    private static IEnumerable<Family> Measured(IReadOnlyList<WorkerEntry> workers)
    {
        yield return new Family(
            "dts_runs_total",
            FamilyKind.Counter,
            "Fires whose ending the worker has recorded since its start.",
            [
                .. from worker in workers
                   from ended in worker.Registration.Figures?.Ended ?? new Dictionary<string, long>()
                   orderby worker.Id, ended.Key
                   select new Sample([LabelOf(worker), new Label("status", ended.Key)], ended.Value),
            ]);
        yield return Spread(
            "dts_run_start_lag_seconds", "Time from when a run was due to the start of its command.", figures => figures.Lag, Bounds.Lag);
        yield return Spread("dts_run_duration_seconds", "Time that commands ran.", figures => figures.Took, Bounds.Run);
        yield return Spread(
            "dts_worker_etcd_call_duration_seconds", "Time that the worker's calls to etcd took.", figures => figures.Etcd, Bounds.Call);
        yield return Spread(
            "dts_worker_store_write_duration_seconds",
            "Time that the log store took to write a batch of records.",
            figures => figures.Store,
            Bounds.Call);

        Family Spread(string name, string help, Func<WorkerFigures, Counted?> of, double[] bounds) => new(
            name,
            FamilyKind.Histogram,
            help,
            [
                .. from worker in workers
                   let distribution = worker.Registration.Figures is { } figures ? of(figures)?.With(bounds) : null
                   where distribution is not null
                   select new Sample([LabelOf(worker)], 0, distribution),
            ]);
    }

    private static Label LabelOf(WorkerEntry worker) => new("worker", worker.Id);

    private static Family Gauge(string name, string help, IEnumerable<Sample> samples) => new(name, FamilyKind.Gauge, help, [.. samples]);
}
