using System.Globalization;
using Dts.Common.Jobs;
using Dts.Master.Logs;
using Dts.Master.Views;

namespace Dts.Master.Alerts;

/// <summary>Decides what a rule tells about a job or a worker: turns from well to wrong and back, never a message for each run.</summary>
/// <remarks>
/// Pure. Endings may come twice and out of order: one that is not behind the latest that has changed the state is passed over, unless it
/// replaces the one that opened an alert (a run that was declared lost had ended after all). So masters may all decide, and the state in
/// etcd lets one of them win.
/// </remarks>
internal static class AlertCore
{
    private static readonly AlertEvent[] EndedBySuccess = [AlertEvent.Failing, AlertEvent.Missed, AlertEvent.Lost, AlertEvent.NoSuccess];

    /// <summary>A run has ended.</summary>
    /// <param name="endings">The known endings of the job up to this one, the oldest first.</param>
    /// <param name="isMuted">Somebody wants no message now.</param>
    public static AlertStep Take(
        JobAlert rule, AlertState state, EndedRun run, IReadOnlyList<Ending> endings, DateTimeOffset now, bool isMuted)
    {
        List<AlertEvent> replaced =
        [
            .. state.Open.Where(open => open.Value.RunId == run.RunId && open.Value.Ending is { } known && known != run.Status)
                .Select(open => open.Key),
        ];
        var isLatest = (run.StartTime, run.RunId).CompareTo((state.UpTo, state.UpToRun)) > 0;
        if (replaced.Count == 0 && !isLatest)
        {
            return new AlertStep(state, []);
        }

        var seen = isLatest ? state with { UpTo = run.StartTime, UpToRun = run.RunId } : state;
        if (run.Status == RunStatus.Succeeded)
        {
            return Close(rule, state, seen, isLatest ? EndedBySuccess : replaced, AboutSuccess(run));
        }

        var kept = replaced.Count > 0 ? seen.Without(replaced) : seen;
        var (what, times) = run.Status switch
        {
            RunStatus.Failed or RunStatus.TimedOut => (AlertEvent.Failing, FailuresIn(endings)),
            RunStatus.Missed => (AlertEvent.Missed, 1),
            RunStatus.Lost => (AlertEvent.Lost, 1),
            _ => (AlertEvent.Recovered, 0), // Killed, cancelled, skipped: neither wrong nor proof that all is well.
        };
        if (what == AlertEvent.Recovered
            || !rule.Watches(what)
            || kept.Open.ContainsKey(what)
            || (what == AlertEvent.Failing && times < rule.After))
        {
            return new AlertStep(replaced.Count > 0 ? kept : state, []);
        }

        return Open(rule, kept, what, About(run, times, now), now, isMuted);
    }

    /// <summary>Time has passed: what is wrong by the clock, and what no longer is.</summary>
    /// <param name="found">What of <paramref name="looked"/> is wrong now.</param>
    /// <param name="looked">The kinds that were looked for.</param>
    public static AlertStep Look(
        JobAlert rule,
        AlertState state,
        IReadOnlyDictionary<AlertEvent, OpenAlert> found,
        IReadOnlyCollection<AlertEvent> looked,
        DateTimeOffset now,
        bool isMuted)
    {
        List<AlertEvent> ended =
            [.. looked.Where(what => state.Open.TryGetValue(what, out var open) && found.GetValueOrDefault(what)?.RunId != open.RunId)];
        var step = Close(rule, state, state, ended, new OpenAlert(now, ended.FirstOrDefault() switch
        {
            AlertEvent.Slow => "the run has ended",
            AlertEvent.WorkerGone => "the worker is back",
            AlertEvent.LedgerFault => "the plan times of the last two hours have their endings",
            _ => "it is over",
        }));
        var (next, turns) = (step.State, step.Turns.ToList());
        foreach (var (what, about) in found.Where(wrong => rule.Watches(wrong.Key) && !next.Open.ContainsKey(wrong.Key)).ToList())
        {
            var opened = Open(rule, next, what, about, now, isMuted);
            (next, turns) = (opened.State, [.. turns, .. opened.Turns]);
        }

        foreach (var (what, open) in next.Open.Where(open => !open.Value.IsTold).ToList())
        {
            var told = Open(rule, next, what, open, now, isMuted);
            if (told.Turns.Count > 0)
            {
                (next, turns) = (told.State, [.. turns, .. told.Turns]);
            }
        }

        return new AlertStep(next, turns);
    }

    /// <summary>How many runs in a row have failed or timed out; those that say nothing of it are passed over.</summary>
    private static int FailuresIn(IReadOnlyList<Ending> endings) =>
        endings.Reverse().TakeWhile(ending => ending.Status != RunStatus.Succeeded)
            .Count(ending => ending.Status is RunStatus.Failed or RunStatus.TimedOut);

    private static AlertStep Open(JobAlert rule, AlertState state, AlertEvent what, OpenAlert about, DateTimeOffset now, bool isMuted)
    {
        var isWanted = rule.On.Contains(what);
        var isQuiet = isMuted || state.ToldAt + TimeSpan.FromSeconds(rule.QuietSeconds) > now;
        var open = about with { IsTold = !isWanted || !isQuiet };
        var next = state.With(what, open);
        return isWanted && !isQuiet
            ? new AlertStep(next with { ToldAt = now }, [new AlertTurn(what, open)])
            : new AlertStep(next, []);
    }

    /// <summary>Ends what is wrong. It is told once for all of it, if its beginning was told.</summary>
    private static AlertStep Close(
        JobAlert rule, AlertState state, AlertState seen, IReadOnlyCollection<AlertEvent> kinds, OpenAlert about)
    {
        var ended = state.Open.Where(open => kinds.Contains(open.Key)).ToList();
        if (ended.Count == 0)
        {
            return new AlertStep(state, []);
        }

        var since = ended.Min(open => open.Value.Since);
        var first = ended.First(open => open.Value.Since == since);
        AlertTurn[] turns = rule.On.Contains(AlertEvent.Recovered) && ended.Any(open => open.Value.IsTold)
            ? [new AlertTurn(AlertEvent.Recovered, about with { Since = since, Times = first.Value.Times })]
            : [];
        return new AlertStep(seen.Without([.. ended.Select(open => open.Key)]), turns);
    }

    private static OpenAlert About(EndedRun run, int times, DateTimeOffset now) => new(
        now,
        run.Err.Length > 0 ? run.Err : run.Status.Word(),
        run.RunId,
        times,
        run.LastLine,
        run.Status);

    private static OpenAlert AboutSuccess(EndedRun run) => new(
        default,
        string.Create(CultureInfo.InvariantCulture, $"succeeded after {Math.Max(0, run.EndTime - run.StartTime) / 1000.0:0.#} s"),
        run.RunId,
        LastLine: run.LastLine,
        Ending: run.Status);
}
