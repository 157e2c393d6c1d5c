using Dts.Common.Etcd;
using Dts.Common.Hosting;
using Dts.Common.Jobs;
using Dts.Common.Logs;
using Dts.Master.Jobs;
using Dts.Master.Logs;

namespace Dts.Master.Views;

/// <summary>Keeps the view up to date: by watches in etcd, and by asking the log for endings.</summary>
internal sealed class ViewKeeper(
    ClusterView view, EtcdClient etcd, Keys keys, ILogReader store, ForeignValues foreign, TimeProvider time, ILogger log)
{
    private const int ChangesAtOnce = 1000; // Between two of these, lists are answered.

    private static readonly TimeSpan Pause = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan LongestPause = TimeSpan.FromSeconds(30);

    /// <summary>Runs until cancelled.</summary>
    public async Task RunAsync(CancellationToken stop)
    {
        await foreach (var ended in Task.WhenEach(
            FollowAsync(
                keys.Workers, ClusterView.Table.Workers, (state, batch) => state.ApplyWorkers(batch.Changes, Now, batch.IsLive), stop),
            FollowAsync(keys.Jobs, ClusterView.Table.Jobs, (state, batch) => state.ApplyJobs(batch.Changes), stop),
            FollowAsync(keys.AllRuns, ClusterView.Table.Runs, (state, batch) => state.ApplyRuns(batch, Now, Report), stop),
            FollowAsync(keys.AllQueued, ClusterView.Table.Queue, (state, batch) => state.ApplyQueue(batch, Report), stop),
            FollowAsync(keys.Killers, ClusterView.Table.Kills, (state, batch) => state.ApplyKills(batch.Changes), stop),
            FollowAsync(keys.AllOwed, null, (state, batch) => state.ApplyOwed(batch, Now), stop),
            AskAsync(stop)))
        {
            await ended;
        }
    }

    private DateTimeOffset Now => time.GetUtcNow();

    private async Task FollowAsync(
        string prefix, ClusterView.Table? table, Action<ClusterState, ChangeBatch> apply, CancellationToken stop)
    {
        var isListed = false;
        var watch = new Watch(etcd, prefix);
        if (table is not null)
        {
            view.Follow(() => watch.CutOff);
        }

        await foreach (var batch in watch.ReadAsync(stop))
        {
            foreach (var changes in batch.Changes.Chunk(ChangesAtOnce))
            {
                view.Change(state => apply(state, batch with { Changes = changes }));
            }

            if (!isListed && table is not null)
            {
                view.NoteListed();
            }

            isListed = true;
        }
    }

    /// <summary>Asks the log, a question at a time, for the endings that the view lacks.</summary>
    private async Task AskAsync(CancellationToken stop)
    {
        var pause = Pause;
        var lostAt = 0L; // 0 = the log store answers.
        while (!stop.IsCancellationRequested)
        {
            view.Change(state => state.Tick(Now));
            while (view.Take(state => state.Questions.Next(Now)) is { } question)
            {
                var begun = time.GetTimestamp();
                try
                {
                    var found = await AskAsync(question, stop);
                    view.Change(state => state.Answer(question, found, Now));
                }
                catch (Exception failure) when (failure is LogStoreException or OperationCanceledException)
                {
                    view.Change(state => state.Questions.PutBack(question, Now));
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
                    // A record that nobody foresaw must not end the process: it would do so after each start.
                    if (view.Take(state => state.Questions.Split(question)) is { } job)
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

                // Half of the time is left to others: the workers write to this store, and requests read from it.
                await WaitAsync(time.GetElapsedTime(begun), stop);
            }

            await WaitAsync(pause, stop);
        }
    }

    private Task<IReadOnlyList<EndedRun>> AskAsync(EndingQuestion question, CancellationToken stop) => question switch
    {
        EndingQuestion.Runs(var awaited) => store.FindEndingsAsync([.. awaited.Select(run => run.RecordId)], stop),
        EndingQuestion.Jobs(var names) => store.ListEndingsAsync(names, EndingList.Kept, stop),
        _ => throw new System.Diagnostics.UnreachableException(),
    };

    private async Task WaitAsync(TimeSpan pause, CancellationToken stop) =>
        await Task.Delay(pause, time, stop).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);

    private void Report(KeyChange change, string why) => foreign.Report(change.Key, change.ModRevision, why);
}
