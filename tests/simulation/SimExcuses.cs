using Dts.Master.Jobs;
using Dts.Tests.Support;

namespace Dts.Tests.Simulation;

/// <summary>What nobody promises around a restore of etcd (docs/guarantees.md): it is taken out of the evidence.</summary>
/// <remarks>
/// Only etcd remembers what was claimed. So a fire whose claim was lost may start again, beside its first run, and a run that the snapshot
/// brings back is declared lost a minute or two later. Where revisions begin again at lower numbers, so do fencing tokens. All else holds:
/// every plan time has an ending, nothing is left behind, and soon afterwards all is as before.
/// </remarks>
internal sealed class SimExcuses(IReadOnlyList<SimLoss> losses)
{
    private const long Before = 15 * SimWorld.Second; // Fires are claimed ahead of their time, and their runs take a while.
    private const long After = SimWorld.Minute;
    private const long RunsAgainWithin = 3 * SimWorld.Minute;
    private const long TokensOfARestore = 1L << 50;

    public Evidence Filter(Evidence evidence)
    {
        if (losses.Count == 0)
        {
            return evidence;
        }

        var excused = evidence.Starts.Where(start => IsAround(Micros(start.At))).Select(start => start.Id)
            .Concat(evidence.Records
                .Where(record => IsAroundMs(record.PlanTime) || IsAroundMs(record.StartTime))
                .Select(record => record.Id))
            .Concat(evidence.Starts.GroupBy(start => start.Id).Where(RanAgain).Select(same => same.Key))
            .ToHashSet();
        var decidedAround = evidence.Records
            .Where(record => record.MissedSince > 0 && IsAroundMs(record.EndTime))
            .Select(record => record.Id)
            .ToHashSet();
        var areTokensKept = losses.All(loss => loss.IsBumped);
        return evidence with
        {
            Starts = [.. evidence.Starts.Where(start => !excused.Contains(start.Id)).Select(WithRisingToken)],
            Records = [.. evidence.Records.Where(record => !excused.Contains(record.Id))],
            Counters = areTokensKept ? evidence.Counters : new HashSet<string>(),
            Counts = areTokensKept ? evidence.Counts : [],
            Ledgers = evidence.Ledgers.ToDictionary(
                ledger => ledger.Key,
                ledger => (IReadOnlyList<LedgerLine>)[.. ledger.Value.Where(line => !MayHaveTwoEndings(ledger.Key, line))]),
        };

        // What a claim accounts for is accounted for again when that claim is lost.
        bool MayHaveTwoEndings(string job, LedgerLine line) => line.Endings.Count > 0
            && (IsAroundMs(line.PlanTime.ToUnixTimeMilliseconds())
                || line.Endings.Any(ending => decidedAround.Contains($"{job}/{ending.RunId}")));
    }

    /// <summary>Whether a run that was put into the queue may be unknown afterwards.</summary>
    public bool MayBeForgotten(long queuedAt) => losses.Any(loss => loss.Since <= queuedAt && queuedAt <= loss.Until);

    private static long Micros(double unixSeconds) => (long)((unixSeconds - SimWorld.Epoch.ToUnixTimeSeconds()) * SimWorld.Second);

    private bool IsAroundMs(long unixMs) => IsAround((unixMs - SimWorld.Epoch.ToUnixTimeMilliseconds()) * SimWorld.Ms);

    private bool IsAround(long time) => losses.Any(loss => loss.Since - Before <= time && time <= loss.Until + After);

    private bool RanAgain(IEnumerable<Start> same)
    {
        var times = same.Select(start => Micros(start.At)).ToList();
        var (first, last) = (times.Min(), times.Max());
        return losses.Any(loss => first < loss.Until && loss.Until <= last && last < loss.Until + RunsAgainWithin);
    }

    private Start WithRisingToken(Start start)
    {
        var restores = losses.Count(loss => !loss.IsBumped && loss.Until <= Micros(start.At));
        return start with { Token = start.Token + (restores * TokensOfARestore) };
    }
}
