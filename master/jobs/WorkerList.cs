using Dts.Common.Etcd;
using Dts.Common.Jobs;

namespace Dts.Master.Jobs;

/// <summary>The workers whose sessions live.</summary>
internal sealed class WorkerList(EtcdClient etcd, Keys keys)
{
    /// <summary>The IPv4 addresses of live workers, each once.</summary>
    public async Task<IReadOnlyList<string>> ListAddressesAsync(CancellationToken cancel) =>
        [.. (await ListAsync(cancel)).Values.Select(worker => worker.Address).Distinct().Order(StringComparer.Ordinal)];

    public async Task<IReadOnlyDictionary<string, WorkerRegistration>> ListAsync(CancellationToken cancel)
    {
        var workers = new SortedDictionary<string, WorkerRegistration>(StringComparer.Ordinal);
        foreach (var pair in await etcd.ListAsync(keys.Workers, cancel))
        {
            if (WorkerRegistration.Parse(pair.Value.Span) is { } registration)
            {
                workers[keys.WorkerOf(pair.Key.ToStringUtf8())] = registration;
            }
        }

        return workers;
    }
}
