namespace Dts.Common.Etcd;

/// <summary>A lock that lives as long as a session: for chores that one process at a time should do.</summary>
/// <remarks>It saves work; it is not what keeps anything right. What is done under it must be harmless when two do it.</remarks>
public sealed class LeaseLock(EtcdClient etcd, string key)
{
    /// <summary>Takes the lock if it is free. True when this session holds it now.</summary>
    public async Task<bool> TryAcquireAsync(Session session, string owner, CancellationToken cancel = default)
    {
        if (await etcd.FindAsync(key, cancel: cancel) is { } held)
        {
            return held.Lease == session.Lease.Value;
        }

        var take = Txn.If(Txn.Missing(key)).Then(Txn.Put(key, owner, session.Lease));
        return (await etcd.TxnAsync(take, cancel: cancel)).Succeeded;
    }
}
