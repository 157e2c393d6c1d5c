using System.Security.Cryptography;
using System.Text.Json;
using System.Threading.Channels;
using Dts.Common.Etcd;
using Dts.Common.Jobs;
using Dts.Master.Events;
using Dts.Master.Jobs;
using Dts.Master.Logs;
using Dts.Master.Views;

namespace Dts.Master.Alerts;

/// <summary>Judges endings and the clock by the rules, and writes what turns: the state, and the message in the outbox.</summary>
/// <remarks>
/// <para>Every master does it. A turn is one transaction on the condition that the state is the one that was judged, so one of them wins,
/// the message is in etcd when the state says that it was made, and nothing is lost with a master.</para>
/// <para>Endings from before this master's start are judged if they came after <see cref="AlertProgress"/>, which all masters together
/// move on.</para>
/// </remarks>
internal sealed partial class AlertKeeper(
    AlertBoard board,
    ClusterView view,
    EtcdClient etcd,
    AlertKeys keys,
    EventFeed feed,
    AlertLedger ledger,
    TimeProvider time,
    ILogger log)
{
    private const int DueMax = 100_000;
    private const int TriesMax = 10;

    private static readonly TimeSpan TriesAgainAfter = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan Overlap = TimeSpan.FromSeconds(5); // Clocks differ, and a record has its times from its worker.

    private readonly Channel<Judgement> _due = Channel.CreateBounded<Judgement>(
        new BoundedChannelOptions(DueMax) { FullMode = BoundedChannelFullMode.Wait }); // full: the ending is not judged, which is logged
    private readonly TaskCompletionSource _listed = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly RequestLease _aDay = new(etcd, time);
    private readonly AlertLook _look = new();
    private DateTimeOffset? _judgedBefore; // Up to when other masters have judged, when this one started.
    private bool _hasJobAlerts;
    private int _lost;
    private int _judging;

    /// <summary>Ends when the rules are known; before that the view must not be kept.</summary>
    public Task Listed => _listed.Task;

    public Task RunAsync(CancellationToken stop) =>
        Task.WhenAll(FollowAsync(stop), JudgeAsync(stop), LookAsync(stop), LookIntoLedgerAsync(stop));

    /// <summary>Takes changes of the view, as its observer.</summary>
    public void Take(IReadOnlyList<ClusterChange> changes)
    {
        var rules = board.Rules;
        foreach (var change in changes)
        {
            if (change is ClusterChange.JobPut { Job.Alert: not null })
            {
                _hasJobAlerts = true;
            }

            if (change is ClusterChange.Recorded recorded && (rules.Count > 0 || recorded.Job.Alert is not null))
            {
                Take(rules, recorded);
            }
        }
    }

    private void Take(IReadOnlyList<NamedRule> rules, ClusterChange.Recorded recorded)
    {
        var (job, run) = (recorded.Job, recorded.Run);
        var ended = DateTimeOffset.FromUnixTimeMilliseconds(Math.Max(run.StartTime, run.EndTime));
        if (recorded.IsFirstRead && !(ended > _judgedBefore - Overlap))
        {
            return;
        }

        var about = new EventSubject(null, JobFace.Of(job)); // Not by worker or ending: the recovery would be out of its sight.
        foreach (var rule in rules.Where(rule => rule.Rule.Enabled && rule.Filter.Of(about) == Sight.Whole))
        {
            Take(AlertSubject.Job(rule.Name, job.Name), rule.Rule.Terms(), rule.Rule.Text, about, recorded);
        }

        if (job.Alert is { } alert && JobRules.FindBadAlert("", alert) is null)
        {
            Take(AlertSubject.Job(AlertKeys.OfJob, job.Name), alert, "", about, recorded);
        }
    }

    private void Take(AlertSubject subject, JobAlert terms, string text, EventSubject about, ClusterChange.Recorded recorded)
    {
        // A success says something only if something is wrong, or is about to be judged as wrong.
        var isWorth = recorded.Run.Status != RunStatus.Succeeded
            || board.StateOf(subject).Value.Open.Count > 0
            || (recorded.Endings is [.., var before, _] && before.Status != RunStatus.Succeeded)
            || recorded.Endings.Count == 1;
        if (isWorth && !_due.Writer.TryWrite(new Judgement(subject, terms, text, about, recorded.Run, recorded.Endings)))
        {
            _lost++;
        }
    }

    private async Task FollowAsync(CancellationToken stop)
    {
        await foreach (var batch in new Watch(etcd, keys.All).ReadAsync(stop))
        {
            if (batch.IsOtherData)
            {
                board.ForgetRevisions();
            }

            var turns = board.Apply(batch.Changes, time.GetUtcNow());
            if (_listed.Task.IsCompleted)
            {
                foreach (var turn in turns)
                {
                    Tell(turn);
                }
            }

            if (!_listed.Task.IsCompleted)
            {
                _judgedBefore = board.Progress?.At ?? time.GetUtcNow();
                _look.Begin(board.Progress);
                _listed.SetResult();
            }
        }
    }

    private void Tell(AlertStateEvent turn)
    {
        var face = view.Take(state => state.Jobs.Find(turn.JobName) is { } job ? JobFace.Of(job) : null);
        if (face is not null || turn.Worker.Length > 0)
        {
            feed.Add(new FeedEvent(
                "alert",
                JsonSerializer.SerializeToUtf8Bytes(turn, AlertJson.Readable.AlertStateEvent),
                new EventSubject(null, face, turn.Worker)));
        }
    }

    private async Task JudgeAsync(CancellationToken stop)
    {
        try
        {
            while (true)
            {
                var due = await _due.Reader.ReadAsync(stop);
                Interlocked.Exchange(ref _judging, 1);
                await DecideAsync(due.Subject, due.Terms, due.Text, due.About, (state, isMuted) => AlertCore.Take(
                    due.Terms, state, due.Run, due.Endings, time.GetUtcNow(), isMuted), stop);
                Interlocked.Exchange(ref _judging, 0);
            }
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested)
        {
            // Told to end: the next process goes on from the progress.
        }
    }

    /// <summary>Judges until the state that was judged is the one in etcd.</summary>
    private async Task DecideAsync(
        AlertSubject subject,
        JobAlert terms,
        string text,
        EventSubject about,
        Func<AlertState, bool, AlertStep> decide,
        CancellationToken stop)
    {
        var known = board.StateOf(subject);
        for (var tries = 0; tries < TriesMax;)
        {
            var isMuted = board.IsMuted(about, time.GetUtcNow());
            var step = decide(known.Value, isMuted);
            if (ReferenceEquals(step.State, known.Value))
            {
                return;
            }

            try
            {
                if (await TryWriteAsync(subject, terms, text, known.Revision, step, stop) is not { } other)
                {
                    return;
                }

                (known, tries) = (other, tries + 1);
            }
            catch (EtcdException)
            {
                await Task.Delay(TriesAgainAfter, time, stop); // The client has logged it. The state may be written: it is judged again.
                known = board.StateOf(subject);
            }
        }
    }

    /// <returns>Null = it is written; else the state that another master has written meanwhile.</returns>
    private async Task<Known<AlertState>?> TryWriteAsync(
        AlertSubject subject, JobAlert terms, string text, long revision, AlertStep step, CancellationToken stop)
    {
        var key = keys.State(subject);
        var value = JsonSerializer.Serialize(step.State, AlertJson.Readable.AlertState);
        var messages = step.Turns.Select(turn => MessageOf(subject, terms, text, turn)).Select(message => Txn.Put(
            keys.Outbox + message.Id, JsonSerializer.Serialize(message, AlertJson.Readable.AlertMessage))).ToList();
        var condition = revision == 0 ? Txn.Missing(key) : Txn.Unchanged(key, revision);
        var answer = step.State.Open.Count > 0
            ? await WriteAsync(default)
            : await _aDay.UseAsync(WriteAsync, stop);
        if (answer.Succeeded)
        {
            board.Note(subject, step.State, answer.Header.Revision);
            return null;
        }

        return answer.Responses[0].ResponseRange.Kvs is [var pair]
            ? new Known<AlertState>(JsonSerializer.Deserialize(pair.Value.Span, AlertJson.Readable.AlertState)!, pair.ModRevision)
            : new Known<AlertState>(AlertState.Well, 0);

        Task<Etcdserverpb.TxnResponse> WriteAsync(LeaseId lease) => etcd.TxnAsync(
            Txn.If(condition).Then([Txn.Put(key, value, lease), .. messages]).Else(Txn.Get(key)), cancel: stop);
    }

    private AlertMessage MessageOf(AlertSubject subject, JobAlert terms, string text, AlertTurn turn) => new(
        $"{time.GetUtcNow():yyyyMMdd'T'HHmmss'Z'}-{Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(6))}",
        subject.Rule,
        terms.Channel,
        turn.What,
        subject.JobName,
        subject.Worker,
        time.GetUtcNow(),
        turn.About.Since,
        turn.About.RunId,
        turn.About.Ending,
        turn.About.Reason,
        turn.About.Times,
        turn.About.LastLine,
        text);

    private sealed record Judgement(
        AlertSubject Subject, JobAlert Terms, string Text, EventSubject About, EndedRun Run, IReadOnlyList<Ending> Endings);
}
