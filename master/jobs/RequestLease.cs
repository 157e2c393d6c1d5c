using Dts.Common.Etcd;

namespace Dts.Master.Jobs;

/// <summary>
/// The lease of requests in etcd. By default, requests that may be sent twice are remembered for a day, and at most an hour more.
/// </summary>
/// <remarks>Thread-safe. All requests of an hour share a lease, because etcd is slow with many leases.</remarks>
/// <param name="lasts">How long a lease lives; 25 hours unless given.</param>
/// <param name="sharedFor">How long requests share one; an hour unless given.</param>
internal sealed class RequestLease(EtcdClient etcd, TimeProvider time, TimeSpan? lasts = null, TimeSpan? sharedFor = null)
{
    private readonly TimeSpan _lasts = lasts ?? TimeSpan.FromHours(25);
    private readonly TimeSpan _sharedFor = sharedFor ?? TimeSpan.FromHours(1);

    private readonly Lock _gate = new();
    private (LeaseId Id, long Granted)? _latest;

    /// <summary>Calls with a lease, and again with a new one if etcd has lost the first.</summary>
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
            return _latest is { } its && time.GetElapsedTime(its.Granted) < _sharedFor ? its.Id : null;
        }
    }

    private async Task<LeaseId> GrantAsync(CancellationToken cancel)
    {
        var lease = await etcd.GrantAsync(_lasts, cancel);
        lock (_gate)
        {
            _latest = (lease, time.GetTimestamp());
        }

        return lease;
    }
}
