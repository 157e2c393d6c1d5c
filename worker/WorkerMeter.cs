using System.Diagnostics.Metrics;
using Dts.Common.Etcd;
using Dts.Common.Jobs;
using Dts.Common.Logs;
using Dts.Common.Metrics;
using Dts.Worker.Records;
using Dts.Worker.Runs;

namespace Dts.Worker;

/// <summary>The instruments of this process; see <see cref="WorkerLog"/> for the lines that it prints.</summary>
internal static class WorkerMeter
{
    private const string Status = "status";

    private static readonly Meter Meter = new("Dts.Worker");

    private static readonly Counter<long> Runs = Meter.CreateCounter<long>("dts.runs", "{run}", "Fires whose ending was recorded.");

    private static readonly Histogram<double> Lag = Meter.CreateHistogram(
        "dts.run.start.lag", "s", "Time from when a run was due to the start of its command.", advice: Bounds.Advice(Bounds.Lag));

    private static readonly Histogram<double> Took = Meter.CreateHistogram(
        "dts.run.duration", "s", "Time that commands ran.", advice: Bounds.Advice(Bounds.Run));

    private static readonly Histogram<double> Writes = Meter.CreateHistogram(
        "dts.store.write.duration", "s", "Time that the log store took to write a batch of records.", advice: Bounds.Advice(Bounds.Call));

    public static void Started(double lagMs) => Lag.Record(Math.Max(0, lagMs) / 1000);

    public static void Recorded(RunRecord record)
    {
        Runs.Add(1, new KeyValuePair<string, object?>(Status, record.Status.Word()));
        if (record.Status is RunStatus.Succeeded or RunStatus.Failed or RunStatus.TimedOut or RunStatus.Killed)
        {
            Took.Record((record.EndTime - record.StartTime) / 1000.0);
        }
    }

    public static void Wrote(TimeSpan took) => Writes.Record(took.TotalSeconds);

    /// <summary>Registers the gauges, which read the state of these objects.</summary>
    public static void Watch(Func<int> slots, OwnRuns runs, Spool spool, RefusedRecords refused)
    {
        Meter.CreateObservableGauge("dts.worker.slots", () => (long)slots(), "{run}", "Commands that may run at a time.");
        Meter.CreateObservableGauge("dts.worker.running", () => (long)CountRunning(runs), "{run}", "Commands that run.");
        Meter.CreateObservableGauge("dts.spool.records", () => spool.Waiting, "{record}", "Records that wait for the log store.");
        Meter.CreateObservableGauge(
            "dts.refused.records", () => (long)refused.Kept, "{record}", "Records that the log store refuses, kept on this host.");
    }

    /// <summary>What the registration carries.</summary>
    public static WorkerFigures Describe(FigureTable figures, OwnRuns runs, Spool spool, RefusedRecords refused) => new(
        figures.Find(Runs),
        Counted.Of(figures.Find(Lag)),
        Counted.Of(figures.Find(Took)),
        Counted.Of(figures.Find(EtcdMeter.Calls)),
        Counted.Of(figures.Find(Writes)),
        CountRunning(runs),
        spool.Waiting,
        refused.Kept);

    private static int CountRunning(OwnRuns runs) => runs.All.Count(run => run is { Command: not null, Status: null });
}
