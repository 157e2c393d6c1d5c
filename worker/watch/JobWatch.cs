using System.Threading.Channels;
using Dts.Common.Cron;
using Dts.Common.Etcd;
using Dts.Common.Hosting;
using Dts.Common.Jobs;
using Dts.Worker.Fires;
using Dts.Worker.Sessions;
using Microsoft.Extensions.Logging;

namespace Dts.Worker.Watches;

/// <summary>Turns changes in etcd (jobs, the queue, kill requests, workers, drains) into events for <see cref="FireLoop"/>.</summary>
/// <param name="left">Tells the reaper that a worker has left, so that it looks at the worker's runs.</param>
internal sealed class JobWatch(
    EtcdClient etcd,
    Keys keys,
    string workerId,
    CronZone defaultZone,
    ClockCheck clocks,
    OwnDrain drain,
    ChannelWriter<FireEvent> inbox,
    ChannelWriter<bool> left,
    ILogger log)
{
    private readonly ChangeReader _reader = new(keys, workerId, defaultZone, log);
    private readonly TaskCompletionSource _workersListed = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource _drainsListed = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public async Task RunAsync(CancellationToken stop)
    {
        await foreach (var ended in Task.WhenEach(
            WatchWorkersAsync(stop), WatchDrainsAsync(stop), WatchJobsAsync(stop), WatchQueueAsync(stop), WatchKillersAsync(stop)))
        {
            await ended;
        }

        inbox.Complete();
    }

    private async Task WatchJobsAsync(CancellationToken stop)
    {
        await Task.WhenAll(_workersListed.Task, _drainsListed.Task); // The live workers decide who runs a job, and in which shard.
        var cursors = await LoadCursorsAsync(stop);
        await foreach (var batch in new Watch(etcd, keys.Jobs).ReadAsync(stop))
        {
            await TellOtherDataAsync(batch);
            foreach (var change in batch.Changes)
            {
                await SendAsync(_reader.ReadJob(change, cursors));
            }

            if (cursors is not null)
            {
                cursors = null;
                await inbox.WriteAsync(new FireEvent.JobsListed(), CancellationToken.None);
            }
        }
    }

    /// <summary>The cursors as they stand at the start, by key.</summary>
    private async Task<Dictionary<string, ChangeReader.FoundCursor>?> LoadCursorsAsync(CancellationToken stop)
    {
        await foreach (var batch in new Watch(etcd, keys.AllFired).ReadAsync(stop))
        {
            return ChangeReader.ReadCursors(batch.Changes); // The first batch is the whole table. Later on, claims read cursors.
        }

        return [];
    }

    private async Task WatchQueueAsync(CancellationToken stop)
    {
        await foreach (var batch in new Watch(etcd, keys.AllQueued).ReadAsync(stop))
        {
            foreach (var change in batch.Changes)
            {
                await SendAsync(_reader.ReadQueued(change));
            }
        }
    }

    private async Task WatchKillersAsync(CancellationToken stop)
    {
        await foreach (var batch in new Watch(etcd, keys.Killers).ReadAsync(stop))
        {
            await TellOtherDataAsync(batch);
            foreach (var change in batch.Changes)
            {
                await SendAsync(_reader.ReadKill(change));
            }
        }
    }

    /// <summary>Each watch notices a restored or wiped etcd by itself, and may deliver changes of the former data until then.</summary>
    private async Task TellOtherDataAsync(ChangeBatch batch)
    {
        if (batch.IsOtherData)
        {
            await inbox.WriteAsync(new FireEvent.OtherData(), CancellationToken.None);
        }
    }

    private async Task WatchWorkersAsync(CancellationToken stop)
    {
        await foreach (var batch in new Watch(etcd, keys.Workers).ReadAsync(stop))
        {
            foreach (var change in batch.Changes)
            {
                var happened = _reader.ReadWorker(change, out var registration);
                var id = keys.WorkerOf(change.Key);
                if (change is KeyChange.Put)
                {
                    clocks.Observe(id, registration?.Clock ?? default, isFresh: batch.IsLive);
                }
                else
                {
                    clocks.Forget(id);
                    left.TryWrite(true);
                }

                await SendAsync(happened);
            }

            _workersListed.TrySetResult();
        }

        _workersListed.TrySetResult();
    }

    private async Task WatchDrainsAsync(CancellationToken stop)
    {
        await foreach (var batch in new Watch(etcd, keys.AllDrained).ReadAsync(stop))
        {
            foreach (var change in batch.Changes)
            {
                var drained = _reader.ReadDrain(change);
                if (drained.Id == workerId)
                {
                    drain.Set(change is KeyChange.Put put ? $"{Display.Line(put.Value.ToStringUtf8())}" : "");
                }

                await SendAsync(drained);
            }

            _drainsListed.TrySetResult();
        }

        _drainsListed.TrySetResult();
    }

    private async Task SendAsync(FireEvent? happened)
    {
        if (happened is not null)
        {
            await inbox.WriteAsync(happened, CancellationToken.None);
        }
    }
}
