using System.Text.Json;
using Dts.Common.Cron;
using Dts.Common.Etcd;
using Dts.Common.Jobs;
using Dts.Master.Jobs;
using Dts.Tests.Support;
using Etcdserverpb;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace Dts.Tests.Integration.Master;

public sealed class JobStoreTests : EtcdTest, IClassFixture<EtcdServer>
{
    private static readonly JobName Hello = JobName.Parse("hello");

    private readonly ManualTime _time = new();
    private readonly JobStore _jobs;

    public JobStoreTests(EtcdServer server)
        : base(server) => _jobs = new JobStore(Etcd, Keys, CronZone.Utc, _time, new ForeignValues(NullLogger.Instance));

    [Fact]
    public async Task A_save_returns_the_job_that_it_replaced()
    {
        var first = Some.Job();
        var second = first with { Command = "echo more" };

        Assert.Null(await SaveAsync(first));
        Assert.Equal("echo hello", (await SaveAsync(second))!.Command);
        Assert.Equal("echo more", (await SaveAsync(first))!.Command);
        Assert.Equal(["echo hello"], (await _jobs.ListAsync(CancellationToken.None)).Select(job => job.Command));
    }

    [Fact]
    public async Task A_list_has_the_readable_jobs_in_the_byte_order_of_their_names()
    {
        foreach (var name in new[] { "b", "备份", "a", "B", "a b" })
        {
            await SaveAsync(Some.Job(name));
        }

        await Etcd.PutAsync(Keys.Jobs + "a1", "not JSON");

        Assert.Equal(["B", "a", "a b", "b", "备份"], (await _jobs.ListAsync(CancellationToken.None)).Select(job => job.Name));
    }

    [Fact]
    public async Task The_cursor_is_made_with_the_job_at_now_and_in_one_transaction()
    {
        await SaveAsync(Some.Job());

        var (job, cursor) = (await Etcd.FindAsync(Keys.Job(Hello)), await Etcd.FindAsync(Keys.Fired(Hello)));
        Assert.Equal($"{Cursor.Text(_time.GetUtcNow())} master - moved", cursor!.Value.ToStringUtf8());
        Assert.Equal(job!.ModRevision, cursor.ModRevision);
    }

    [Fact]
    public async Task A_new_schedule_moves_the_cursor_forward_to_now()
    {
        await CursorAfterAsync(Some.Job(), Some.Job(cronExpr: "*/2 * * * * *"), stays: false);
        await CursorAfterAsync(Some.Job(), Some.Job() with { TimeZone = "Europe/Berlin" }, stays: false);
    }

    [Fact]
    public async Task Enabling_a_job_moves_the_cursor_to_now_because_a_pause_misses_nothing() =>
        await CursorAfterAsync(Some.Job() with { Enabled = false }, Some.Job(), stays: false);

    [Fact]
    public async Task Any_other_edit_leaves_the_cursor_but_writes_it_again() =>
        await CursorAfterAsync(Some.Job(), Some.Job() with { Command = "echo more" }, stays: true);

    [Fact]
    public async Task A_save_that_changes_nothing_writes_nothing_and_answers_the_present_revision()
    {
        await SaveAsync(Some.Job());
        var before = await Etcd.FindAsync(Keys.Job(Hello));
        await Etcd.PutAsync(Keys.Fired(Hello), new Cursor(_time.GetUtcNow(), "w1", "5f3", Cursor.Claimed).ToString());
        var cursor = await Etcd.FindAsync(Keys.Fired(Hello));

        await SaveAsync(Some.Job());
        var resumed = await _jobs.EnableAsync(Hello, enabled: true, CancellationToken.None);

        Assert.Equal(before, await Etcd.FindAsync(Keys.Job(Hello)));
        Assert.Equal(cursor, await Etcd.FindAsync(Keys.Fired(Hello)));
        Assert.Equal(before!.ModRevision, resumed!.Revision);
    }

    [Fact]
    public async Task A_job_put_by_hand_has_its_cursor_after_a_save_that_changes_nothing()
    {
        await SaveAsync(Some.Job());
        await Etcd.PutAsync(Keys.Job(Hello), JobJson.ToJson(Some.Job()));

        await SaveAsync(Some.Job());

        Assert.Equal((await Etcd.FindAsync(Keys.Job(Hello)))!.ModRevision, (await Etcd.FindAsync(Keys.Fired(Hello)))!.ModRevision);
    }

    [Fact]
    public async Task A_job_that_cannot_be_read_stays_as_it_is_when_it_is_paused_or_resumed()
    {
        await Etcd.PutAsync(Keys.Job(Hello), "no JSON");

        Assert.Null(await _jobs.EnableAsync(Hello, enabled: false, CancellationToken.None));
        Assert.Null(await _jobs.EnableAsync(Hello, enabled: true, CancellationToken.None));

        Assert.Equal("no JSON", await ReadAsync(Keys.Job(Hello)));
    }

    [Fact]
    public async Task Kill_requests_for_idle_jobs_within_a_second_share_a_lease()
    {
        await _jobs.Runs.KillAsync(Hello, KillRequest.All, CancellationToken.None);
        await _jobs.Runs.KillAsync(JobName.Parse("other"), KillRequest.All, CancellationToken.None);

        Assert.Single((await Etcd.ListAsync(Keys.Killers)).Select(request => request.Lease).Distinct(), lease => lease != 0);
    }

    [Fact]
    public async Task Pausing_a_job_moves_the_cursor_to_now_and_owes_the_missed_fires()
    {
        await CursorAfterAsync(Some.Job(), Some.Job() with { Enabled = false }, stays: false);

        var owed = Assert.Single(await Etcd.ListAsync(Keys.AllOwed));
        var ending = JsonSerializer.Deserialize(owed.Value.Span, JobsJson.Readable.OwedEnding)!;
        Assert.Equal((RunStatus.Missed, 600L, _time.GetUtcNow()), (ending.Status, ending.Count, ending.Run.PlanTime));
    }

    [Fact]
    public async Task Former_schedules_are_kept_with_the_times_of_their_changes()
    {
        var start = _time.GetUtcNow();
        await SaveAsync(Some.Job());
        _time.Advance(TimeSpan.FromMinutes(1));
        await SaveAsync(Some.Job() with { Command = "echo more" });
        await SaveAsync(Some.Job(cronExpr: "*/5 * * * * *"));
        _time.Advance(TimeSpan.FromMinutes(1));
        await _jobs.EnableAsync(Hello, enabled: false, CancellationToken.None);
        await _jobs.DeleteAsync(Hello, CancellationToken.None);

        Assert.True(Documents.TryReadHistory((await Etcd.FindAsync(Keys.History(Hello)))!.Value.Span, out var changes, out _));
        Assert.Equal(
            [new ScheduleChange(start, "* * * * * *", ""), new(start.AddMinutes(1), "*/5 * * * * *", ""), new(start.AddMinutes(2), "", "")],
            changes);
    }

    [Fact]
    public async Task A_request_that_two_masters_get_at_once_runs_the_job_once_and_is_forgotten_after_a_day()
    {
        await SaveAsync(Some.Job());
        var other = new JobStore(Etcd, Keys, CronZone.Utc, _time, new ForeignValues(NullLogger.Instance));
        var lease = new RequestLease(Etcd, _time);

        var answers = await Task.WhenAll(Enumerable.Range(0, 10).Select(n => lease.UseAsync(
            its => (n % 2 == 0 ? _jobs : other).Runs.RunOnceAsync(Hello, new RunRequest(), "key", "digest", its, CancellationToken.None),
            CancellationToken.None)));

        var queued = Assert.Single(await Etcd.ListAsync(Keys.QueueOf(Hello)));
        Assert.All(answers, answer => Assert.EndsWith($"/{Assert.IsType<RunOnce.Accepted>(answer).RunId}", queued.Key.ToStringUtf8()));
        Assert.Single(answers, answer => answer is RunOnce.Accepted { IsRepeated: false });
        Assert.NotEqual(0, Assert.Single(await Etcd.ListAsync(Keys.AllRequests)).Lease);
        Assert.IsType<RunOnce.OtherRequest>(
            await _jobs.Runs.RunOnceAsync(Hello, new RunRequest(), "key", "another", default, CancellationToken.None));
        Assert.IsType<RunOnce.NoSuchJob>(
            await _jobs.Runs.RunOnceAsync(JobName.Parse("other"), new RunRequest(), "key", "digest", default, CancellationToken.None));
    }

    [Fact]
    public async Task Requests_share_a_lease_for_an_hour_also_if_the_clock_was_an_hour_ahead()
    {
        var lease = new RequestLease(Etcd, _time);
        _time.Step(TimeSpan.FromHours(1));
        var first = await UseAsync();
        _time.Step(TimeSpan.FromHours(-1));

        _time.Advance(TimeSpan.FromMinutes(59));
        Assert.Equal(first, await UseAsync());
        _time.Advance(TimeSpan.FromMinutes(1));
        Assert.NotEqual(first, await UseAsync());

        Task<LeaseId> UseAsync() => lease.UseAsync(Task.FromResult, CancellationToken.None);
    }

    [Fact]
    public async Task A_job_is_replaced_only_at_the_revision_that_was_read_and_a_trial_changes_nothing()
    {
        await SaveAsync(Some.Job());
        var seen = await _jobs.FindStoredAsync(Hello, CancellationToken.None);
        var next = Some.Job() with { Command = "echo more" };

        Assert.Equal(
            seen.Revision, (await _jobs.ReplaceAsync(Hello, seen.Revision, next, isTrial: true, CancellationToken.None))!.Revision);
        Assert.Equal(seen, await _jobs.FindStoredAsync(Hello, CancellationToken.None) with { Job = seen.Job });
        var change = await _jobs.ReplaceAsync(Hello, seen.Revision, next, isTrial: false, CancellationToken.None);
        Assert.Equal(change!.Revision, (await _jobs.FindStoredAsync(Hello, CancellationToken.None)).Revision);
        Assert.Null(await _jobs.ReplaceAsync(Hello, seen.Revision, next, isTrial: false, CancellationToken.None));
        Assert.Null(await _jobs.ReplaceAsync(Hello, 0, next, isTrial: false, CancellationToken.None));
        Assert.Equal("echo hello", (await _jobs.FindAtAsync(Hello, seen.Revision, CancellationToken.None))!.Command);
    }

    [Fact]
    public async Task Jobs_that_would_run_each_other_forever_are_refused()
    {
        await SaveAsync(Some.Job("c"));
        await SaveAsync(Some.Job("b") with { OnFailure = ["c"] });
        await SaveAsync(Some.Job("a") with { Then = ["b"] });

        var cycle = await Assert.ThrowsAsync<FormatException>(() => SaveAsync(Some.Job("c") with { Always = ["a"] }));
        var itself = await Assert.ThrowsAsync<FormatException>(() => SaveAsync(Some.Job("d") with { Then = ["d"] }));

        Assert.Equal("then, onFailure or always lead back to the job itself (c > a > b > c); expected no cycle", cycle.Message);
        Assert.Equal("then, onFailure or always lead back to the job itself (d > d); expected no cycle", itself.Message);
    }

    [Fact]
    public async Task A_job_may_be_saved_before_its_dependents_and_the_save_that_closes_a_cycle_is_refused()
    {
        await SaveAsync(Some.Job("a") with { Then = ["b"] });
        await SaveAsync(Some.Job("b") with { Then = ["c"] });

        var cycle = await Assert.ThrowsAsync<FormatException>(() => SaveAsync(Some.Job("c") with { Always = ["a"] }));
        Assert.Equal("then, onFailure or always lead back to the job itself (c > a > b > c); expected no cycle", cycle.Message);

        await SaveAsync(Some.Job("c"));
        Assert.Equal(["a", "b", "c"], (await _jobs.ListAsync(CancellationToken.None)).Select(job => job.Name));
    }

    [Theory]
    [InlineData(2)]
    [InlineData(8)]
    public async Task Clients_that_save_different_jobs_with_dependents_at_once_all_succeed(int clients)
    {
        await SaveAsync(Some.Job("last"));

        await Task.WhenAll(Enumerable.Range(0, clients).Select(async client =>
        {
            for (var n = 0; n < 20; n++)
            {
                await SaveAsync(Some.Job($"first {client}") with { Command = $"echo {n}", Then = ["last", $"second {client}"] });
                await SaveAsync(Some.Job($"second {client}") with { Command = $"echo {n}", Then = ["last"] });
            }
        }));

        Assert.Equal(1 + (2 * clients), (await _jobs.ListAsync(CancellationToken.None)).Count);
    }

    [Fact]
    public async Task Of_concurrent_saves_that_would_close_a_cycle_one_is_refused()
    {
        for (var n = 0; n < 30; n++)
        {
            string[] names = [$"a{n}", $"b{n}", $"c{n}"];
            var saves = await Task.WhenAll(names.Select((name, i) =>
                Record.ExceptionAsync(() => SaveAsync(Some.Job(name) with { Then = [names[(i + 1) % names.Length]] })).AsTask()));

            Assert.IsType<FormatException>(Assert.Single(saves, failure => failure is not null));
        }
    }

    [Fact]
    public async Task A_cycle_through_many_jobs_is_found()
    {
        const int Jobs = 300;
        for (var n = Jobs; n > 1; n--)
        {
            await SaveAsync(Some.Job($"n{n}") with { Then = n == Jobs ? [] : [$"n{n + 1}"] });
        }

        await SaveAsync(Some.Job("n1") with { Then = ["n2"] });
        await Assert.ThrowsAsync<FormatException>(() => SaveAsync(Some.Job($"n{Jobs}") with { Then = ["n1"] }));
    }

    [Fact]
    public async Task A_job_whose_schedule_is_over_can_be_saved_again_and_only_with_that_schedule()
    {
        var over = Some.Job("once", "@at 2026-01-01T10:00:00Z");
        await Etcd.PutAsync(Keys.Job(JobName.Parse("once")), JobJson.ToJson(over));

        await SaveAsync(over with { Command = "echo more" });

        foreach (var (job, expr) in new[] { ("once", "@at 2026-01-01T09:00:00Z"), ("new", "@at 2026-01-01T10:00:00Z") })
        {
            var refused = await Assert.ThrowsAsync<FormatException>(() => SaveAsync(Some.Job(job, expr)));
            Assert.Equal($"cronExpr \"{expr}\" never fires from now on; expected an expression that does", refused.Message);
        }
    }

    [Fact]
    public async Task The_cursor_is_never_moved_back()
    {
        await SaveAsync(Some.Job());
        var ahead = new Cursor(_time.GetUtcNow().AddSeconds(1), "w1", "5f3", Cursor.Claimed).ToString();
        await Etcd.PutAsync(Keys.Fired(Hello), ahead);

        await SaveAsync(Some.Job(cronExpr: "*/2 * * * * *"));
        Assert.Equal(ahead, await ReadAsync(Keys.Fired(Hello)));

        await _jobs.DeleteAsync(Hello, CancellationToken.None);
        await SaveAsync(Some.Job());
        Assert.Equal(ahead, await ReadAsync(Keys.Fired(Hello)));
    }

    [Fact]
    public async Task A_save_gives_a_cursor_to_each_live_worker_that_runs_a_job_in_mode_all_from_then_on_and_to_no_other()
    {
        await RegisterAsync("w1", "eu");
        await RegisterAsync("w2", "us");
        var inEurope = new Target(Labels: new Dictionary<string, string> { ["zone"] = "eu" });
        var everywhere = Some.Job() with { Mode = JobMode.All, Target = inEurope };
        var moved = $"{Cursor.Text(_time.GetUtcNow())} master - moved";

        await SaveAsync(everywhere);
        Assert.Equal((moved, null), (await ReadAsync(Keys.Fired(Hello, "w1")), await ReadAsync(Keys.Fired(Hello, "w2"))));

        await RegisterAsync("w3", "eu"); // It has run nothing, and its own first claim decides where it begins.
        _time.Advance(TimeSpan.FromMinutes(10));
        await SaveAsync(everywhere with { Command = "echo more" });
        Assert.Equal((moved, null), (await ReadAsync(Keys.Fired(Hello, "w1")), await ReadAsync(Keys.Fired(Hello, "w3"))));

        await SaveAsync(everywhere with { Target = new Target() });
        moved = $"{Cursor.Text(_time.GetUtcNow())} master - moved"; // In mode all, other workers are another schedule.
        Assert.Equal((moved, moved), (await ReadAsync(Keys.Fired(Hello, "w1")), await ReadAsync(Keys.Fired(Hello, "w2"))));
    }

    [Fact]
    public async Task A_job_in_mode_all_that_is_deleted_while_no_worker_lives_leaves_no_plan_time_without_an_ending()
    {
        await SaveAsync(Some.Job(cronExpr: "* * * * *") with { Mode = JobMode.All });
        var saved = _time.GetUtcNow();
        await Etcd.PutAsync(Keys.Fired(Hello, "gone"), $"{Cursor.Text(saved.AddMinutes(2))} gone 7 claimed");
        _time.Advance(TimeSpan.FromMinutes(5));

        await _jobs.DeleteAsync(Hello, CancellationToken.None);

        var owed = Assert.Single(await Etcd.ListAsync(Keys.AllOwed));
        Assert.Contains($"\"count\":3", owed.Value.ToStringUtf8(), StringComparison.Ordinal);
        Assert.DoesNotContain('@', owed.Key.ToStringUtf8());
    }

    [Fact]
    public async Task A_job_in_mode_all_that_was_put_by_hand_and_has_no_cursor_is_deleted_and_owes_nothing()
    {
        await Etcd.PutAsync(Keys.Job(Hello), JobJson.ToJson(Some.Job(cronExpr: "* * * * *") with { Mode = JobMode.All }));
        _time.Advance(TimeSpan.FromMinutes(5));

        await _jobs.DeleteAsync(Hello, CancellationToken.None);

        Assert.Empty(await Etcd.ListAsync(Keys.AllOwed));
    }

    [Theory]
    [InlineData("")]
    [InlineData("written by hand, and not well")]
    public async Task A_cursor_that_cannot_be_read_is_put_right(string cursor)
    {
        await SaveAsync(Some.Job());
        await Etcd.PutAsync(Keys.Fired(Hello), cursor);

        await SaveAsync(Some.Job() with { Command = "echo more" });

        Assert.Equal($"{Cursor.Text(_time.GetUtcNow())} master - moved", await ReadAsync(Keys.Fired(Hello)));
    }

    [Fact]
    public async Task A_delete_returns_the_job_and_leaves_its_cursor()
    {
        await SaveAsync(Some.Job());
        var cursor = await ReadAsync(Keys.Fired(Hello));

        Assert.Equal("hello", (await _jobs.DeleteAsync(Hello, CancellationToken.None))!.Name);
        Assert.Null(await _jobs.DeleteAsync(Hello, CancellationToken.None));
        Assert.Null(await ReadAsync(Keys.Job(Hello)));
        Assert.Equal(cursor, await ReadAsync(Keys.Fired(Hello)));
    }

    [Fact]
    public async Task A_kill_request_stands_until_it_is_answered_when_something_is_in_flight()
    {
        await Etcd.PutAsync(Keys.Run(Hello, "20260105T000000Z"), "{}");

        await _jobs.Runs.KillAsync(Hello, KillRequest.All with { RunId = "20260105T000000Z" }, CancellationToken.None);

        var request = await Etcd.FindAsync(Keys.Killer(Hello, "20260105T000000Z"));
        Assert.Equal(("by request", 0L), (request!.Value.ToStringUtf8(), request.Lease));
    }

    [Fact]
    public async Task A_kill_request_stands_for_a_minute_when_nothing_is_in_flight()
    {
        await _jobs.Runs.KillAsync(Hello, KillRequest.All, CancellationToken.None);

        var request = await Etcd.FindAsync(Keys.Killer(Hello));
        Assert.Equal("", request!.Value.ToStringUtf8());
        var lease = await Server.RunCtlAsync("lease", "timetolive", new LeaseId(request.Lease).ToString());
        Assert.Contains("granted with TTL(60s)", lease, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Saves_at_once_share_requests_and_each_has_its_own_answer()
    {
        await SaveAsync(Some.Job());
        var read = await _jobs.FindStoredAsync(Hello, CancellationToken.None);
        var before = (await Etcd.PutAsync($"{Keys.Jobs}x", "x")).Header.Revision;

        var replaced = Task.WhenAll(Enumerable.Range(0, 5).Select(n => _jobs.ReplaceAsync(
            Hello, read.Revision, Some.Job() with { Command = $"{n}" }, isTrial: false, CancellationToken.None)));
        var saved = Task.WhenAll(Enumerable.Range(0, 60).Select(n => SaveAsync(Some.Job($"job-{n}") with { Command = $"{n}" })));
        var refused = Assert.ThrowsAsync<FormatException>(() => SaveAsync(Some.Job("over", "0 0 0 1 1 * 2020")));

        Assert.All(await saved, Assert.Null);
        await refused;
        var winner = Assert.Single((await replaced).OfType<JobChange>());
        Assert.Equal(winner.Next!.Command, (await _jobs.FindAsync(Hello, CancellationToken.None))!.Command);
        var all = (await _jobs.ListAsync(CancellationToken.None)).Where(job => job.Name != Hello.Value);
        Assert.Equal(Enumerable.Range(0, 60).Select(n => $"{n}").Order(), all.Select(job => job.Command).Order());
        Assert.InRange((await Etcd.PutAsync($"{Keys.Jobs}x", "x")).Header.Revision - before, 2, 20); // etcd counts requests that write.
    }

    [Fact]
    public async Task Changes_with_too_many_keys_to_share_a_request_are_written_at_once_as_well()
    {
        TxnRequest Change(int n) => Txn.All(Enumerable.Range(0, 120).Select(key => Txn.Put($"{Keys.AllFired}job-{n}/w{key}", "x")));

        var written = await Task.WhenAll(Enumerable.Range(0, 30).Select(n =>
            _jobs.Calls.WriteAsync(JobName.Parse($"job-{n}"), Change(n), [], CancellationToken.None)));

        Assert.All(written, revision => Assert.NotNull(revision));
    }

    [Fact]
    public async Task Saves_at_once_and_a_cursor_that_is_claimed_all_the_while_leave_neither_lost()
    {
        await SaveAsync(Some.Job());
        using var done = new CancellationTokenSource();
        var claims = 0;
        var claiming = Task.Run(async () =>
        {
            while (!done.IsCancellationRequested)
            {
                await Etcd.PutAsync(
                    Keys.Fired(Hello), new Cursor(_time.GetUtcNow().AddSeconds(++claims), "w1", "5f3", Cursor.Claimed).ToString());
                await Etcd.FindAsync(Keys.Job(Hello));
            }
        });

        var saves = await Task.WhenAll(
            Enumerable.Range(0, 5).Select(n => Record.ExceptionAsync(() => SaveAsync(Some.Job() with { Command = $"echo {n}" })).AsTask()));
        await done.CancelAsync();
        await claiming;

        Assert.All(saves, failure => Assert.True(failure is null or EtcdException { Error: EtcdError.Unavailable }, $"{failure}"));
        Assert.True(Cursor.TryParse((await ReadAsync(Keys.Fired(Hello)))!, out var cursor));
        Assert.Equal(_time.GetUtcNow().AddSeconds(claims), cursor.PlanTime);
    }

    private Task<Job?> SaveAsync(Job job) => _jobs.SaveAsync(job, CancellationToken.None);

    private async Task RegisterAsync(string id, string zone)
    {
        var labels = new Dictionary<string, string> { ["zone"] = zone };
        var worker = new WorkerRegistration("host", "10.0.0.1", "0", new ProcessIdentity("boot", 1, 1), 8, Some.Now, labels);
        await Etcd.PutAsync(Keys.Worker(id), JsonSerializer.Serialize(worker, JobsJson.Readable.WorkerRegistration));
    }

    private async Task CursorAfterAsync(Job before, Job after, bool stays)
    {
        await SaveAsync(before);
        var cursor = new Cursor(_time.GetUtcNow(), "w1", "5f3", Cursor.Claimed).ToString();
        await Etcd.PutAsync(Keys.Fired(Hello), cursor);
        _time.Advance(TimeSpan.FromMinutes(10));

        await SaveAsync(after);

        var (job, found) = (await Etcd.FindAsync(Keys.Job(Hello)), await Etcd.FindAsync(Keys.Fired(Hello)));
        Assert.Equal(stays ? cursor : $"{Cursor.Text(_time.GetUtcNow())} master - moved", found!.Value.ToStringUtf8());
        Assert.Equal(job!.ModRevision, found.ModRevision); // So it is never older than the job.
    }
}
