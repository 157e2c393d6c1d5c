using System.Globalization;
using Dts.Common.Jobs;

namespace Dts.Tests.Support;

/// <summary>Holds what was recorded against what really started.</summary>
internal static class Judge
{
    private const string StartMark = "start";
    private const string EndMark = "end";
    private const string CountMark = "done";

    private static readonly RunStatus[] NeverStarted = [RunStatus.Cancelled, RunStatus.Skipped, RunStatus.Missed];

    /// <summary>Reads the witness: lines of a mark, then job, run id, plan time, attempt, token, worker, time.</summary>
    public static IReadOnlyList<Start> ReadMarks(IEnumerable<string> lines)
    {
        var marks = lines.Select(ParseMark).ToList();
        var ends = marks
            .Where(mark => mark.Kind == EndMark)
            .ToLookup(mark => (mark.Start.Id, mark.Start.Worker, mark.Start.Token), mark => mark.Start.At);
        return [.. marks.Where(mark => mark.Kind == StartMark).Select(mark => mark.Start with
        {
            End = ends[(mark.Start.Id, mark.Start.Worker, mark.Start.Token)].Select(at => (double?)at).FirstOrDefault(),
        })];
    }

    /// <summary>Reads a counter: lines of token, number, run id, mark.</summary>
    public static IEnumerable<Count> ReadCounts(string job, IEnumerable<string> lines) => lines
        .Select(line => line.Split(' ') is [var token, var value, var runId, var kind]
            ? (Kind: kind, Count: new Count(job, runId, Whole(token), Whole(value)))
            : throw new FormatException($"the counter of {job} has the line \"{line}\"; expected token, number, run id, mark"))
        .Where(line => line.Kind == CountMark)
        .Select(line => line.Count);

    /// <summary>What is wrong; empty = all is as it must be.</summary>
    public static IReadOnlyList<string> FindFaults(Evidence evidence)
    {
        // Only where runs must not overlap; in mode all each worker prevents overlap of its own runs.
        var sequences = evidence.Jobs.Where(job => job.Overlap != Overlap.Allow)
            .Join(evidence.Starts, job => job.Name, start => start.Job, (job, start) => (job, start))
            .GroupBy(pair => (pair.job.Name, Worker: pair.job.Mode == JobMode.All ? pair.start.Worker : ""), pair => pair.start)
            .Select(starts => starts.OrderBy(start => start.At).ToList())
            .ToList();
        return
        [
            .. FindDoubles(evidence.Starts),
            .. evidence.Ledgers.SelectMany(
                ledger => ledger.Value.Where(line => line.Fault.Length > 0).Select(line => $"{ledger.Key}: {line}")),
            .. FindDisagreements(evidence),
            .. sequences.SelectMany(FindTokensNotRising),
            .. sequences.SelectMany(starts => FindOverlaps(starts, evidence.Lost)),
            .. FindMiscounts(evidence),
        ];
    }

    private static (string Kind, Start Start) ParseMark(string line) =>
        line.Split(' ') is [StartMark or EndMark, var job, var runId, var planTime, var attempt, var token, var worker, var at] fields
            ? (
                fields[0],
                new Start(job, runId, planTime, (int)Whole(attempt), Whole(token), worker, double.Parse(at, CultureInfo.InvariantCulture)))
            : throw new FormatException(
                $"the witness has the line \"{line}\"; expected start or end, job, run id, plan time, attempt, token, worker, time");

    private static long Whole(string text) => long.Parse(text, CultureInfo.InvariantCulture);

    private static IEnumerable<string> FindDoubles(IReadOnlyList<Start> starts) => starts
        .GroupBy(start => start.Id)
        .Where(same => same.Count() > 1)
        .Select(same => $"{same.Key} started {same.Count()} times, on {string.Join(" and ", same.Select(start => start.Worker))}");

    private static IEnumerable<string> FindDisagreements(Evidence evidence)
    {
        var started = evidence.Starts.Select(start => start.Id).ToHashSet();
        var recorded = evidence.Records.ToDictionary(record => record.Id);
        foreach (var id in started.Where(id => !recorded.ContainsKey(id)))
        {
            yield return $"{id} started and has no record";
        }

        foreach (var record in evidence.Records)
        {
            if (started.Contains(record.Id) && NeverStarted.Contains(record.Status))
            {
                yield return $"{record.Id} started, and its record says {record.Status.Word()}: {record.Err}";
            }
            else if (!started.Contains(record.Id)
                && (record.Status == RunStatus.Succeeded || record is { Status: RunStatus.Failed, Signal: null }))
            {
                yield return $"{record.Id} never started, "
                    + $"and its record says {record.Status.Word()}{(record.Err.Length > 0 ? $": {record.Err}" : "")}";
            }
        }
    }

    private static IEnumerable<string> FindTokensNotRising(List<Start> starts) =>
        starts.Zip(starts.Skip(1)).Where(pair => pair.Second.Token <= pair.First.Token).Select(pair =>
            $"{pair.Second.Id} on {pair.Second.Worker} started with token {pair.Second.Token}, "
                + $"after {pair.First.RunId} on {pair.First.Worker} with {pair.First.Token}");

    /// <summary>Does not judge a run that was killed before it could write its end: it may have ended before the next start.</summary>
    private static IEnumerable<string> FindOverlaps(List<Start> starts, IReadOnlySet<string> lost) =>
        from pair in starts.Select((start, index) => (Start: start, Index: index))
        where pair.Start.End is not null && !lost.Contains(pair.Start.Id)
        from later in starts.Skip(pair.Index + 1).TakeWhile(later => later.At < pair.Start.End)
        select string.Create(
            CultureInfo.InvariantCulture,
            $"{later.Id} on {later.Worker} started {later.At - pair.Start.At:F3} s after {pair.Start.RunId} on {pair.Start.Worker}, "
                + $"which ran for {pair.Start.End - pair.Start.At:F3} s");

    /// <summary>
    /// The numbers are 1, 2, 3 …. Each run that succeeded has written one; any other run that wrote one was killed just after. A run that
    /// finds a token higher than its own writes nothing and fails: only a run that was declared lost may.
    /// </summary>
    private static IEnumerable<string> FindMiscounts(Evidence evidence)
    {
        foreach (var counts in evidence.Counts.GroupBy(count => count.Job))
        {
            foreach (var same in counts.GroupBy(count => count.Value).Where(same => same.Count() > 1))
            {
                yield return $"{counts.Key} counted {same.Key} {same.Count()} times: "
                    + $"{string.Join(" and ", same.Select(count => count.RunId))}";
            }
        }

        var counted = evidence.Counts.Select(count => count.Id).ToHashSet();
        foreach (var record in evidence.Records.Where(record => evidence.Counters.Contains(record.JobName)))
        {
            if (record.Status == RunStatus.Succeeded && !counted.Contains(record.Id))
            {
                yield return $"{record.Id} succeeded and has not counted";
            }
            else if (record is { Status: RunStatus.Failed, ExitCode: not null } && !evidence.Lost.Contains(record.Id))
            {
                yield return $"{record.Id} found that a later run had started, although it was never declared lost";
            }
            else if (counted.Contains(record.Id) && record.Status is not (RunStatus.Succeeded or RunStatus.Killed or RunStatus.Lost))
            {
                yield return $"{record.Id} counted, and its record says {record.Status.Word()}";
            }
        }

        foreach (var (job, ran) in evidence.Counts.GroupBy(count => count.Job).Select(counts => (counts.Key, counts)))
        {
            if (ran.Max(count => count.Value) is var reached && reached != ran.Count())
            {
                yield return $"{job} counted to {reached}, and {ran.Count()} runs counted";
            }
        }
    }
}
