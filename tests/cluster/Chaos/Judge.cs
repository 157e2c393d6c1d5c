using Dts.Common.Jobs;
using Dts.Common.Logs;

namespace Dts.Tests.Cluster.Chaos;

/// <summary>A start as the command itself wrote it down: the witness, whatever our records say.</summary>
/// <param name="At">When, by the clock of the host, which all share here: Unix seconds.</param>
internal sealed record Start(string Job, string RunId, string PlanTime, int Attempt, long Token, string Worker, double At);

/// <summary>Holds what was recorded against what really started.</summary>
internal static class Judge
{
    private static readonly RunStatus[] NeverStarted = [RunStatus.Cancelled, RunStatus.Skipped, RunStatus.Missed];

    /// <summary>Reads a line of the witness: job, run id, plan time, attempt, token, worker, time.</summary>
    public static Start Parse(string line) => line.Split(' ') is [var job, var runId, var planTime, var attempt, var token, var worker, var at]
        ? new Start(job, runId, planTime, int.Parse(attempt), long.Parse(token), worker, double.Parse(at))
        : throw new FormatException($"the witness has a line that is none: {line}");

    /// <summary>What is wrong; empty = all is as it must be.</summary>
    public static IReadOnlyList<string> FindFaults(
        IReadOnlyList<Job> jobs, IReadOnlyList<Start> starts, IReadOnlyDictionary<string, IReadOnlyList<LedgerLine>> ledgers, IReadOnlyList<RunRecord> records) =>
    [
        .. FindDoubles(starts),
        .. ledgers.SelectMany(ledger => ledger.Value.Where(line => line.Fault.Length > 0).Select(line => $"{ledger.Key}: {line}")),
        .. FindDisagreements(starts, records),
        .. jobs.Where(job => job is { Mode: JobMode.One, Overlap: Overlap.Forbid }).SelectMany(job => FindTokensGoingDown([.. starts.Where(start => start.Job == job.Name)])),
    ];

    private static IEnumerable<string> FindDoubles(IReadOnlyList<Start> starts) => starts
        .GroupBy(start => (start.Job, start.RunId))
        .Where(same => same.Count() > 1)
        .Select(same => $"{same.Key.Job}/{same.Key.RunId} started {same.Count()} times, on {string.Join(" and ", same.Select(start => start.Worker))}");

    private static IEnumerable<string> FindDisagreements(IReadOnlyList<Start> starts, IReadOnlyList<RunRecord> records)
    {
        var started = starts.Select(start => $"{start.Job}/{start.RunId}").ToHashSet();
        var recorded = records.ToDictionary(record => record.Id);
        foreach (var id in started.Where(id => !recorded.ContainsKey(id)))
        {
            yield return $"{id} started and has no record";
        }

        foreach (var record in records)
        {
            if (started.Contains(record.Id) && NeverStarted.Contains(record.Status))
            {
                yield return $"{record.Id} started, and its record says {record.Status.Word()}: {record.Err}";
            }
            else if (!started.Contains(record.Id) && (record.Status == RunStatus.Succeeded || record is { Status: RunStatus.Failed, ExitCode: not null }))
            {
                yield return $"{record.Id} never started, and its record says {record.Status.Word()}";
            }
        }
    }

    private static IEnumerable<string> FindTokensGoingDown(List<Start> starts)
    {
        starts.Sort((one, other) => one.At.CompareTo(other.At));
        return starts.Zip(starts.Skip(1)).Where(pair => pair.Second.Token < pair.First.Token).Select(pair =>
            $"{pair.Second.Job}/{pair.Second.RunId} on {pair.Second.Worker} started with token {pair.Second.Token}, after {pair.First.RunId} on {pair.First.Worker} with {pair.First.Token}");
    }
}
