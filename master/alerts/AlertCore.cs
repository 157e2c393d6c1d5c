using System.Globalization;
using Dts.Common.Jobs;
using Dts.Master.Logs;
using Dts.Master.Views;

namespace Dts.Master.Alerts;

/// <summary>Decides what changes for a rule and a job or worker, and whether that makes a message.</summary>
/// <remarks>
/// Pure. Messages are about turns from well to wrong and back, never about single runs. Endings may come twice and out of order. One that
/// is older than the latest that counted is ignored, unless it replaces the ending that opened an alert: a run that was declared lost had
/// ended after all. So all masters may decide, and the state in etcd lets one of them win.
/// </remarks>
internal sealed class AlertCore(JobAlert rule, AlertState state, DateTimeOffset now, bool isMuted)
{
    private static readonly AlertEvent[] EndedBySuccess = [AlertEvent.Failing, AlertEvent.Missed, AlertEvent.Lost, AlertEvent.NoSuccess];

    /// <summary>Judges the ending of a run.</summary>
    /// <param name="endings">The known endings of the job up to this one, the oldest first.</param>
    public AlertStep Take(EndedRun run, IReadOnlyList<Ending> endings)
    {
        List<AlertEvent> replaced =
        [
            .. state.Open.Where(open => open.Value.RunId == run.RunId && open.Value.Ending is { } known && known != run.Status)
                .Select(open => open.Key),
        ];
        var isLatest = (run.StartTime, run.RunId).CompareTo((state.UpTo, state.UpToRun)) > 0
            || (IsAhead(state.UpTo) && !IsAhead(run.StartTime)); // The latest is from a worker whose clock was wrong.
        if (replaced.Count == 0 && !isLatest)
        {
            return Unchanged;
        }

        var seen = isLatest ? state with { UpTo = run.StartTime, UpToRun = run.RunId } : state;
        if (run.Status == RunStatus.Succeeded)
        {
            return Close(seen, isLatest ? EndedBySuccess : replaced, AboutSuccess(run));
        }

        var kept = replaced.Count > 0 ? seen.Without(replaced) : seen;
        (AlertEvent What, int Times)? wrong = run.Status switch
        {
            RunStatus.Failed or RunStatus.TimedOut => (AlertEvent.Failing, FailuresIn(endings)),
            RunStatus.Missed => (AlertEvent.Missed, 1),
            RunStatus.Lost => (AlertEvent.Lost, 1),
            _ => null, // Killed, cancelled, skipped: neither a fault nor proof that all is well.
        };
        return wrong is var (what, times)
            && rule.Watches(what)
            && !kept.Open.ContainsKey(what)
            && (what != AlertEvent.Failing || times >= rule.After)
                ? Open(kept, what, About(run, times))
                : new AlertStep(replaced.Count > 0 ? kept : state, []);
    }

    /// <summary>Judges by the clock: opens what has become wrong, closes what is over, and tells what a mute held back.</summary>
    /// <param name="found">What is wrong now.</param>
    /// <param name="over">The kinds to close if they are open and not found.</param>
    public AlertStep Check(IReadOnlyDictionary<AlertEvent, OpenAlert> found, IReadOnlyCollection<AlertEvent> over)
    {
        List<AlertEvent> ended =
            [.. over.Where(what => state.Open.TryGetValue(what, out var open) && found.GetValueOrDefault(what)?.RunId != open.RunId)];
        var step = Close(state, ended, new OpenAlert(now, ended.FirstOrDefault() switch
        {
            AlertEvent.Slow => "the run has ended",
            AlertEvent.WorkerGone => "the worker is back",
            AlertEvent.LedgerFault => "the plan times of the last two hours have their endings",
            _ => "it is over",
        }));
        foreach (var (what, about) in found.Where(wrong => rule.Watches(wrong.Key)))
        {
            step = step.State.Open.ContainsKey(what) ? step : step.Then(Open(step.State, what, about));
        }

        foreach (var (what, untold) in step.State.Open.Where(open => !open.Value.IsTold).ToList())
        {
            var told = Open(step.State, what, untold);
            step = told.Turns.Count > 0 ? step.Then(told) : step;
        }

        return step;
    }

    /// <summary>Closes open alerts of kinds that the rule does not watch any more, without a message.</summary>
    public AlertStep ForgetUnwatched() =>
        state.Open.Keys.Where(what => !rule.Watches(what)).ToList() is { Count: > 0 } unwatched
            ? new AlertStep(state.Without(unwatched), [])
            : Unchanged;

    private AlertStep Unchanged => new(state, []);

    /// <summary>Counts the failures and timeouts since the last success.</summary>
    private static int FailuresIn(IReadOnlyList<Ending> endings) =>
        endings.Reverse().TakeWhile(ending => ending.Status != RunStatus.Succeeded)
            .Count(ending => ending.Status is RunStatus.Failed or RunStatus.TimedOut);

    private bool IsAhead(long milliseconds) => milliseconds > (now + MasterClocks.DifferBy).ToUnixTimeMilliseconds();

    private AlertStep Open(AlertState before, AlertEvent what, OpenAlert about)
    {
        var isWanted = rule.On.Contains(what);
        var isQuiet = isMuted
            || (before.ToldAt + TimeSpan.FromSeconds(rule.QuietSeconds) > now && !MasterClocks.IsAhead(before.ToldAt, now));
        var open = about with { IsTold = !isWanted || !isQuiet };
        var next = before.With(what, open);
        return isWanted && !isQuiet
            ? new AlertStep(next with { ToldAt = now }, [new AlertTurn(what, open)])
            : new AlertStep(next, []);
    }

    /// <summary>Closes open alerts. One message covers all of them, if the beginning of any was told.</summary>
    private AlertStep Close(AlertState seen, IReadOnlyCollection<AlertEvent> kinds, OpenAlert about)
    {
        var ended = seen.Open.Where(open => kinds.Contains(open.Key)).ToList();
        if (ended.Count == 0)
        {
            return Unchanged;
        }

        var first = ended.MinBy(open => open.Value.Since).Value;
        AlertTurn[] turns = rule.On.Contains(AlertEvent.Recovered) && ended.Any(open => open.Value.IsTold)
            ? [new AlertTurn(AlertEvent.Recovered, about with { Since = first.Since, Times = first.Times })]
            : [];
        return new AlertStep(seen.Without(ended.Select(open => open.Key)), turns);
    }

    private OpenAlert About(EndedRun run, int times) =>
        new(now, run.Err.Length > 0 ? run.Err : run.Status.Word(), run.RunId, times, run.LastLine, run.Status);

    private static OpenAlert AboutSuccess(EndedRun run) => new(
        default,
        string.Create(CultureInfo.InvariantCulture, $"succeeded after {Math.Max(0, run.EndTime - run.StartTime) / 1000.0:0.#} s"),
        run.RunId,
        LastLine: run.LastLine,
        Ending: run.Status);
}
