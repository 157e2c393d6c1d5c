using System.Text.Json;
using Dts.Common.Etcd;
using Dts.Common.Jobs;
using Dts.Master.Events;
using Dts.Master.Jobs;
using Dts.Master.Views;

namespace Dts.Master.Alerts;

/// <summary>What is judged by the clock, and what is tidied up.</summary>
internal sealed partial class AlertKeeper
{
    private static readonly TimeSpan LooksEvery = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan LooksIntoLedgerEvery = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan MovesProgressEvery = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan WorkerIsOpenFor = TimeSpan.FromDays(1); // Then nobody expects it back.

    private async Task LookAsync(CancellationToken stop)
    {
        try
        {
            await _listed.Task.WaitAsync(stop);
            while (true)
            {
                if (Interlocked.Exchange(ref _lost, 0) is > 0 and var lost)
                {
                    log.AlertsNotJudged(lost, DueMax);
                }

                if (view.IsListed)
                {
                    await LookOnceAsync(stop);
                }

                await Task.Delay(LooksEvery, time, stop);
            }
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested)
        {
            // Told to end.
        }
    }

    private async Task LookOnceAsync(CancellationToken stop)
    {
        var now = time.GetUtcNow();
        var (rules, states) = (board.Rules, board.States);
        foreach (var seen in view.Take(state => _look.Find(state, rules, states, _hasJobAlerts, now)))
        {
            await DecideAsync(seen.Subject, seen.Terms, seen.Text, seen.About, (state, isMuted) => AlertCore.Look(
                seen.Terms, state, seen.Found, seen.Looked, now, isMuted), stop);
        }

        try
        {
            await MoveProgressAsync(now, rules.Count > 0 || _hasJobAlerts, stop);
            await EndMutesAsync(now, stop);
            await RemoveOrphansAsync(rules, now, stop);
        }
        catch (EtcdException)
        {
            // The client has logged it.
        }
    }

    private async Task LookIntoLedgerAsync(CancellationToken stop)
    {
        try
        {
            await _listed.Task.WaitAsync(stop);
            while (true)
            {
                await Task.Delay(LooksIntoLedgerEvery, time, stop);
                List<NamedRule> rules =
                    [.. board.Rules.Where(rule => rule.Rule.Enabled && rule.Rule.On.Contains(AlertEvent.LedgerFault))];
                if (rules.Count == 0 || await ledger.FindAsync(stop) is not { } wrong)
                {
                    continue;
                }

                var open = board.States.Where(state => state.Value.Open.ContainsKey(AlertEvent.LedgerFault));
                foreach (var job in wrong.Keys.Union(open.Select(state => state.Key.JobName)))
                {
                    await JudgeLedgerAsync(rules, job, wrong.GetValueOrDefault(job), stop);
                }
            }
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested)
        {
            // Told to end.
        }
    }

    private async Task JudgeLedgerAsync(List<NamedRule> rules, string job, LedgerLine? wrong, CancellationToken stop)
    {
        var now = time.GetUtcNow();
        var found = new Dictionary<AlertEvent, OpenAlert>();
        if (wrong is not null)
        {
            found[AlertEvent.LedgerFault] = new OpenAlert(
                wrong.PlanTime, $"the plan time {wrong.PlanTime.UtcDateTime:yyyy-MM-dd HH:mm:ss} UTC has {wrong.Fault}");
        }

        foreach (var rule in rules)
        {
            var subject = AlertSubject.Job(rule.Name, job);
            var about = AboutOf(subject);
            if (rule.Filter.Of(about) == Sight.Whole)
            {
                await DecideAsync(subject, rule.Rule.Terms(), rule.Rule.Text, about, (state, isMuted) => AlertCore.Look(
                    rule.Rule.Terms(), state, found, [AlertEvent.LedgerFault], now, isMuted), stop);
            }
        }
    }

    private async Task MoveProgressAsync(DateTimeOffset now, bool isNeeded, CancellationToken stop)
    {
        if (!isNeeded || board.Progress?.At > now - MovesProgressEvery)
        {
            return;
        }

        var (since, workers) = view.Take(state => (
            state.Questions.OldestAwaited(now),
            state.Workers.All.Where(worker => worker.LeftAt is null).Select(worker => worker.Id).ToList()));
        if (_due.Reader.Count > 0 || Volatile.Read(ref _judging) > 0)
        {
            return; // Not all that was recorded until then has been judged.
        }

        var progress = new AlertProgress(since < now ? since.Value : now, workers);
        await etcd.PutAsync(keys.Progress, JsonSerializer.Serialize(progress, AlertJson.Readable.AlertProgress), cancel: stop);
    }

    /// <summary>Removes mutes whose time is over, and those until recovery of which nothing is wrong any more.</summary>
    private async Task EndMutesAsync(DateTimeOffset now, CancellationToken stop)
    {
        var wrong = board.States.Where(state => state.Value.Open.Count > 0).Select(state => state.Key).ToList();
        foreach (var mute in board.Mutes)
        {
            var isOver = mute.Mute.Until is { } until ? until <= now : !wrong.Any(subject => IsOf(mute, subject));
            if (isOver)
            {
                await etcd.DeleteAsync(keys.Mutes + mute.Id, stop);
            }
        }
    }

    /// <summary>Removes what is open of jobs, rules and workers that exist no more.</summary>
    private async Task RemoveOrphansAsync(IReadOnlyList<NamedRule> rules, DateTimeOffset now, CancellationToken stop)
    {
        foreach (var (subject, known) in board.States.Where(state => state.Value.Open.Count > 0))
        {
            var isOrphan = (subject.Rule != AlertKeys.OfJob && rules.All(rule => rule.Name != subject.Rule))
                || (subject.JobName.Length > 0
                    ? view.Take(state => state.Jobs.Find(subject.JobName) is null)
                    : known.Open.Values.All(open => open.Since + WorkerIsOpenFor < now)
                        && view.Take(state => state.Workers.Find(subject.Worker) is null));
            if (isOrphan)
            {
                var key = keys.State(subject);
                await etcd.TxnAsync(Txn.If(Txn.Unchanged(key, board.StateOf(subject).Revision)).Then(Txn.Delete(key)), cancel: stop);
            }
        }
    }

    /// <summary>Whether a mute is about a job or a worker.</summary>
    public bool IsOf(NamedMute mute, AlertSubject subject) => mute.Filter.Of(AboutOf(subject)) == Sight.Whole;

    /// <summary>A job or a worker as filters see it now.</summary>
    private EventSubject AboutOf(AlertSubject subject) => new(
        null, view.Take(state => state.Jobs.Find(subject.JobName) is { } job ? JobFace.Of(job) : null), subject.Worker);
}
