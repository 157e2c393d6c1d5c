using System.Threading.Channels;
using Dts.Common.Etcd;
using Dts.Common.Jobs;
using Dts.Worker.Commands;
using Dts.Worker.Runs;
using Etcdserverpb;
using Microsoft.Extensions.Logging;

namespace Dts.Worker.Records;

/// <summary>
/// Deletes runs and owed endings from etcd once they are recorded, many in one transaction, which also queues the runs' follow-ups.
/// </summary>
/// <param name="agreedTime">The time by the clocks of all workers. Retries and dependent runs become due from it.</param>
internal sealed class Completer(
    EtcdClient etcd,
    Keys keys,
    string workerId,
    OwnRuns runs,
    HeldCommands commands,
    Func<DateTimeOffset> agreedTime,
    ChannelReader<Ending> completed,
    TimeProvider time,
    ILogger log)
{
    private const int AtOnce = 100;

    private static readonly TimeSpan RetryPause = TimeSpan.FromMilliseconds(300);
    // One try, if etcd is silent: the worker must stop in time.
    private static readonly TimeSpan TriesAtTheEndTake = TimeSpan.FromSeconds(2);

    private readonly CompletionTxn _txn = new(keys, workerId);

    // The endings that wait while etcd is away, so that the recorder need not wait. They are few, because nothing is claimed meanwhile.
    private readonly List<Ending> _waiting = [];

    public async Task RunAsync()
    {
        for (long? failingSince = null; _waiting.Count > 0 || await completed.WaitToReadAsync();)
        {
            while (completed.TryRead(out var ending))
            {
                _waiting.Add(ending with { Record = ending.Record with { Output = "" } }); // The spool has the output.
            }

            // etcd refuses a request that puts and deletes one key. Two endings of one run would: first owed, then recorded.
            var together = _waiting.Take(AtOnce).DistinctBy(ending => ending.Record.Id).ToList();
            var startedAt = time.GetTimestamp();
            if (await TryCompleteAsync([.. together]))
            {
                failingSince = null;
                await ForgetAsync(together);
            }
            else if (completed.Completion.IsCompleted && time.GetElapsedTime(failingSince ??= startedAt) > TriesAtTheEndTake)
            {
                return; // The next process under this id finds these runs.
            }
            else
            {
                failingSince ??= startedAt;
                await Task.Delay(RetryPause, time);
            }
        }
    }

    private async Task ForgetAsync(List<Ending> done)
    {
        var ended = done.Select(ending => ending.Run).OfType<Run>().ToList();
        ended.ForEach(runs.Remove);
        commands.Forget([.. ended.Select(run => run.Key)]);
        done.ForEach(ending => _waiting.Remove(ending));
        await AnswerKillsAsync(ended);
    }

    /// <summary>False = etcd could not be reached.</summary>
    private async Task<bool> TryCompleteAsync(List<Ending> left)
    {
        try
        {
            while (left.Count > 0)
            {
                // Repeating it is harmless: it compares the revision of each run's key.
                var next = left.Select(ending => _txn.FollowUpsOf(ending, agreedTime(), Random.Shared.NextDouble())).ToList();
                var answer = await etcd.TxnAsync(Txn.All(left.Zip(next, _txn.Complete)), repeatable: true);
                left = [.. left.Where((ending, i) => !IsSettled(ending, answer.Responses[i], next[i]))];
            }

            return true;
        }
        catch (EtcdException failure) when (failure.Error == EtcdError.Refused && left.Count > 1)
        {
            foreach (var ending in left)
            {
                if (!await TryCompleteAsync([ending])) // One by one, so that an ending that etcd refuses blocks no other.
                {
                    return false;
                }
            }

            return true;
        }
        catch (EtcdException failure) when (failure.Error == EtcdError.Refused)
        {
            log.CompletionRefused(left[0].Record.Id, failure.Message);
            return true; // Its key stays, and the reaper ends its run as lost within a minute.
        }
        catch (EtcdException)
        {
            return false;
        }
    }

    /// <summary>False = the key is still this worker's, at another revision: the run was moved to a new session meanwhile.</summary>
    private bool IsSettled(Ending ending, ResponseOp answer, IReadOnlyList<(JobName Job, RunSpec Run)> next)
    {
        if (ending.Run is not { } run)
        {
            return true;
        }

        if (answer.ResponseTxn.Succeeded)
        {
            foreach (var (job, spec) in next)
            {
                log.FollowUp(job, spec.Id, run.Key, spec.Trigger);
            }
        }

        return _txn.IsSettled(run, answer.ResponseTxn);
    }

    /// <summary>Deletes answered kill requests: one for a run at its end, one for a job when no run of it is in flight.</summary>
    private async Task AnswerKillsAsync(List<Run> ended)
    {
        foreach (var run in ended.Where(run => run.KillRevision > 0))
        {
            try
            {
                await etcd.TxnAsync(_txn.AnswerKills(run));
            }
            catch (EtcdException)
            {
                // The reaper deletes it.
            }
        }
    }
}
