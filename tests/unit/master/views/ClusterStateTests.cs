using Dts.Common.Jobs;
using Dts.Common.Metrics;
using Dts.Master.Views;
using Dts.Tests.Support;
using Xunit;

namespace Dts.Tests.Unit.Master.Views;

public sealed class ClusterStateTests
{
    private readonly SomeCluster _cluster = new();

    [Fact]
    public void The_record_of_a_run_that_left_etcd_is_read_a_second_later()
    {
        _cluster.Put(Some.Job("a"));
        _cluster.Load();
        var run = _cluster.Begin("a");
        Assert.Equal((1, JobState.Running), (_cluster.Row("a").Running, _cluster.Row("a").State));

        _cluster.End("a", run.Id);
        Assert.Equal(0, _cluster.Row("a").Running);
        Assert.Null(_cluster.State.EndingQueries.Next());

        Pass(seconds: 1);
        _cluster.Load(SomeCluster.Ended("a", RunStatus.Succeeded, run.PlanTime));

        Assert.Equal((run.Id, JobState.Well), (_cluster.Row("a").Last!.RunId, _cluster.Row("a").State));
        Pass(seconds: 100_000);
        Assert.Null(NextRuns());
    }

    [Fact]
    public void An_ending_without_a_run_is_read_when_its_key_is_deleted()
    {
        _cluster.Put(Some.Job("a"));
        _cluster.Load();
        _cluster.Owe("a", RunId.Of(Some.Now));

        Pass(seconds: 1);

        Assert.Equal([$"a/{RunId.Of(Some.Now)}"], NextRuns());
    }

    [Fact]
    public void A_late_record_is_looked_for_at_growing_intervals_for_a_day()
    {
        _cluster.Put(Some.Job("a"));
        _cluster.Load();
        _cluster.Owe("a", RunId.Of(Some.Now));

        var asked = new List<int>();
        for (var second = 1; second <= 100_000; second++)
        {
            Pass(seconds: 1);
            if (_cluster.State.EndingQueries.Next() is EndingQuery.Runs question)
            {
                asked.Add(second);
                _cluster.State.Endings.Take(question, []);
            }
        }

        Assert.Equal([1, 2, 4, 8, 16, 32, 64, 124, 184], asked.Take(9));
        Assert.InRange(asked[^1], 86_400, 86_460);
    }

    [Fact]
    public void No_query_waits_for_the_hour_by_which_the_clock_was_ahead()
    {
        _cluster.Put(Some.Job("a"));
        _cluster.Load();
        WhileAnHourAhead(() => _cluster.Owe("a", RunId.Of(Some.Now)));
        Pass(seconds: 1);
        EndingQuery question = Assert.IsType<EndingQuery.Runs>(_cluster.State.EndingQueries.Next());

        WhileAnHourAhead(() => _cluster.State.EndingQueries.PutBack(question));
        question = Assert.IsType<EndingQuery.Runs>(_cluster.State.EndingQueries.Next());

        WhileAnHourAhead(() => _cluster.State.Endings.Take(question, []));
        Assert.Null(NextRuns());
        Pass(seconds: 1);
        Assert.Equal([$"a/{RunId.Of(Some.Now)}"], NextRuns());
    }

    [Fact]
    public void The_oldest_awaited_record_is_told_by_the_clock_as_it_is_now()
    {
        _cluster.Put(Some.Job("a"));
        Assert.Null(_cluster.State.EndingQueries.OldestAwaited(_cluster.Now));
        WhileAnHourAhead(() => _cluster.Owe("a", RunId.Of(Some.Now)));
        Pass(seconds: 5);
        _cluster.Owe("a", RunId.Of(Some.Now.AddSeconds(5)));

        Assert.Equal(Some.Now, _cluster.State.EndingQueries.OldestAwaited(_cluster.Now));
        WhileAnHourAhead(() => Assert.Equal(Some.Now.AddHours(1), _cluster.State.EndingQueries.OldestAwaited(_cluster.Now)));
        Pass(seconds: 3595); // Records of runs that ended an hour ago hold up nothing any more.
        Assert.Equal(Some.Now.AddSeconds(5), _cluster.State.EndingQueries.OldestAwaited(_cluster.Now));
    }

    [Fact]
    public void A_lost_run_is_read_again_until_its_true_ending_is_there()
    {
        _cluster.Put(Some.Job("a"));
        _cluster.Load();
        var run = _cluster.Begin("a");
        _cluster.End("a", run.Id);
        Pass(seconds: 1);
        Answer(SomeCluster.Ended("a", RunStatus.Lost, run.PlanTime.AddSeconds(1)) with { RunId = run.Id });
        Assert.Equal(JobState.Failing, _cluster.Row("a").State);

        Pass(seconds: 60);
        var truth = SomeCluster.Ended("a", RunStatus.Succeeded, run.PlanTime);
        Answer(truth); // It is not the newest, so the job is loaded.
        Answer(truth);

        Assert.Equal((JobState.Well, 1), (_cluster.Row("a").State, _cluster.Row("a").Endings!.Count));
        Pass(seconds: 100);
        Assert.Null(NextRuns());
    }

    [Fact]
    public void A_record_that_arrives_late_is_sorted_in()
    {
        _cluster.Put(Some.Job("a"));
        var ended = _cluster.Ended("a", RunStatus.Failed, RunStatus.Succeeded);
        _cluster.Load(ended[1]);
        _cluster.Owe("a", ended[0].RunId);
        Pass(seconds: 1);
        Answer(ended[0]);
        Answer(ended);

        Assert.Equal(["Failed", "Succeeded"], _cluster.Row("a").Endings!.Select(ending => $"{ending.Ending}"));
        Assert.Equal(JobState.Well, _cluster.Row("a").State);
    }

    [Fact]
    public void A_record_that_is_known_already_changes_nothing()
    {
        _cluster.Put(Some.Job("a"));
        var ended = _cluster.Ended("a", RunStatus.Succeeded, RunStatus.Failed);
        _cluster.Load(ended);
        _cluster.Owe("a", ended[0].RunId);
        _cluster.Owe("a", ended[1].RunId);
        Pass(seconds: 1);
        Answer(ended);

        Assert.Equal(2, _cluster.Row("a").Endings!.Count);
        Pass(seconds: 300);
        Assert.Null(_cluster.State.EndingQueries.Next());
    }

    [Fact]
    public void A_query_without_an_answer_is_sent_again()
    {
        _cluster.Put(Some.Job("a"));
        var question = _cluster.State.EndingQueries.Next()!;
        Assert.Null(_cluster.State.EndingQueries.Next());

        _cluster.State.EndingQueries.PutBack(question);

        Assert.Equal(["a"], Assert.IsType<EndingQuery.Jobs>(_cluster.State.EndingQueries.Next()).Names);
    }

    [Fact]
    public void A_failed_query_is_sent_again_for_fewer_jobs_until_one_is_answered()
    {
        _cluster.Put([.. Enumerable.Range(0, 300).Select(n => Some.Job($"job-{n:D3}"))]);
        var sizes = new List<int>();
        for (var n = 0; n < 10; n++)
        {
            var question = (EndingQuery.Jobs)_cluster.State.EndingQueries.Next()!;
            sizes.Add(question.Names.Count);
            if (n < 7)
            {
                _cluster.State.EndingQueries.PutBack(question);
            }
            else
            {
                _cluster.State.Endings.Take(question, []);
            }
        }

        Assert.Equal([100, 50, 25, 12, 6, 3, 1, 1, 2, 4], sizes);
    }

    [Fact]
    public void Questions_are_bounded_and_runs_and_jobs_take_turns()
    {
        _cluster.Put([.. Enumerable.Range(0, 250).Select(n => Some.Job($"job-{n:D3}"))]);
        for (var n = 0; n < 700; n++)
        {
            _cluster.Owe("job-000", RunId.Of(Some.Now.AddSeconds(n)));
        }

        Pass(seconds: 1);
        var sizes = new List<int>();
        while (_cluster.State.EndingQueries.Next() is { } question)
        {
            sizes.Add(question is EndingQuery.Runs(var runs) ? runs.Count : ((EndingQuery.Jobs)question).Names.Count);
        }

        Assert.Equal([500, 100, 200, 100, 50], sizes);
    }

    [Fact]
    public void Jobs_are_loaded_also_while_runs_end_all_the_time()
    {
        _cluster.Put(Some.Job("a"), Some.Job("b"));
        var loaded = false;
        for (var n = 0; n < 3; n++)
        {
            _cluster.Owe("a", RunId.Of(Some.Now.AddSeconds(n)));
            Pass(seconds: 1);
            loaded |= _cluster.State.EndingQueries.Next() is EndingQuery.Jobs;
        }

        Assert.True(loaded);
    }

    [Fact]
    public void A_question_that_cannot_be_answered_is_split_until_one_job_is_to_blame_and_all_others_are_answered()
    {
        _cluster.Put([.. Enumerable.Range(0, 250).Select(n => Some.Job($"job-{n:D3}"))]);
        var (blamed, failures) = (new List<string?>(), 0);
        while (_cluster.State.EndingQueries.Next() is { } question)
        {
            if (((EndingQuery.Jobs)question).Names.Contains("job-123"))
            {
                failures++;
                blamed.Add(_cluster.State.EndingQueries.Split(question));
            }
            else
            {
                _cluster.State.Endings.Take(question, []);
            }
        }

        Assert.Equal(["job-123"], blamed.OfType<string>());
        Assert.InRange(failures, 1, 9);
        Assert.Equal(["job-123"], _cluster.List("state:unknown").Jobs.Select(job => job.Name));
    }

    [Fact]
    public void Runs_with_unreadable_records_are_not_read_again_and_their_jobs_are_loaded()
    {
        _cluster.Put(Some.Job("a"));
        _cluster.Load();
        _cluster.Owe("a", RunId.Of(Some.Now));
        Pass(seconds: 1);

        Assert.Null(_cluster.State.EndingQueries.Split(_cluster.State.EndingQueries.Next()!));

        Assert.Equal(["a"], Assert.IsType<EndingQuery.Jobs>(_cluster.State.EndingQueries.Next()).Names);
        Pass(seconds: 100);
        Assert.Null(_cluster.State.EndingQueries.Next());
    }

    [Fact]
    public void Every_job_is_loaded_again_within_an_hour()
    {
        _cluster.Put([.. Enumerable.Range(0, 90).Select(n => Some.Job($"job-{n:D2}"))]);
        _cluster.Load();
        var loaded = new List<string>();
        for (var second = 0; second <= 3600; second++)
        {
            _cluster.State.Tick(_cluster.Now);
            if (_cluster.State.EndingQueries.Next() is EndingQuery.Jobs question)
            {
                loaded.AddRange(question.Names);
            }

            Pass(seconds: 1);
        }

        Assert.Equal(90, loaded.Distinct().Count());
        Assert.InRange(loaded.Count, 89, 91);
    }

    [Fact]
    public void A_kill_request_after_the_claim_shows_on_the_run()
    {
        _cluster.Put(Some.Job("a"));
        _cluster.AskKill("a");
        _cluster.Begin("a");
        Assert.False(Assert.Single(_cluster.State.Runs.List()).IsKillAsked);

        _cluster.AskKill("a");

        Assert.True(Assert.Single(_cluster.State.Runs.List()).IsKillAsked);
    }

    [Fact]
    public void A_run_that_is_in_flight_is_not_queued_any_more()
    {
        _cluster.Put(Some.Job("a"));
        var queued = _cluster.Queue("a");
        _cluster.Begin("a");

        Assert.Equal(["", "w1"], _cluster.State.Runs.List().Select(run => run.Worker).Order());
        Assert.Equal(queued.Id, Assert.Single(_cluster.State.Runs.QueuedOf("a")).RunId);
        Assert.Equal((1, 1), (_cluster.Row("a").Running, _cluster.Row("a").Queued));
    }

    [Fact]
    public void A_worker_that_left_stays_visible_for_a_day()
    {
        _cluster.Register("w1");
        _cluster.Register("w2", refuses: "clock is off");
        _cluster.Put(Some.Job("a"));
        _cluster.Begin("a", "w1");
        _cluster.Register("w3");
        _cluster.Leave("w3");

        Assert.Equal(
            [("w1", "live", 1, null), ("w2", "refusing", 0, null), ("w3", "left", 0, (DateTime?)Some.Now.UtcDateTime)],
            WorkerRow.List(_cluster.State).Select(worker => (worker.Id, worker.State, worker.Running, worker.LeftAt)));

        Pass(seconds: 86_401);
        _cluster.State.Tick(_cluster.Now);
        Assert.Equal(["w1", "w2"], WorkerRow.List(_cluster.State).Select(worker => worker.Id));
    }

    [Fact]
    public void A_drained_worker_is_draining_until_its_last_run_has_ended_and_needs_no_attention()
    {
        _cluster.Put(Some.Job("a"));
        var run = _cluster.Begin("a", "w1");
        _cluster.Register("w1", refuses: "its clock is off", drain: "by mara at noon");
        Assert.Equal("draining", WorkerRow.Find(_cluster.State, "w1")!.State);

        _cluster.End("a", run.Id);

        Assert.Equal("drained", WorkerRow.Find(_cluster.State, "w1")!.State);
        Assert.Empty(NowPage.Of(_cluster.State, _cluster.Now).Workers);
    }

    [Fact]
    public void A_workers_start_lag_is_the_upper_bound_of_its_bucket()
    {
        var counts = new long[Bounds.Lag.Length + 1];
        (counts[0], counts[1], counts[5]) = (90, 9, 1);
        _cluster.Register("w1", figures: new WorkerFigures(new Dictionary<string, long>(), Lag: new Counted(counts, 1), Spool: 7));
        _cluster.Register("w2");

        var row = WorkerRow.Find(_cluster.State, "w1")!;
        Assert.Equal(new WorkerLag(1, 2.5), row.Lag);
        Assert.Equal(7L, row.Spool);
        Assert.Null(WorkerRow.Find(_cluster.State, "w2")!.Lag);
    }

    [Fact]
    public void Now_names_the_jobs_that_need_attention_and_why()
    {
        _cluster.Put(Some.Job("failed", "0 3 * * *"), Some.Job("missed", "0 3 * * *"), Some.Job("lost", "0 3 * * *"));
        _cluster.Put(Some.Job("slow", "10 * * * *"), Some.Job("brisk", "20 * * * *"), Some.Job("well", "5 * * * *"));
        _cluster.Put(Some.Job("broken", "x"));
        _cluster.Put(Some.Job("paused", "0 3 * * *") with { Enabled = false });
        _cluster.Load([
            .. _cluster.Ended("failed", RunStatus.Failed), .. _cluster.Ended("missed", RunStatus.Missed, RunStatus.Skipped),
            .. _cluster.Ended("lost", RunStatus.Lost), .. _cluster.Ended("paused", RunStatus.Failed),
            .. new[] { "slow", "brisk" }.Select(job => SomeCluster.Ended(job, RunStatus.Succeeded, Some.Now.AddHours(-1), seconds: 20)),
            .. _cluster.Ended("well", RunStatus.Succeeded)]);
        _cluster.Begin("slow", secondsAgo: 61);
        _cluster.Begin("brisk", secondsAgo: 59);
        _cluster.Queue("well");
        _cluster.Register("w1", slots: 4);
        _cluster.Register("w2");
        _cluster.Leave("w2");

        var now = NowPage.Of(_cluster.State, _cluster.Now);

        Assert.Equal(
            ["lost: lost", "failed: failed", "missed: missed", "broken: broken", "slow: slow"],
            now.NeedsYou.Select(needy => $"{needy.Job.Name}: {needy.Reason}"));
        Assert.Equal(20_000, now.NeedsYou[^1].Slow!.UsualMs);
        Assert.Equal(["slow", "brisk"], now.Running.Select(run => run.JobName));
        Assert.Equal(["well", "slow", "brisk"], now.Next.Select(fire => fire.JobName));
        Assert.Equal(["w2"], now.Workers.Select(worker => worker.Id));
        Assert.Equal(
            new NowCounts(
                Jobs: 8, NeedsYou: 5, Failing: 3, Broken: 1, Paused: 1, Unknown: 0, Muted: 0, Running: 2, Queued: 1, Workers: 1,
                Slots: 4),
            now.Counts);
    }

    [Fact]
    public void Now_leaves_out_muted_jobs_and_counts_them_and_the_list_says_so()
    {
        _cluster.Put(Some.Job("failed", "0 3 * * *"), Some.Job("quiet", "0 3 * * *"), Some.Job("well", "5 * * * *"));
        _cluster.Load([
            .. _cluster.Ended("failed", RunStatus.Failed), .. _cluster.Ended("quiet", RunStatus.Failed),
            .. _cluster.Ended("well", RunStatus.Succeeded)]);

        var now = NowPage.Of(_cluster.State, _cluster.Now, isMuted: job => job.Name != "failed");
        var list = new JobListQuery(Filter.Parse("", _cluster.Now), JobOrder.Find("name")!, null, 10)
            .Of(_cluster.State, _cluster.Now, job => job.Name == "quiet");

        Assert.Equal(["failed"], now.NeedsYou.Select(needy => needy.Job.Name));
        Assert.Equal((1, 1, 2), (now.Counts.NeedsYou, now.Counts.Muted, now.Counts.Failing)); // One that is well is not counted as muted.
        Assert.Equal(["failed False", "quiet True", "well False"], list.Jobs.Select(job => $"{job.Name} {job.IsMuted}"));
    }

    private void WhileAnHourAhead(Action happens)
    {
        _cluster.Time.Step(TimeSpan.FromHours(1));
        happens();
        _cluster.Time.Step(TimeSpan.FromHours(-1));
    }

    private void Pass(double seconds) => _cluster.Now = _cluster.Now.AddSeconds(seconds);

    private IEnumerable<string>? NextRuns() =>
        (_cluster.State.EndingQueries.Next() as EndingQuery.Runs)?.Awaited.Select(run => run.RecordId);

    private void Answer(params Dts.Master.Logs.EndedRun[] runs) =>
        _cluster.State.Endings.Take(_cluster.State.EndingQueries.Next()!, runs);
}
