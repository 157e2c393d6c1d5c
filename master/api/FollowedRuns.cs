using Dts.Common.Etcd;
using Dts.Master.Logs;

namespace Dts.Master.Api;

/// <summary>The runs whose output clients of this master follow.</summary>
/// <remarks>Thread-safe.</remarks>
internal sealed class FollowedRuns(ILogReader store, EtcdClient etcd, TimeProvider time)
{
    public const int FollowersMax = 250;

    private readonly Lock _gate = new();
    private readonly Dictionary<string, (FollowedRun Run, int Followers)> _runs = [];

    /// <summary>Adds a follower to a run.</summary>
    /// <param name="run">The record's id.</param>
    /// <param name="runKey">The run's key in etcd while it is in flight.</param>
    /// <param name="offset">The offset at which this follower begins.</param>
    public FollowedRun Join(string run, string runKey, long offset)
    {
        lock (_gate)
        {
            var (followed, followers) = _runs.TryGetValue(run, out var known)
                ? known
                : (new FollowedRun(store, run, async cancel => await etcd.FindAsync(runKey, cancel: cancel) is not null, offset, time), 0);
            _runs[run] = (followed, followers + 1);
            return followed;
        }
    }

    public void Leave(FollowedRun run)
    {
        lock (_gate)
        {
            var followers = _runs[run.Id].Followers - 1;
            _runs[run.Id] = (run, followers);
            if (followers == 0)
            {
                _runs.Remove(run.Id);
                run.Dispose();
            }
        }
    }
}
