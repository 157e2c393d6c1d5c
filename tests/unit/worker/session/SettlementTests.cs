using System.Text.Json;
using Dts.Common.Etcd;
using Dts.Common.Jobs;
using Dts.Tests.Support;
using Dts.Worker.Runs;
using Dts.Worker.Sessions;
using Mvccpb;
using Xunit;

namespace Dts.Tests.Unit.Worker.Sessions;

/// <summary>This worker is w1, and its session has lease 0x11; w2 is another worker with lease 0x22.</summary>
public sealed class SettlementTests
{
    private const long Token = 100;
    private static readonly LeaseId Session = new(0x11);
    private static readonly LeaseId Former = new(0x10);
    private static readonly LeaseId OfW2 = new(0x22);
    private static readonly Keys Keys = new(Keys.DefaultPrefix);
    private static readonly JobName Job = JobName.Parse("hello");
    private static readonly RunSpec Spec = RunSpec.Scheduled(Some.Now);

    private readonly Settlement _settlement = new(Keys, "w1");

    [Fact]
    public void A_run_that_was_claimed_under_a_former_session_is_taken_along_if_this_process_holds_it()
    {
        var run = Held();

        var action = Assert.IsType<SettleAction.MoveToSession>(Assert.Single(SettleOwn([InFlight("w1", Former)], run)));

        Assert.Same(run, action.Run);
        Assert.Equal("/cron/runs/hello/20261122T100000Z", action.Key);
    }

    [Fact]
    public void A_run_of_this_session_that_this_process_holds_stays_as_it_is()
    {
        var run = Held();
        run.MoveToSession(Session, 200);

        Assert.Empty(SettleOwn([InFlight("w1", Session)], run));
    }

    [Fact]
    public void A_run_whose_move_to_this_session_lost_its_answer_is_moved_again_so_that_it_knows() =>
        Assert.IsType<SettleAction.MoveToSession>(Assert.Single(SettleOwn([InFlight("w1", Session)], Held())));

    [Theory]
    // The session of the claim, how long ago it was made, and why it ends as lost.
    [InlineData("former", 0,  "it was restarted")]
    [InlineData("former", 90, "it was restarted")]
    [InlineData("this",   61, "it never heard that its claim was granted")]
    [InlineData("this",   60, null)] // The answer to the claim may still come.
    public void A_run_that_this_process_does_not_hold_ends_as_lost_when_no_answer_can_come(string session, int age, string? why)
    {
        var claim = InFlight("w1", session == "this" ? Session : Former, claimed: Some.Now.AddSeconds(-age));

        var lost = SettleOwn([claim]).Cast<SettleAction.EndLost>();

        Assert.Equal(why, lost.SingleOrDefault()?.Why);
    }

    [Fact]
    public void A_later_claim_of_a_run_that_this_process_holds_is_left_alone() =>
        Assert.Empty(SettleOwn([InFlight("w1", Former, created: Token + 1)], Held()));

    [Fact]
    public void The_runs_of_others_and_values_that_cannot_be_read_are_left_to_the_reaper() =>
        Assert.Empty(SettleOwn([InFlight("w2", Former), Pair("/cron/runs/hello/x", "garbage"), Pair("/cron/runs/hello", "{}")]));

    [Theory]
    [InlineData(OnWorkerLost.Record, typeof(SettleAction.GoOn))]
    [InlineData(OnWorkerLost.Rerun,  typeof(SettleAction.KillHere))]
    public void A_run_that_others_ended_as_lost_goes_on_here_unless_it_runs_again_elsewhere(OnWorkerLost onWorkerLost, Type action) =>
        Assert.IsType(action, Assert.Single(SettleOwn([], Held(onWorkerLost: onWorkerLost))));

    [Fact]
    public void A_run_that_is_known_to_be_lost_or_has_ended_or_was_claimed_just_now_needs_nothing_when_etcd_does_not_have_it()
    {
        var (known, ended) = (Held(), Held());
        (known.LostAtMs, ended.Status) = (1, RunStatus.Succeeded);

        Assert.Empty(SettleOwn([], known));
        Assert.Empty(SettleOwn([], ended));
        Assert.Empty(_settlement.SettleOwn(new Settlement.OwnRunsRead([], HeldBefore: [], HeldAfter: [Held()]), Session, Some.Now));
    }

    [Fact]
    public void After_etcd_was_restored_held_runs_go_on_and_runs_of_the_snapshot_that_nobody_holds_are_lost()
    {
        var newer = Held(planTime: Some.Now.AddMinutes(1));
        var older = InFlight("w1", Former);

        var actions = SettleOwn([older], newer);

        Assert.Equal([typeof(SettleAction.EndLost), typeof(SettleAction.GoOn)], actions.Select(action => action.GetType()));
    }

    [Theory]
    // Whether the session of its claim, and its worker, are still there.
    [InlineData(false, false, true)]
    [InlineData(false, true,  false)] // The worker is back, and settles its runs itself.
    [InlineData(true,  true,  false)]
    public void The_reaper_ends_a_run_as_lost_once_session_and_worker_are_gone(bool session, bool worker, bool isLost)
    {
        var workers = worker ? [Registration("w2", session ? OfW2 : new LeaseId(0x23))] : Array.Empty<KeyValue>();

        var actions = SettleCluster(runs: [InFlight("w2", OfW2)], workers: workers);

        Assert.Equal(isLost ? "its session has expired" : null, actions.Cast<SettleAction.EndLost>().SingleOrDefault()?.Why);
    }

    [Theory]
    [InlineData("/cron/runs/hello",                   "{}",      "the key names no run of a job")]
    [InlineData("/cron/runs/hello/x",                 "garbage", "is an invalid start of a value")]
    [InlineData("/cron/runs/hello/20261122T100000Z",  "null",    "the value is null; expected an object")]
    [InlineData("/cron/owed/hello",                   "{}",      "the key names no run of a job")]
    [InlineData("/cron/owed/hello/20261122T100000Z",  "null",    "the value is null; expected an object")]
    public void The_reaper_removes_keys_that_cannot_be_read_and_says_why(string key, string value, string why)
    {
        KeyValue[] table = [Pair(key, value)];
        var actions = key.StartsWith(Keys.AllRuns, StringComparison.Ordinal) ? SettleCluster(runs: table) : SettleCluster(owed: table);

        var removed = Assert.IsType<SettleAction.RemoveUnreadable>(Assert.Single(actions));
        Assert.Equal(key, removed.Key);
        Assert.Contains(why, removed.Why);
    }

    [Theory]
    // Whether its decider is still there, how many seconds ago it decided, and whether the reaper records the ending.
    [InlineData(true,  30,  false)]
    [InlineData(true,  31,  true)] // It does not know of it: the answer to its request was lost.
    [InlineData(false, 0,   true)]
    public void The_reaper_records_an_ending_that_its_decider_does_not(bool isThere, int age, bool isRecorded)
    {
        var owed = Owed(OfW2, Some.Now.AddSeconds(-age));

        var actions = SettleCluster(owed: [owed], workers: isThere ? [Registration("w2", OfW2)] : []);

        Assert.Equal(isRecorded ? 1 : 0, actions.OfType<SettleAction.RecordOwed>().Count());
    }

    [Fact]
    public void An_ending_that_is_being_recorded_is_not_recorded_again_for_two_minutes_while_it_is_owed()
    {
        var owed = Owed(OfW2, Some.Now);
        int RecordedAt(DateTimeOffset now, params KeyValue[] table) =>
            SettleCluster(owed: table, now: now).OfType<SettleAction.RecordOwed>().Count();

        _settlement.Recording(Assert.IsType<SettleAction.RecordOwed>(Assert.Single(SettleCluster(owed: [owed]))), Some.Now);

        Assert.Equal(0, RecordedAt(Some.Now.AddSeconds(120), owed));
        Assert.Equal(1, RecordedAt(Some.Now.AddSeconds(121), owed));
        Assert.Equal(1, RecordedAt(Some.Now.AddHours(-1), owed)); // The clock was stepped.
        Assert.Equal(0, RecordedAt(Some.Now));
        Assert.Equal(1, RecordedAt(Some.Now, owed)); // It was gone in between.
    }

    [Theory]
    // With the run hello/20261122T100000Z in flight.
    [InlineData("hello",                   false, false)]
    [InlineData("hello/20261122T100000Z",  false, false)]
    [InlineData("hello/20261122T100001Z",  false, true)]
    [InlineData("other",                   false, true)]
    [InlineData("other",                   true,  false)] // It expires with its lease.
    [InlineData("hello/x/y",               false, true)]  // DTS did not write it.
    public void The_reaper_removes_a_kill_request_when_no_run_that_it_covers_is_in_flight(string request, bool hasLease, bool isRemoved)
    {
        var pair = Pair($"/cron/killer/{request}", "");
        pair.Lease = hasLease ? 1 : 0;

        var actions = SettleCluster(requests: [pair], runs: [InFlight("w2", OfW2)], workers: [Registration("w2", OfW2)]);

        Assert.Equal(
            isRemoved ? [pair.Key.ToStringUtf8()] : [], actions.Cast<SettleAction.RemoveKillRequest>().Select(action => action.Key));
    }

    [Theory]
    // The cursor's key, its age in hours, and the history that goes with it (- = none, because the job exists); null = it stays.
    [InlineData("hello",      25, null)]
    [InlineData("hello/w2",   25, null)]
    [InlineData("hello/gone", 25, "-")]
    [InlineData("hello/gone", 24, null)]
    [InlineData("gone",       25, "/cron/history/gone")]
    [InlineData("gone/w2",    25, "/cron/history/gone")]
    [InlineData("gone",       24, null)]
    public void A_cursor_outlives_its_job_and_its_worker_by_a_day(string cursor, int hours, string? history)
    {
        var pair = Pair($"/cron/fired/{cursor}", new Cursor(Some.Now.AddHours(-hours), "w2", "22", Cursor.Claimed).ToString());
        var read = new Settlement.CursorTables([pair], [Pair("/cron/jobs/hello", "")], [Registration("w2", OfW2)]);

        var old = _settlement.FindOldCursors(read, Some.Now).Cast<SettleAction.RemoveCursor>().ToList();

        Assert.Equal(history, old.Count == 0 ? null : old[0].History ?? "-");
    }

    private IReadOnlyList<SettleAction> SettleOwn(KeyValue[] inEtcd, params Run[] held) =>
        _settlement.SettleOwn(new Settlement.OwnRunsRead(inEtcd, held, held), Session, Some.Now);

    private IReadOnlyList<SettleAction> SettleCluster(
        KeyValue[]? requests = null,
        KeyValue[]? runs = null,
        KeyValue[]? owed = null,
        KeyValue[]? workers = null,
        DateTimeOffset? now = null) =>
        _settlement.SettleCluster(
            new Settlement.ClusterTables(requests ?? [], runs ?? [], owed ?? [], workers ?? []), now ?? Some.Now);

    private static Run Held(OnWorkerLost onWorkerLost = OnWorkerLost.Record, DateTimeOffset? planTime = null) => new(
        Job, Some.Job() with { OnWorkerLost = onWorkerLost }, 1, RunSpec.Scheduled(planTime ?? Some.Now), Some.Now, Token, Former);

    private static KeyValue InFlight(string worker, LeaseId session, long created = Token, DateTimeOffset? claimed = null)
    {
        var claim = new ClaimedRun(worker, session.ToString(), claimed ?? Some.Now, Spec);
        var pair = Pair(Keys.Run(Job, Spec.Id), JsonSerializer.Serialize(claim, JobsJson.Readable.ClaimedRun));
        (pair.CreateRevision, pair.ModRevision) = (created, created);
        return pair;
    }

    private static KeyValue Owed(LeaseId session, DateTimeOffset decided)
    {
        var owed = new OwedEnding("w2", session.ToString(), Spec, RunStatus.Missed, "too late", decided);
        return Pair(Keys.Owed(Job, Spec.Id), JsonSerializer.Serialize(owed, JobsJson.Readable.OwedEnding));
    }

    private static KeyValue Registration(string worker, LeaseId session)
    {
        var pair = Pair(Keys.Worker(worker), "");
        pair.Lease = session.Value;
        return pair;
    }

    private static KeyValue Pair(string key, string value) => new() { Key = Txn.Bytes(key), Value = Txn.Bytes(value) };
}
