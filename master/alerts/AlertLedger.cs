using Dts.Common.Etcd;
using Dts.Common.Logs;
using Dts.Master.Jobs;

namespace Dts.Master.Alerts;

/// <summary>Looks into the ledger of all jobs for plan times without an ending, or with two; one master at a time.</summary>
internal sealed class AlertLedger(AlertBoard board, EtcdClient etcd, AlertKeys keys, LedgerReader ledger, TimeProvider time)
{
    private static readonly TimeSpan LooksEvery = TimeSpan.FromMinutes(10);
    private static readonly TimeSpan Span = TimeSpan.FromHours(2);
    private static readonly TimeSpan RecordsArriveWithin = TimeSpan.FromMinutes(10);

    /// <summary>A fault of each job that has one; null = another master has looked just now, or etcd or the log is away.</summary>
    public async Task<IReadOnlyDictionary<string, LedgerLine>?> FindAsync(CancellationToken stop)
    {
        try
        {
            if (!await TryClaimAsync(stop))
            {
                return null;
            }

            var (until, found) = (time.GetUtcNow() - RecordsArriveWithin, new Dictionary<string, LedgerLine>());
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
        catch (Exception away) when (away is EtcdException or LogStoreException)
        {
            return null;
        }
    }

    private async Task<bool> TryClaimAsync(CancellationToken stop)
    {
        var (now, known) = (time.GetUtcNow(), board.LedgerLook);
        return !(known.Value > now - LooksEvery)
            && (await etcd.TxnAsync(
                Txn.If(known.Revision == 0 ? Txn.Missing(keys.Ledger) : Txn.Unchanged(keys.Ledger, known.Revision))
                    .Then(Txn.Put(keys.Ledger, now.UtcDateTime.ToString("O", System.Globalization.CultureInfo.InvariantCulture))),
                cancel: stop)).Succeeded;
    }
}
