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
    private const int EventsAtOnce = 20;

    private static readonly TimeSpan ReadsAgainAfter = TimeSpan.FromSeconds(1);

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
        var isListed = false;
        await foreach (var batch in new Watch(etcd, keys.Jobs, inParts: true).ReadAsync(stop))
        {
            await TellOtherDataAsync(batch);
            var cursors = isListed ? null : await FindCursorsAsync([.. batch.Changes.OfType<KeyChange.Put>()], stop);
            await SendAsync(batch, change => _reader.ReadJob(change, cursors));
            if (batch.Listed && !isListed)
            {
                isListed = true;
                await inbox.WriteAsync(new FireEvent.JobsListed(), CancellationToken.None);
            }
        }
    }

    /// <summary>The cursors of jobs that were there when this worker started, by key. From here on claims bring the cursors.</summary>
    private async Task<Dictionary<string, ChangeReader.FoundCursor>> FindCursorsAsync(
        IReadOnlyList<KeyChange.Put> jobs, CancellationToken stop)
    {
        while (!stop.IsCancellationRequested)
        {
            try
            {
                Dictionary<string, ChangeReader.FoundCursor> cursors = [];
                foreach (var range in _reader.CursorsOf(jobs))
                {
                    await foreach (var part in TableLoader.ReadAsync(etcd, range, stop))
                    {
                        ChangeReader.ReadCursors(part.Keys, cursors);
                    }
                }

                return cursors;
            }
            catch (Exception failure) when (failure is EtcdException or OperationCanceledException)
            {
                // The client has logged it, or the worker stops.
                await Task.Delay(ReadsAgainAfter, etcd.Time, stop).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
        }

        return [];
    }

    private async Task WatchQueueAsync(CancellationToken stop)
    {
        await foreach (var batch in new Watch(etcd, keys.AllQueued).ReadAsync(stop))
        {
            await SendAsync(batch, _reader.ReadQueued);
        }
    }

    private async Task WatchKillersAsync(CancellationToken stop)
    {
        await foreach (var batch in new Watch(etcd, keys.Killers).ReadAsync(stop))
        {
            await TellOtherDataAsync(batch);
            await SendAsync(batch, _reader.ReadKill);
        }
    }

    /// <summary>Each watch notices a restored or wiped etcd by itself, and may deliver changes of the former data until then.</summary>
    private async Task TellOtherDataAsync(ChangeBatch batch)
    {
        if (batch.IsOtherData)
        {
            await inbox.WriteAsync(new FireEvent.EtcdReplaced(), CancellationToken.None);
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

                await inbox.WriteAsync(happened, CancellationToken.None);
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

                await inbox.WriteAsync(drained, CancellationToken.None);
            }

            _drainsListed.TrySetResult();
        }

        _drainsListed.TrySetResult();
    }

    /// <summary>
    /// Sends a batch's events in groups of <see cref="EventsAtOnce"/>. The loop checks the time after each group, so a large batch delays
    /// no start.
    /// </summary>
    private async Task SendAsync(ChangeBatch batch, Func<KeyChange, FireEvent?> read)
    {
        foreach (var changes in batch.Changes.Chunk(EventsAtOnce))
        {
            var happened = changes.Select(read).OfType<FireEvent>().ToList();
            if (happened.Count > 0)
            {
                await inbox.WriteAsync(happened is [var one] ? one : new FireEvent.Together(happened), CancellationToken.None);
            }
        }
    }
}
