using Dts.Common.Cron;
using Dts.Common.Etcd;
using Dts.Common.Jobs;
using Dts.Common.Logs;
using Dts.Master.Jobs;
using Dts.Tests.Support;
using Dts.Worker.Sessions;
using Etcdserverpb;

namespace Dts.Tests.Simulation;

/// <summary>Hands the evidence of a simulation to the judge of the fault test, and judges what only a simulation can see.</summary>
internal static class SimJudge
{
    public static IReadOnlyList<string> FindFaults(SimCluster cluster, IReadOnlyList<Job> jobs, DateTimeOffset from, DateTimeOffset to)
    {
        var records = cluster.Store.Records;
        var byJob = records.ToLookup(record => record.JobName);
        var now = cluster.World.Time;
        var ledgers = jobs.ToDictionary(
            job => job.Name,
            job => ReadLedger(job, ReadChanges(cluster, job), [.. byJob[job.Name]], (from, to), now));
        var evidence = new Evidence(jobs, cluster.Witness.Starts, [.. records.Where(record => record.JobName != SimWitness.Unstartable)])
        {
            Ledgers = ledgers,
            Counters = jobs.Where(job => job.Command == SimWitness.CountUp).Select(job => job.Name).ToHashSet(),
            Counts = cluster.Witness.Counts,
            Lost = cluster.Server.Lost,
        };
        return
        [
            .. Judge.FindFaults(new SimExcuses(cluster.Server.Losses).Filter(evidence)),
            .. FindLeft(cluster),
            .. FindUnended(cluster, records, jobs),
            .. FindUnheard(cluster, records),
            .. FindReplaced(cluster, records),
            .. FindReplacedByThemselves(records),
            .. cluster.Faults,
        ];
    }

    private static IReadOnlyList<LedgerLine> ReadLedger(
        Job job,
        IReadOnlyList<ScheduleChange> changes,
        IReadOnlyList<RunRecord> records,
        (DateTimeOffset From, DateTimeOffset To) span,
        DateTimeOffset now)
    {
        var plan = Ledger.Plan(JobName.Parse(job.Name), changes, job, CronZone.Utc, span.From, span.To, Ledger.LinesMax);
        return Ledger.Judge(plan, records, now);
    }

    /// <summary>What etcd and the disks still have when all is over.</summary>
    private static IEnumerable<string> FindLeft(SimCluster cluster)
    {
        var keys = cluster.Keys;
        foreach (var prefix in (string[])[keys.AllRuns, keys.AllQueued, keys.AllOwed, keys.Killers])
        {
            var left = cluster.Server.Etcd.Range(new RangeRequest { Key = Txn.Bytes(prefix), RangeEnd = Txn.EndOf(prefix) });
            foreach (var pair in left.Kvs)
            {
                yield return $"{pair.Key.ToStringUtf8()[prefix.Length..]} is left in {prefix}: {pair.Value.ToStringUtf8()}";
            }
        }

        foreach (var host in cluster.Hosts)
        {
            foreach (var held in host.Holder.Held)
            {
                yield return $"{held.Key} is still held on {host.Id}";
            }

            foreach (var run in host.Worker?.Runs ?? [])
            {
                yield return $"{run.Key} is still in flight on {host.Id}";
            }

            if (host.Worker?.Slots is { } slots && (slots.Taken, slots.Promised, slots.Asked) != (0, 0, 0))
            {
                yield return $"{host.Id} has slots left over: {slots.Taken} taken, {slots.Promised} promised, {slots.Asked} asked for";
            }
        }
    }

    /// <summary>Runs that were in the queue and have no record, or one that does not say why they did not run.</summary>
    private static IEnumerable<string> FindUnended(SimCluster cluster, IEnumerable<RunRecord> records, IReadOnlyList<Job> jobs)
    {
        var ended = records.ToDictionary(record => record.Id);
        var handedOver = jobs.Where(job => job.Mode == JobMode.All).Select(job => job.Name).ToHashSet();
        var excuses = new SimExcuses(cluster.Server.Losses);
        foreach (var (id, at) in cluster.Server.Queued.OrderBy(queued => queued.Key, StringComparer.Ordinal))
        {
            if (!ended.TryGetValue(id, out var record))
            {
                if (excuses.MayBeForgotten(at))
                {
                    continue;
                }

                if (id.Contains('@', StringComparison.Ordinal) || !handedOver.Contains(id.Split('/')[0]))
                {
                    yield return $"{id} was in the queue and has no record";
                }
            }
            else if (record.Status is RunStatus.Cancelled or RunStatus.Missed or RunStatus.Skipped && record.Err.Length == 0)
            {
                yield return $"{id} was {record.Status.Word()} without a reason";
            }
        }
    }

    /// <summary>Runs whose worker never learned that its claim was granted. They held up their jobs for a minute.</summary>
    private static IEnumerable<string> FindUnheard(SimCluster cluster, IEnumerable<RunRecord> records) => cluster.Server.Losses.Count > 0
        ? []
        : records.Where(record => record.Err.Contains(Settlement.NeverHeard, StringComparison.Ordinal))
            .Select(record => $"{record.Id} was claimed by {record.Worker}, which never learned of it");

    /// <summary>Runs whose end a worker saw, and whose record does not have it.</summary>
    private static IEnumerable<string> FindReplaced(SimCluster cluster, IEnumerable<RunRecord> records) => cluster.Server.Losses.Count > 0
        ? []
        : records.Where(record => record.ExitCode is null && cluster.Exited.Contains(record.Id))
            .Select(record => $"{record.Id} has an exit code, which its record ({record.Status.Word()}, of {record.Worker}) lacks");

    /// <summary>Planned runs that were ended for a run of the same plan time.</summary>
    private static IEnumerable<string> FindReplacedByThemselves(IReadOnlyCollection<RunRecord> records)
    {
        var others = records.Where(record => record.Trigger != RunSpec.Schedule)
            .Select(record => (record.JobName, TextOf(record))).ToHashSet();
        return records
            .Where(record => record.Trigger == RunSpec.Schedule
                && record.Err.Contains($"replaced by the run for {TextOf(record)}", StringComparison.Ordinal)
                && !others.Contains((record.JobName, TextOf(record))))
            .Select(record => $"{record.Id} was replaced by itself: {record.Err}");

        static string TextOf(RunRecord record) => Cursor.Text(DateTimeOffset.FromUnixTimeMilliseconds(record.PlanTime));
    }

    private static IReadOnlyList<ScheduleChange> ReadChanges(SimCluster cluster, Job job)
    {
        var pair = cluster.Server.Etcd.Keys.Find(Txn.Bytes(cluster.Keys.History(JobName.Parse(job.Name))));
        return pair is not null && Documents.TryReadHistory(pair.Value.Span, out var changes, out _) ? changes : [];
    }
}
