using Dts.Common.Etcd;
using Dts.Common.Jobs;
using Dts.Master.Events;
using Dts.Master.Jobs;
using Dts.Master.Views;

namespace Dts.Master.Alerts;

/// <summary>Judges at intervals what is wrong by the clock, and removes mutes and alerts that are over.</summary>
internal sealed class AlertClock(
    AlertKeeper keeper, AlertBoard board, AlertStore store, ClusterView view, AlertLedger ledger, TimeProvider time)
{
    private static readonly TimeSpan ChecksEvery = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan ChecksLedgerEvery = TimeSpan.FromSeconds(30);

    private static readonly TimeSpan MuteIsNewFor = TimeSpan.FromSeconds(10); // Masters read an ending within about two seconds.

    private readonly AlertCheck _check = new();

    public async Task RunAsync(CancellationToken stop)
    {
        try
        {
            await keeper.Listed.WaitAsync(stop);
            _check.Begin(keeper.FirstProgress);
            await Task.WhenAll(CheckAsync(stop), CheckLedgerAsync(stop));
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested)
        {
            // Told to end.
        }
    }

    private async Task CheckAsync(CancellationToken stop)
    {
        while (true)
        {
            keeper.LogDropped();
            if (view.IsListed)
            {
                await CheckOnceAsync(stop);
            }

            await Task.Delay(ChecksEvery, time, stop);
        }
    }

    private async Task CheckOnceAsync(CancellationToken stop)
    {
        var now = time.GetUtcNow();
        var (rules, states) = (board.Rules, board.States);
        foreach (var result in view.Take(state => _check.Find(state, rules, states, keeper.HasJobAlerts, now)))
        {
            await store.DecideAsync(result.Watched, core => core.Check(result.Found, result.Over), stop);
        }

        try
        {
            if (rules.Count > 0 || keeper.HasJobAlerts)
            {
                await MoveProgressAsync(now, stop);
            }

            await RemoveMutesAsync(now, stop);
            await RemoveOrphansAsync(rules, now, stop);
        }
        catch (EtcdException)
        {
            // The client has logged it.
        }
    }

    private async Task CheckLedgerAsync(CancellationToken stop)
    {
        while (true)
        {
            await Task.Delay(ChecksLedgerEvery, time, stop);
            var rules = board.Rules.Where(rule => rule.Rule.Enabled && rule.Rule.On.Contains(AlertEvent.LedgerFault)).ToList();
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

    private async Task JudgeLedgerAsync(List<NamedRule> rules, string job, LedgerLine? wrong, CancellationToken stop)
    {
        var found = new Dictionary<AlertEvent, OpenAlert>();
        if (wrong is not null)
        {
            found[AlertEvent.LedgerFault] = new OpenAlert(
                wrong.PlanTime, $"the plan time {wrong.PlanTime.UtcDateTime:yyyy-MM-dd HH:mm:ss} UTC has {wrong.Fault}");
        }

        foreach (var subject in rules.Select(rule => (Rule: rule, About: AlertSubject.ForJob(rule.Name, job))))
        {
            if (subject.Rule.Watch(subject.About, keeper.AboutOf(subject.About)) is { } watched)
            {
                await store.DecideAsync(watched, core => core.Check(found, [AlertEvent.LedgerFault]), stop);
            }
        }
    }

    private async Task MoveProgressAsync(DateTimeOffset now, CancellationToken stop)
    {
        if (board.Progress?.IsRecent(now) == true)
        {
            return;
        }

        var (since, workers) = view.Take(state => (
            state.EndingQueries.OldestAwaited(now),
            state.Workers.All.Where(worker => worker.LeftAt is null).Select(worker => worker.Id).ToList()));
        if (keeper.IsIdle) // Else some endings until then have not been judged.
        {
            await store.PutProgressAsync(new AlertProgress(since < now ? since.Value : now, workers), stop);
        }
    }

    /// <summary>Removes mutes whose time is long over, and those without a time that cover nothing wrong any more.</summary>
    private async Task RemoveMutesAsync(DateTimeOffset now, CancellationToken stop)
    {
        foreach (var mute in board.Mutes)
        {
            if (mute.Mute.Until is not null
                ? mute.Mute.IsLongOver(now)
                : mute.Mute.At + MuteIsNewFor < now && !keeper.IsNeeded(mute, orUnread: true))
            {
                await store.RemoveMuteAsync(mute.Id, stop);
            }
        }
    }

    /// <summary>
    /// Removes open alerts whose job, rule or worker is gone, and those that the rule does not watch any more: nobody would close them, and
    /// the next fault of their kind would not be reported.
    /// </summary>
    private async Task RemoveOrphansAsync(IReadOnlyList<NamedRule> rules, DateTimeOffset now, CancellationToken stop)
    {
        foreach (var (subject, known) in board.States.Where(state => state.Value.Open.Count > 0))
        {
            var isThere = view.Take(state => subject.JobName.Length > 0
                ? state.Jobs.Find(subject.JobName) is not null
                : state.Workers.Find(subject.Worker) is not null);
            var isRecent = subject.Worker.Length > 0 && known.Open.Values.Any(open => !AlertCheck.IsForgotten(open, now));
            if (FindWatched(rules, subject) is not { } watched || (!isThere && !isRecent))
            {
                await store.RemoveStateAsync(subject, stop);
            }
            else if (known.Open.Keys.Any(what => !watched.Terms.Watches(what)))
            {
                await store.DecideAsync(watched, core => core.ForgetUnwatched(), stop);
            }
        }
    }

    /// <summary>Null = no rule watches it any more.</summary>
    private Watched? FindWatched(IReadOnlyList<NamedRule> rules, AlertSubject subject) => subject.Rule == AlertKeys.OfJob
        ? view.Take(state => state.Jobs.Find(subject.JobName) is { } job ? Watched.ByItself(job, EventSubject.Of(job)) : null)
        : rules.FirstOrDefault(rule => rule.Name == subject.Rule)?.Watch(subject, keeper.AboutOf(subject));
}
