using Dts.Common.Etcd;
using Dts.Common.Hosting;
using Dts.Common.Jobs;
using Dts.Common.Logs;
using Dts.Master.Jobs;
using Dts.Master.Logs;

namespace Dts.Master.Views;

/// <summary>Keeps the view up to date, by watches in etcd and by reading endings from the log.</summary>
internal sealed class ViewKeeper(
    ClusterView view, EtcdClient etcd, Keys keys, ILogReader store, ForeignValues foreign, TimeProvider time, ILogger log)
{
    private const int ChangesAtOnce = 1000; // Lists are answered in between.

    private static readonly TimeSpan Pause = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan LongestPause = TimeSpan.FromSeconds(30);

    /// <summary>Runs until cancelled.</summary>
    /// <param name="clocks">Hears the clock of each worker.</param>
    public async Task RunAsync(ClockCheck clocks, CancellationToken stop)
    {
        await foreach (var ended in Task.WhenEach(
            FollowAsync(keys.Workers, (state, batch) => state.ApplyWorkers(batch, Now, clocks), stop),
            FollowAsync(keys.Jobs, (state, batch) => state.ApplyJobs(batch.Changes), stop),
            FollowAsync(keys.AllRuns, (state, batch) => state.ApplyRuns(batch, Report), stop),
            FollowAsync(keys.AllQueued, (state, batch) => state.ApplyQueue(batch, Report), stop),
            FollowAsync(keys.Killers, (state, batch) => state.ApplyKills(batch.Changes), stop),
            FollowAsync(keys.AllOwed, (state, batch) => state.ApplyOwed(batch), stop, isTable: false),
            AskAsync(stop)))
        {
            await ended;
        }
    }

    private DateTimeOffset Now => time.GetUtcNow();

    private async Task FollowAsync(
        string prefix, Action<ClusterState, ChangeBatch> apply, CancellationToken stop, bool isTable = true)
    {
        var isListed = false;
        var watch = new Watch(etcd, prefix, inParts: true);
        if (isTable)
        {
            view.Follow(() => watch.CutOff);
        }

        await foreach (var batch in watch.ReadAsync(stop))
        {
            foreach (var changes in batch.Changes.Chunk(ChangesAtOnce))
            {
                view.Change(state => apply(state, batch with { Changes = changes }));
            }

            if (batch.Listed && !isListed && isTable)
            {
                view.NoteListed();
                if (view.IsListed)
                {
                    GC.Collect(GC.MaxGeneration, GCCollectionMode.Aggressive); // Reading many jobs has left more garbage than jobs.
                }
            }

            isListed |= batch.Listed;
        }
    }

    /// <summary>Reads the endings that the view lacks from the log, one query at a time.</summary>
    private async Task AskAsync(CancellationToken stop)
    {
        var pause = Pause;
        var lostAt = 0L; // 0 = the log store answers.
        while (!stop.IsCancellationRequested)
        {
            view.Change(state => state.Tick(Now));
            while (view.Take(state => state.EndingQueries.Next()) is { } query)
            {
                var begun = time.GetTimestamp();
                try
                {
                    var found = await AskAsync(query, stop);
                    view.Change(state => state.Endings.Take(query, found));
                }
                catch (Exception failure) when (failure is LogStoreException or OperationCanceledException)
                {
                    view.Change(state => state.EndingQueries.PutBack(query));
                    if (stop.IsCancellationRequested)
                    {
                        return;
                    }

                    if (lostAt == 0)
                    {
                        log.EndingsUnread(failure.Message);
                        lostAt = begun;
                    }

                    pause = TimeSpan.FromTicks(Math.Min(pause.Ticks * 2, LongestPause.Ticks));
                    break;
                }
                catch (Exception bug)
                {
                    // A record that nobody foresaw must not end the process: it would end each restart, too.
                    if (view.Take(state => state.EndingQueries.Split(query)) is { } job)
                    {
                        log.EndingsUnreadable(Display.Line(job), bug);
                    }

                    break;
                }

                if (lostAt != 0)
                {
                    log.EndingsRead(time.GetElapsedTime(lostAt).TotalSeconds);
                }

                (pause, lostAt) = (Pause, 0);

                // Leaves half of the time to the workers, which write to this store, and to requests, which read from it.
                await WaitAsync(time.GetElapsedTime(begun), stop);
            }

            await WaitAsync(pause, stop);
        }
    }

    private Task<IReadOnlyList<EndedRun>> AskAsync(EndingQuery query, CancellationToken stop) => query switch
    {
        EndingQuery.Runs(var awaited) => store.FindEndingsAsync([.. awaited.Select(run => run.RecordId)], stop),
        EndingQuery.Jobs(var names) => store.ListEndingsAsync(names, EndingList.Kept, stop),
        _ => throw new System.Diagnostics.UnreachableException(),
    };

    private async Task WaitAsync(TimeSpan pause, CancellationToken stop) =>
        await Task.Delay(pause, time, stop).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);

    private void Report(KeyChange change, string why) => foreign.Report(change.Key, change.ModRevision, why);
}
