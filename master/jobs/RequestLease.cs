using Dts.Common.Etcd;

namespace Dts.Master.Jobs;

/// <summary>How long requests that may be sent twice are remembered: a day, and at most an hour more.</summary>
/// <remarks>Thread-safe. All requests of an hour share a lease: etcd is slow with many leases.</remarks>
internal sealed class RequestLease(EtcdClient etcd, TimeProvider time)
{
    private static readonly TimeSpan SharedFor = TimeSpan.FromHours(1);
    private static readonly TimeSpan Lasts = TimeSpan.FromHours(25);

    private readonly Lock _gate = new();
    private (LeaseId Id, DateTimeOffset Granted)? _latest;

    /// <summary>Calls with a lease; once more with another one if etcd has lost the first.</summary>
    public async Task<T> UseAsync<T>(Func<LeaseId, Task<T>> use, CancellationToken cancel)
    {
        var known = Latest();
        try
        {
            return await use(known ?? await GrantAsync(cancel));
        }
        catch (EtcdException lost) when (lost.Error == EtcdError.LeaseNotFound && known is not null)
        {
            return await use(await GrantAsync(cancel));
        }
    }

    private LeaseId? Latest()
    {
        lock (_gate)
        {
            return _latest is { } its && time.GetUtcNow() - its.Granted < SharedFor ? its.Id : null;
        }
    }

    private async Task<LeaseId> GrantAsync(CancellationToken cancel)
    {
        var lease = await etcd.GrantAsync(Lasts, cancel);
        lock (_gate)
        {
            _latest = (lease, time.GetUtcNow());
        }

        return lease;
    }
}
