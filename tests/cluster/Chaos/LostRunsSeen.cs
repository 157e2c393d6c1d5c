using System.Collections.Concurrent;
using System.Text.Json;
using Dts.Common.Etcd;
using Dts.Common.Jobs;
using Dts.Tests.Support;

namespace Dts.Tests.Cluster.Chaos;

/// <summary>Watches <c>owed/</c> for runs declared lost. Some have no such record later, because their true ending arrived first.</summary>
internal sealed class LostRunsSeen : IAsyncDisposable
{
    private readonly Keys _keys = new(Keys.DefaultPrefix);
    private readonly ConcurrentDictionary<string, bool> _ids = [];
    private readonly CancellationTokenSource _stop = new();
    private readonly EtcdClient _etcd;
    private readonly Task _following;

    public LostRunsSeen(EtcdOptions options)
    {
        _etcd = new EtcdClient(options, TimeProvider.System, new RecordedLog());
        _following = FollowAsync();
    }

    public IReadOnlySet<string> Ids => _ids.Keys.ToHashSet();

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _following;
        _stop.Dispose();
        _etcd.Dispose();
    }

    private async Task FollowAsync()
    {
        await foreach (var batch in new Watch(_etcd, _keys.AllOwed).ReadAsync(_stop.Token))
        {
            foreach (var put in batch.Changes.OfType<KeyChange.Put>())
            {
                if (JsonSerializer.Deserialize(put.Value.Span, JobsJson.Readable.OwedEnding)?.Status == RunStatus.Lost)
                {
                    _ids[put.Key[_keys.AllOwed.Length..]] = true;
                }
            }
        }
    }
}
