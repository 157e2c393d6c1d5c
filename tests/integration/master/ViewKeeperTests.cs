using System.Text.Json;
using Dts.Common.Cron;
using Dts.Common.Etcd;
using Dts.Common.Hosting;
using Dts.Common.Jobs;
using Dts.Common.Logs;
using Dts.Master.Jobs;
using Dts.Master.Views;
using Dts.Tests.Support;
using Xunit;

namespace Dts.Tests.Integration.Master;

/// <summary>The view beside a real etcd and a log.</summary>
public sealed class ViewKeeperTests : EtcdTest, IClassFixture<EtcdServer>
{
    private static readonly DateTimeOffset PlanTime = Some.Now;

    private readonly BrokenStore _store = new();
    private readonly ClusterView _view;
    private readonly ClockCheck _clocks;

    public ViewKeeperTests(EtcdServer server)
        : base(server)
    {
        _view = new ClusterView(new ClusterState(Keys, CronZone.Utc));
        _clocks = Own(new ClockCheck("", TimeProvider.System, Log));
    }

    [Fact]
    public async Task Lists_are_refused_until_all_tables_have_been_read()
    {
        var refused = Assert.Throws<EtcdException>(() => _view.Ask(state => state.Jobs.Sorted.Count));
        Assert.Equal("this master has not read jobs, runs and workers yet; lists are answered when it has", refused.Message);

        Keep();

        await Patience.Until(() => _view.IsListed, () => $"{Log}");
        Assert.Equal(0, _view.Ask(state => state.Jobs.Sorted.Count));
    }

    [Fact]
    public async Task A_run_is_followed_from_the_queue_to_its_ending()
    {
        await SaveAsync(Some.Job("a"));
        await SaveAsync(Some.Job("b"));
        Keep();
        await RowSoonAsync("a", row => row.State == JobState.New);

        var run = new RunSpec(PlanTime, RunSpec.Manual, PlanTime, Origin: "manual-1");
        await Etcd.PutAsync(Keys.Queued(Name("a"), run.Id), JsonSerializer.Serialize(run, JobsJson.Readable.RunSpec));
        await RowSoonAsync("a", row => row.State == JobState.Queued);

        await Etcd.DeleteAsync(Keys.Queued(Name("a"), run.Id));
        var held = new ClaimedRun("w1", "1", PlanTime, run);
        await Etcd.PutAsync(Keys.Run(Name("a"), run.Id), JsonSerializer.Serialize(held, JobsJson.Readable.ClaimedRun));
        await RowSoonAsync("a", row => row is { State: JobState.Running, Running: 1, Queued: 0 });

        await Etcd.DeleteAsync(Keys.Run(Name("a"), run.Id));
        await RowSoonAsync("a", row => row.Running == 0);
        await _store.WriteAsync([Record("a", run.Id, RunStatus.Failed)], CancellationToken.None);

        var row = await RowSoonAsync("a", row => row.State == JobState.Failing);
        Assert.Equal((run.Id, RunStatus.Failed, "went wrong", 1), (row.Last!.RunId, row.Last.Ending, row.Last.Err, row.Endings!.Count));
        Assert.Equal(JobState.New, _view.Ask(state => JobRow.Of(state.Jobs.Find("b")!, state, Some.Now)).State);
    }

    [Fact]
    public async Task An_ending_without_a_run_is_seen_and_a_lost_one_gives_way_to_the_true_ending()
    {
        await SaveAsync(Some.Job("a"));
        Keep();
        await RowSoonAsync("a", row => row.State == JobState.New);
        var runId = RunId.Of(PlanTime);

        await Etcd.PutAsync(Keys.Owed(Name("a"), runId), "{}");
        await Etcd.DeleteAsync(Keys.Owed(Name("a"), runId));
        await _store.WriteAsync(
            [Record("a", runId, RunStatus.Lost) with { StartTime = PlanTime.AddMinutes(1).ToUnixTimeMilliseconds() }],
            CancellationToken.None);
        await RowSoonAsync("a", row => row is { State: JobState.Failing, Last.Ending: RunStatus.Lost });
        await _store.WriteAsync([Record("a", runId, RunStatus.Succeeded)], CancellationToken.None);

        var row = await RowSoonAsync("a", row => row.State == JobState.Well);
        Assert.Equal([RunStatus.Succeeded], row.Endings!.Select(ending => ending.Ending));
    }

    [Fact]
    public async Task A_log_store_that_is_away_is_reported_once_and_endings_come_when_it_is_back()
    {
        await SaveAsync(Some.Job("a"));
        await _store.WriteAsync([Record("a", RunId.Of(PlanTime), RunStatus.Succeeded)], CancellationToken.None);
        _store.IsBroken = true;
        Keep();
        await Patience.Until(() => _store.Refusals >= 2, () => $"{Log}");
        Assert.Equal(JobState.Unknown, (await RowSoonAsync("a", _ => true)).State);

        _store.IsBroken = false;

        await RowSoonAsync("a", row => row.State == JobState.Well);
        await Patience.Until(() => Log.CountOf("endings are read again") == 1, () => $"{Log}");
        Assert.Equal(1, Log.CountOf("endings cannot be read (the store is broken)"));
    }

    [Fact]
    public async Task An_unexpected_record_is_reported_with_its_job_and_all_others_are_read()
    {
        await SaveAsync(Some.Job("a"));
        await SaveAsync(Some.Job("b"));
        _store.Unreadable = "a";
        Keep();

        await RowSoonAsync("b", row => row.State == JobState.New);
        await Patience.Until(() => Log.CountOf("endings of a cannot be read") == 1, () => $"{Log}");
        Assert.Equal(JobState.Unknown, (await RowSoonAsync("a", _ => true)).State);
    }

    [Fact]
    public async Task A_job_that_is_deleted_and_one_that_cannot_be_read_are_seen()
    {
        await SaveAsync(Some.Job("a"));
        await SaveAsync(Some.Job("b"));
        Keep();
        await RowSoonAsync("a", _ => true);

        await Etcd.DeleteAsync(Keys.Job(Name("a")));
        await Etcd.PutAsync(Keys.Job(Name("b")), "no JSON");

        await RowSoonAsync("b", row => row.State == JobState.Broken);
        await Patience.Until(() => _view.Ask(state => state.Jobs.Sorted.Count) == 1, () => $"{Log}");
    }

    [Fact]
    public async Task A_worker_comes_and_leaves()
    {
        Keep();
        await Patience.Until(() => _view.IsListed, () => $"{Log}");
        var registration = new WorkerRegistration("h", "10.0.0.1", "1", new ProcessIdentity("b", 1, 1), 4, Some.Now);
        await Etcd.PutAsync(Keys.Worker("w1"), JsonSerializer.Serialize(registration, JobsJson.Readable.WorkerRegistration));
        await StateOfWorkerSoonAsync("live");

        await Etcd.DeleteAsync(Keys.Worker("w1"));

        await StateOfWorkerSoonAsync("left");
    }

    [Fact]
    public async Task A_run_that_DTS_did_not_write_is_reported_and_left_out()
    {
        Keep();
        await Etcd.PutAsync(Keys.Run(Name("a"), "x"), "no JSON");

        await Patience.Until(() => Log.CountOf("runs/a/x has a value that DTS cannot read") == 1, () => $"{Log}");
        await Patience.Until(() => _view.IsListed, () => $"{Log}");
        Assert.Empty(_view.Ask(state => state.Runs.List()));
    }

    [Fact]
    public async Task Two_workers_that_agree_correct_a_master_s_clock()
    {
        Keep();
        await Patience.Until(() => _view.IsListed, () => $"{Log}");
        await RegisterAsync("w1");
        Assert.True((_clocks.Now - DateTimeOffset.UtcNow).Duration() < TimeSpan.FromMinutes(1)); // Of two nobody knows who is right.

        await RegisterAsync("w2");

        await Patience.Until(() => _clocks.Now > DateTimeOffset.UtcNow.AddMinutes(59), () => $"{_clocks.Now:O}\n{Log}");
        Assert.Equal(1, Log.CountOf("this master goes by the workers' clocks"));
        Assert.InRange(_view.Ask(WorkerRow.List)[0].ClockAheadMs!.Value, 59 * 60_000, 61 * 60_000);

        async Task RegisterAsync(string id)
        {
            var hourAhead = new WorkerRegistration(
                "h", "10.0.0.1", "1", new ProcessIdentity("b", 1, 1), 4, DateTimeOffset.UtcNow, Clock: DateTimeOffset.UtcNow.AddHours(1));
            await Etcd.PutAsync(Keys.Workers + id, JsonSerializer.Serialize(hourAhead, JobsJson.Readable.WorkerRegistration));
            await Patience.Until(
                () => _view.Ask(WorkerRow.List).Any(row => row.Id == id && row.ClockAheadMs is not null), () => $"{Log}");
        }
    }

    private static JobName Name(string name) => JobName.Parse(name);

    private static RunRecord Record(string job, string runId, RunStatus status) =>
        Some.Record(0, job, status) with { Id = $"{job}/{runId}" };

    private void Keep()
    {
        var keeper = new ViewKeeper(_view, Etcd, Keys, _store, new ForeignValues(Log), TimeProvider.System, Log);
        Own(new Keeping(keeper, _clocks));
    }

    private async Task SaveAsync(Job job) => await Etcd.PutAsync(Keys.Jobs + job.Name, JobJson.ToJson(job));

    private async Task<JobRow> RowSoonAsync(string name, Func<JobRow, bool> fits)
    {
        JobRow? row = null;
        await Patience.Until(
            () => _view.IsListed
                && (row = _view.Ask(state => state.Jobs.Find(name) is { } job ? JobRow.Of(job, state, Some.Now) : null)) is not null
                && fits(row),
            () => $"{row}\n{Log}");
        return row!;
    }

    private Task StateOfWorkerSoonAsync(string wanted) => Patience.Until(
        () => _view.Ask(WorkerRow.List).SingleOrDefault()?.State == wanted, () => $"{Log}");

    private sealed class Keeping : IAsyncDisposable
    {
        private readonly CancellationTokenSource _stop = new();
        private readonly Task _keeping;

        public Keeping(ViewKeeper keeper, ClockCheck clocks) => _keeping = keeper.RunAsync(clocks, _stop.Token);

        public async ValueTask DisposeAsync()
        {
            await _stop.CancelAsync();
            await _keeping.WaitAsync(Patience.Limit);
            _stop.Dispose();
        }
    }
}
