using System.Threading.Channels;
using Dts.Common;
using Dts.Common.Etcd;

namespace Dts.Worker;

/// <summary>Takes ended runs, whose records are in the spool, out of etcd: many in one transaction.</summary>
internal sealed class Completer(EtcdClient etcd, Keys keys, RunsInFlight runs, ChannelReader<Run> completed, TimeProvider time)
{
    private const int AtOnce = 100;
    private const int TriesAtTheEnd = 3;

    private static readonly TimeSpan RetryPause = TimeSpan.FromMilliseconds(300);

    public async Task RunAsync()
    {
        var batch = new List<Run>();
        while (await completed.WaitToReadAsync())
        {
            while (batch.Count < AtOnce && completed.TryRead(out var run))
            {
                batch.Add(run);
            }

            if (await DeleteAsync(batch))
            {
                batch.ForEach(runs.Remove);
                await AnswerKillsAsync(batch);
            }

            batch.Clear();
        }
    }

    /// <summary>False when etcd could not be reached and the worker is ending: the next one under this id finds them.</summary>
    private async Task<bool> DeleteAsync(List<Run> batch)
    {
        for (var failures = 0; ;)
        {
            try
            {
                await etcd.TxnAsync(Txn.All(batch.Select(run => Txn.Delete(keys.Run(run.Name, run.Id)))), repeatable: true);
                return true;
            }
            catch (EtcdException)
            {
                if (++failures >= TriesAtTheEnd && completed.Completion.IsCompleted)
                {
                    return false;
                }

                await Task.Delay(RetryPause, time);
            }
        }
    }

    /// <summary>A kill request is answered when nothing of the job is in flight any more.</summary>
    private async Task AnswerKillsAsync(List<Run> batch)
    {
        foreach (var run in batch.Where(run => run.KillRevision > 0))
        {
            try
            {
                await etcd.TxnAsync(Txn
                    .If(Txn.Unchanged(keys.Killer(run.Name), run.KillRevision), Txn.NoneUnder(keys.Runs(run.Name)))
                    .Then(Txn.Delete(keys.Killer(run.Name))));
            }
            catch (EtcdException)
            {
                // It expires by itself.
            }
        }
    }
}
