using Dts.Common.Etcd;
using Dts.Common.Jobs;
using Dts.Master.Jobs;

namespace Dts.Master.Access;

/// <summary>Follows people, tokens and sessions in etcd, and keeps their table up to date.</summary>
internal sealed class AccessKeeper(AccessTable table, EtcdClient etcd, Keys keys, ForeignValues foreign)
{
    private readonly Watch _watch = new(etcd, keys.Access);

    /// <summary>For how long changes have been missing; zero = they arrive.</summary>
    public TimeSpan CutOff => _watch.CutOff;

    /// <summary>Waits until the records have been read for the first time, but no longer than a limit.</summary>
    public Task WaitAsync(TimeSpan limit) => table.WaitUntilAsync(() => table.IsListed, limit, CancellationToken.None);

    /// <summary>Runs until cancelled.</summary>
    public async Task RunAsync(CancellationToken stop)
    {
        await foreach (var batch in _watch.ReadAsync(stop))
        {
            table.Apply(batch.Changes, (change, why) => foreign.Report(change.Key, change.ModRevision, why));
        }
    }
}
