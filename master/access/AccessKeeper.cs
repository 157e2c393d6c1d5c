using Dts.Common.Etcd;
using Dts.Common.Jobs;
using Dts.Master.Jobs;

namespace Dts.Master.Access;

/// <summary>Keeps the table of people, tokens and sessions up to date by a watch in etcd.</summary>
internal sealed class AccessKeeper(AccessTable table, EtcdClient etcd, Keys keys, ForeignValues foreign)
{
    private readonly TaskCompletionSource _listed = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Watch _watch = new(etcd, keys.Access);

    /// <summary>For how long changes have not come; zero = they come.</summary>
    public TimeSpan CutOff => _watch.CutOff;

    /// <summary>Waits until the records have been read for the first time, or for so long.</summary>
    public Task WaitAsync(TimeSpan most) => Task.WhenAny(_listed.Task, Task.Delay(most, etcd.Time));

    /// <summary>Runs until cancelled.</summary>
    public async Task RunAsync(CancellationToken stop)
    {
        await foreach (var batch in _watch.ReadAsync(stop))
        {
            table.Apply(batch.Changes, (change, why) => foreign.Report(change.Key, change.ModRevision, why));
            table.NoteListed();
            _listed.TrySetResult();
        }
    }
}
