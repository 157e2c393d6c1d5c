using Dts.Common.Etcd;
using Dts.Common.Jobs;
using Dts.Common.Logs;
using Dts.Master.Logs;
using Etcdserverpb;
using Mvccpb;

namespace Dts.Master.Jobs;

/// <summary>Reads one run from etcd and the log.</summary>
internal sealed class RunReader(
    EtcdClient etcd, Keys keys, ILogReader store, JobStore jobs, ForeignValues foreign, TimeProvider time)
{
    private const int UsualDays = 30;
    private const int JobsAtOnce = 30; // With four reads each: etcd accepts 128 in a transaction.

    private static readonly TimeSpan LookEvery = TimeSpan.FromMilliseconds(200);
    private static readonly TimeSpan AppearsWithin = TimeSpan.FromSeconds(2); // The record of a run that has just ended.

    /// <summary>Null = the run is not known.</summary>
    /// <param name="withOutput">Its record comes with its output.</param>
    public async Task<RunView?> FindAsync(JobName name, string runId, bool withOutput, CancellationToken cancel)
    {
        for (var begun = time.GetTimestamp(); ; await Task.Delay(LookEvery, time, cancel))
        {
            var found = await LookAsync(name, runId, withOutput, cancel);
            if (found is not null || !RunId.TryParse(runId, out _) || time.GetElapsedTime(begun) > AppearsWithin)
            {
                return found;
            }
        }
    }

    private async Task<RunView?> LookAsync(JobName name, string runId, bool withOutput, CancellationToken cancel)
    {
        // etcd first: a run that ends between the two reads is still there.
        var unended = await ListUnendedAsync([name], cancel);
        var run = unended.FirstOrDefault(run => run.RunId == runId);
        var (record, isLogRead) = await FindRecordAsync(name, runId, isNeeded: run is null, cancel);
        if (record is { Status: RunStatus.Lost } && run is not null)
        {
            record = null; // The run is in etcd, so it goes on; ignore the lost record.
        }

        if (run is null && record is null)
        {
            return null;
        }

        var timeline = record is not null ? RunTimeline.Of(record) : RunTimeline.Of(run!);
        // The definition that the run was claimed with: its dependents are the ones that run.
        var job = (record is { JobRevision: > 0 and var revision } ? await jobs.FindAtAsync(name, revision, cancel) : null)
            ?? await jobs.FindAsync(name, cancel);
        var attempt = record?.Attempt ?? run!.Attempt;
        var trigger = record?.Trigger ?? run!.Trigger;
        var cause = record?.Cause ?? run!.Cause;
        return new RunView(
            name,
            runId,
            record is null ? run!.State : UnendedRun.Ended,
            record?.Status,
            record?.Err ?? "",
            timeline with
            {
                UsualMs = isLogRead ? await FindUsualAsync(name, cancel) : null,
                TimeoutMs = record is null && job is { TimeoutSeconds: > 0 } ? job.TimeoutSeconds * 1000L : null,
            },
            record?.Worker ?? run!.Worker,
            attempt,
            trigger,
            FindCause(name, runId, trigger, cause),
            await ListAttemptsAsync(name, runId, unended, isLogRead, cancel),
            record is null || job is null ? [] : await ListTriggeredAsync($"{name}/{runId}", timeline.PlanTime, job, cancel),
            record is null && run!.IsKillAsked,
            ListedRecord.OfOne(record, withOutput));
    }

    /// <param name="isNeeded">Only the log can have the run; otherwise etcd has it, and the log may be away.</param>
    /// <returns>The record (null = there is none), and whether the log was read.</returns>
    private async Task<(RunRecord? Record, bool IsLogRead)> FindRecordAsync(
        JobName name, string runId, bool isNeeded, CancellationToken cancel)
    {
        try
        {
            return (await store.FindAsync($"{name}/{runId}", cancel), true);
        }
        catch (LogStoreException) when (!isNeeded)
        {
            return (null, false); // More reads would only take more time.
        }
    }

    private async Task<long?> FindUsualAsync(JobName name, CancellationToken cancel)
    {
        var first = DateOnly.FromDateTime(time.GetUtcNow().UtcDateTime).AddDays(-UsualDays);
        return DayStats.Percentile(await store.ListStatsAsync(name, first, cancel), 'd', 0.5);
    }

    private static RunLink? FindCause(JobName name, string runId, string trigger, string cause) =>
        trigger is RunSpec.Retry or RunSpec.Rerun && RunId.TryParse(runId, out var parts)
            ? RunLink.To($"{name}/{RunId.Of(parts.PlanTime, parts.Origin, parts.Attempt - 1, parts.Worker)}")
            : cause.Length > 0 ? RunLink.To(cause) : null;

    private async Task<IReadOnlyList<RunLink>> ListAttemptsAsync(
        JobName name, string runId, IReadOnlyList<UnendedRun> unended, bool isLogRead, CancellationToken cancel)
    {
        if (!RunId.TryParse(runId, out var parts))
        {
            return [];
        }

        return await ListAsync(
            name,
            parts.PlanTime,
            other => RunId.TryParse(other, out var its) && its with { Attempt = parts.Attempt } == parts,
            unended.Where(run => run.JobName == name.Value),
            isLogRead,
            cancel);
    }

    /// <summary>The runs of the job's dependents whose ids say that this run led to them.</summary>
    private async Task<IReadOnlyList<RunLink>> ListTriggeredAsync(string cause, DateTimeOffset planTime, Job job, CancellationToken cancel)
    {
        var origin = RunId.OriginAfter(cause);
        var dependents = job.Dependents
            .Distinct()
            .Where(dependent => JobName.TryParse(dependent, out _, out _))
            .Select(JobName.Parse)
            .ToList();
        var unended = await ListUnendedAsync(dependents, cancel);
        List<RunLink> links = [];
        foreach (var name in dependents)
        {
            links.AddRange(await ListAsync(
                name,
                planTime,
                other => RunId.TryParse(other, out var its) && its.Origin == origin,
                unended.Where(run => run.JobName == name.Value),
                isLogRead: true,
                cancel));
        }

        return links;
    }

    /// <summary>A job's runs of one plan time that fit, from etcd and the log, the first attempt first.</summary>
    private async Task<IReadOnlyList<RunLink>> ListAsync(
        JobName name,
        DateTimeOffset planTime,
        Func<string, bool> fits,
        IEnumerable<UnendedRun> unended,
        bool isLogRead,
        CancellationToken cancel)
    {
        var ms = planTime.ToUnixTimeMilliseconds();
        var planned = isLogRead ? await store.ListPlannedAsync(name, planTime, planTime.AddMilliseconds(1), cancel) : [];
        var records = planned
            .Where(record => record.PlanTime == ms && fits(EndedRun.RunIdOf(record.Id, record.JobName)))
            .Select(RunLink.To);
        return
        [
            .. unended.Where(run => fits(run.RunId)).Select(RunLink.To)
                .Concat(records)
                .DistinctBy(link => link.RunId)
                .OrderBy(link => link.Attempt)
                .ThenBy(link => link.RunId, StringComparer.Ordinal),
        ];
    }

    private async Task<IReadOnlyList<UnendedRun>> ListUnendedAsync(IReadOnlyList<JobName> names, CancellationToken cancel)
    {
        List<UnendedRun> runs = [];
        var now = time.GetUtcNow();
        foreach (var some in names.Chunk(JobsAtOnce))
        {
            // In one transaction, a run that is just being claimed is in one of the two places.
            var reads = some.SelectMany(name => (RequestOp[])
                [Txn.List(keys.Runs(name)), Txn.List(keys.QueueOf(name)), Txn.Get(keys.Killer(name)), Txn.List($"{keys.Killer(name)}/")]);
            var state = await etcd.TxnAsync(Txn.All(reads), repeatable: true, cancel);
            foreach (var answers in state.Responses.Select(response => response.ResponseRange.Kvs).Chunk(4))
            {
                List<KeyValue> kills = [.. answers[2], .. answers[3]];
                runs.AddRange(UnendedRun.Read(keys, answers[0], answers[1], kills, foreign.Report).Select(run => run.At(now)));
            }
        }

        return runs;
    }
}
