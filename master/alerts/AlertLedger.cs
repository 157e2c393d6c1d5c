using Dts.Common.Etcd;
using Dts.Common.Logs;
using Dts.Master.Jobs;

namespace Dts.Master.Alerts;

/// <summary>Checks the ledger of all jobs for plan times without an ending, or with two; one master at a time.</summary>
internal sealed class AlertLedger(AlertStore store, LedgerReader ledger, TimeProvider time)
{
    private static readonly TimeSpan ChecksEvery = TimeSpan.FromMinutes(10);
    private static readonly TimeSpan Span = TimeSpan.FromHours(2);
    private static readonly TimeSpan RecordsArriveWithin = TimeSpan.FromMinutes(10);

    /// <summary>No master has checked it lately. A check that is ahead of now does not count: that master's clock was wrong.</summary>
    public static bool IsDue(DateTimeOffset? checkedAt, DateTimeOffset now) =>
        !(checkedAt > now - ChecksEvery) || MasterClocks.IsAhead(checkedAt, now);

    /// <summary>A fault of each job that has one; null = another master has just checked it, or etcd or the log is unavailable.</summary>
    public async Task<IReadOnlyDictionary<string, LedgerLine>?> FindAsync(CancellationToken stop)
    {
        var now = time.GetUtcNow();
        try
        {
            if (!await store.TryClaimLedgerAsync(now, stop))
            {
                return null;
            }

            var (until, found) = (now - RecordsArriveWithin, new Dictionary<string, LedgerLine>());
            for (LedgerPlace? place = null; ;)
            {
                var page = await ledger.FindWrongAsync(until - Span, until, [], place, stop);
                foreach (var wrong in page.Wrong)
                {
                    found.TryAdd(wrong.JobName, wrong.Fire);
                }

                if (page.Next is not { } next)
                {
                    return found;
                }

                place = LedgerPlace.Parse(next);
            }
        }
        catch (Exception unavailable) when (unavailable is EtcdException or LogStoreException)
        {
            return null;
        }
    }
}
