using Dts.Common.Etcd;

namespace Dts.Worker.Sessions;

/// <summary>A lock that lasts as long as a session: for chores that one process at a time should do.</summary>
/// <remarks>The lock saves work and guarantees nothing: what is done under it must be harmless when two processes do it.</remarks>
/// <param name="owner">The key's value, for people.</param>
internal sealed class LeaseLock(EtcdClient etcd, string key, string owner)
{
    /// <summary>Takes the lock if it is free. Returns true if this session holds it now.</summary>
    public async Task<bool> TryAcquireAsync(Session session, CancellationToken cancel = default)
    {
        if (await etcd.FindAsync(key, cancel: cancel) is { } held)
        {
            return held.Lease == session.Lease.Value;
        }

        var take = Txn.If(Txn.Missing(key)).Then(Txn.Put(key, owner, session.Lease));
        return (await etcd.TxnAsync(take, cancel: cancel)).Succeeded;
    }
}
