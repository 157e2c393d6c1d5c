using System.Text.Json;
using System.Threading.Channels;
using Dts.Common.Etcd;
using Dts.Common.Hosting;
using Dts.Common.Jobs;
using Dts.Tests.Support;
using Dts.Worker.Commands;
using Dts.Worker.Records;
using Dts.Worker.Runs;
using Dts.Worker.Sessions;
using Xunit;

namespace Dts.Tests.Integration.Worker;

/// <summary>What the settler of worker w1 does in etcd; w2 is gone.</summary>
public sealed class SettlerTests : EtcdTest, IClassFixture<EtcdServer>
{
    private static readonly JobName Hello = JobName.Parse("hello");
    private static readonly RunSpec Spec = RunSpec.Scheduled(Some.Now);

    private readonly Channel<Ending> _endings = Channel.CreateUnbounded<Ending>();
    private readonly OwnRuns _runs = new();
    private readonly Settler _settler;

    public SettlerTests(EtcdServer server)
        : base(server)
    {
        var clocks = Own(new ClockCheck("w1", TimeProvider.System, Log));
        var owed = new OwedEndings(Keys, new RecordWriter("w1", "host", TimeSpan.FromDays(30)), _endings.Writer, Log);
        _settler = Own(new Settler(Etcd, Keys, "w1", _runs, owed, clocks, Log));
    }

    [Fact]
    public async Task A_run_of_a_worker_that_is_gone_ends_as_lost_with_what_the_job_said_when_it_was_claimed()
    {
        var session = await OpenAsync();
        await SaveAsync(Some.Job() with { OnWorkerLost = OnWorkerLost.Rerun });
        var claim = await ClaimAsync("w2", new LeaseId(0x22));
        await SaveAsync(Some.Job());

        await _settler.SettleClusterAsync(session, CancellationToken.None);

        Assert.Null(await ReadAsync(Keys.Run(Hello, Spec.Id)));
        Assert.NotNull(await ReadAsync(Keys.Queued(Hello, Spec.Id + "-2")));
        Assert.True(Documents.TryReadOwed(Spec.Id, (await Etcd.FindAsync(Keys.Owed(Hello, Spec.Id)))!.Value.Span, out var owed, out _));
        Assert.Equal(
            ("w2", session.Lease.ToString(), RunStatus.Lost, claim),
            (owed.Worker, owed.Session, owed.Status, owed.Token));
        Assert.True(_endings.Reader.TryRead(out var ending));
        Assert.Equal((RunStatus.Lost, "w2", "echo hello"), (ending.Record.Status, ending.Record.Worker, ending.Record.Command));
        Assert.Equal("worker w2 lost: its session has expired", ending.Record.Err);
    }

    [Fact]
    public async Task A_lost_run_whose_job_as_it_was_claimed_is_compacted_away_ends_with_what_the_job_says_now()
    {
        var session = await OpenAsync();
        await SaveAsync(Some.Job());
        await ClaimAsync("w2", new LeaseId(0x22));
        await Server.CompactAsync(await SaveAsync(Some.Job() with { OnWorkerLost = OnWorkerLost.Rerun }));

        await _settler.SettleClusterAsync(session, CancellationToken.None);

        Assert.NotNull(await ReadAsync(Keys.Queued(Hello, Spec.Id + "-2")));
    }

    [Fact]
    public async Task A_run_that_is_held_here_is_taken_along_to_a_new_session_and_stays_there()
    {
        var session = await OpenAsync();
        var claim = await ClaimAsync("w1", new LeaseId(0x11));
        var run = Hold(claim);

        await _settler.SettleOwnAsync(session);
        await _settler.SettleClusterAsync(session, CancellationToken.None);
        await _settler.SettleOwnAsync(session);

        var pair = (await Etcd.FindAsync(Keys.Run(Hello, Spec.Id)))!;
        Assert.True(Documents.TryReadInFlight(Spec.Id, pair.Value.Span, out var inFlight, out _));
        Assert.Equal(("w1", session.Lease.ToString()), (inFlight.Worker, inFlight.Session));
        Assert.Equal((session.Lease, pair.ModRevision, claim), (run.Session, run.HeldAt, run.FencingToken));
        Assert.Equal(1, Log.CountOf("moved to the new session"));
    }

    [Fact]
    public async Task A_session_that_is_lost_takes_nothing_along()
    {
        var session = await OpenAsync();
        var run = Hold(await ClaimAsync("w1", new LeaseId(0x11)));

        session.End();
        await _settler.SettleOwnAsync(session);

        Assert.Equal(new LeaseId(0x11), run.Session);
        Assert.Equal(run.FencingToken, (await Etcd.FindAsync(Keys.Run(Hello, Spec.Id)))!.ModRevision);
    }

    [Theory]
    [InlineData(OnWorkerLost.Record, "it goes on, and its true ending will be recorded", "")]
    [InlineData(OnWorkerLost.Rerun,  "it runs again elsewhere, and is killed here",      Run.RunElsewhere)]
    public async Task A_run_that_others_ended_is_known_as_lost_and_said_once(OnWorkerLost onWorkerLost, string said, string killed)
    {
        var session = await OpenAsync();
        var why = "";
        var run = Hold(1, onWorkerLost);
        run.Command = new RunningCommand(1, 1, Some.Now, (_, reason, _) => why = reason);

        await _settler.SettleOwnAsync(session);
        await _settler.SettleOwnAsync(session);

        Assert.True(run.LostAtMs > 0);
        Assert.Equal((1, killed), (Log.CountOf($"hello/{Spec.Id} was recorded as lost while this worker was cut off; {said}"), why));
    }

    [Fact]
    public async Task Keys_that_cannot_be_read_are_removed_and_named_and_answered_kill_requests_go()
    {
        var session = await OpenAsync();
        string[] keys = [Keys.AllRuns + "a/x", Keys.AllRuns + "a", Keys.AllOwed + "a/x", Keys.Killer(Hello), Keys.Killer(Hello, "x")];
        foreach (var key in keys)
        {
            await Etcd.PutAsync(key, "garbage");
        }

        await _settler.SettleClusterAsync(session, CancellationToken.None);

        foreach (var key in keys)
        {
            Assert.Null(await ReadAsync(key));
        }

        Assert.Equal(3, Log.CountOf("has a value that DTS cannot read"));
    }

    [Fact]
    public async Task An_ending_owed_by_a_worker_that_is_gone_is_recorded_with_the_job_that_it_names()
    {
        var session = await OpenAsync();
        var revision = await SaveAsync(Some.Job());
        await OweAsync(Hello);
        await OweAsync(JobName.Parse("deleted"));

        await _settler.SettleClusterAsync(session, CancellationToken.None);
        await _settler.SettleClusterAsync(session, CancellationToken.None);

        _endings.Writer.Complete();
        var records = await _endings.Reader.ReadAllAsync().Select(ending => ending.Record).OrderBy(record => record.JobName).ToListAsync();
        Assert.Equal([("deleted", 0L), ("hello", revision)], records.Select(record => (record.JobName, record.JobRevision)));
    }

    [Fact]
    public async Task The_cursor_of_a_job_that_is_gone_for_a_day_goes_with_its_history()
    {
        var session = await OpenAsync();
        var old = new Cursor(DateTimeOffset.UtcNow.AddHours(-25), "w2", "22", Cursor.Claimed).ToString();
        await SaveAsync(Some.Job());
        await Etcd.PutAsync(Keys.Fired(Hello), old);
        await Etcd.PutAsync(Keys.AllFired + "gone", old);
        await Etcd.PutAsync(Keys.AllHistory + "gone", "[]");

        await _settler.RemoveOldCursorsAsync(session, CancellationToken.None);

        Assert.Equal(
            (old, null, null),
            (await ReadAsync(Keys.Fired(Hello)), await ReadAsync(Keys.AllFired + "gone"), await ReadAsync(Keys.AllHistory + "gone")));
    }

    private async Task<Session> OpenAsync()
    {
        var ttl = TimeSpan.FromSeconds(60);
        var session = new Session(await Etcd.GrantAsync(ttl), ttl, TimeProvider.System.GetTimestamp(), TimeProvider.System);
        await Etcd.PutAsync(Keys.Worker("w1"), "{}", session.Lease);
        return session;
    }

    private async Task<long> SaveAsync(Job job) =>
        (await Etcd.PutAsync(Keys.Job(Hello), JsonSerializer.Serialize(job, JobsJson.Readable.Job))).Header.Revision;

    private async Task<long> ClaimAsync(string worker, LeaseId session)
    {
        var claim = new ClaimedRun(worker, session.ToString(), DateTimeOffset.UtcNow, Spec);
        var put = await Etcd.PutAsync(Keys.Run(Hello, Spec.Id), JsonSerializer.Serialize(claim, JobsJson.Readable.ClaimedRun));
        return put.Header.Revision;
    }

    private async Task OweAsync(JobName job)
    {
        var owed = new OwedEnding("w2", "22", Spec, RunStatus.Missed, "too late", DateTimeOffset.UtcNow);
        await Etcd.PutAsync(Keys.Owed(job, Spec.Id), JsonSerializer.Serialize(owed, JobsJson.Readable.OwedEnding));
    }

    private Run Hold(long token, OnWorkerLost onWorkerLost = OnWorkerLost.Record)
    {
        var run = new Run(Hello, Some.Job() with { OnWorkerLost = onWorkerLost }, 1, Spec, Some.Now, token, new LeaseId(0x11));
        Assert.True(_runs.TryAdd(run));
        return run;
    }
}
