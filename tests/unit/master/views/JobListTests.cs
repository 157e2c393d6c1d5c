using Dts.Common.Jobs;
using Dts.Master.Views;
using Dts.Tests.Support;
using Xunit;

namespace Dts.Tests.Unit.Master.Views;

public sealed class JobListTests
{
    private readonly SomeCluster _cluster = new();

    [Fact]
    public void A_row_has_the_state_of_a_job_and_its_next_plan_time()
    {
        _cluster.Put(Some.Job("backup", "0 3 * * *") with
        {
            Description = "nightly", TimeZone = "Europe/Berlin", Labels = new Dictionary<string, string> { ["team"] = "db" },
        });
        _cluster.Load([
            .. _cluster.Ended(
                "backup", RunStatus.Succeeded, RunStatus.Succeeded, RunStatus.Succeeded, RunStatus.Missed, RunStatus.Failed)]);

        var row = _cluster.Row("backup");

        Assert.Equal(("backup", "nightly", true, "0 3 * * *", "Europe/Berlin"),
            (row.Name, row.Description, row.Enabled, row.CronExpr, row.TimeZone));
        Assert.Equal("at 03:00 every day, Europe/Berlin time", row.Words);
        Assert.Equal("db", row.Labels["team"]);
        Assert.Equal((JobState.Failing, 2, 2000L), (row.State, row.Streak, row.UsualMs));
        Assert.Equal(new DateTime(2026, 11, 23, 2, 0, 0, DateTimeKind.Utc), row.Next);
        Assert.Equal(
            new LastRun(
                RunId.Of(Some.Now.AddMinutes(-1)), RunStatus.Failed, Some.Now.AddMinutes(-1).UtcDateTime,
                Some.Now.AddMinutes(-1).UtcDateTime, 5000, "w1", "went wrong", "the last line"),
            row.Last);
        Assert.Equal(
            [(RunStatus.Succeeded, 1000L), (RunStatus.Succeeded, 2000L), (RunStatus.Succeeded, 3000L), (RunStatus.Missed, null),
                (RunStatus.Failed, (long?)5000L)],
            row.Endings!.Select(ending => (ending.Ending, ending.DurationMs)));
    }

    [Fact]
    public void Endings_that_have_not_been_read_are_shown_as_unknown()
    {
        _cluster.Put(Some.Job("a"));

        var row = _cluster.Row("a");

        Assert.Equal((JobState.Unknown, null, null, null, null), (row.State, row.Last, row.Streak, row.Endings, row.UsualMs));
        _cluster.Load();
        Assert.Equal((JobState.New, 0, 0), (_cluster.Row("a").State, _cluster.Row("a").Streak, _cluster.Row("a").Endings!.Count));
    }

    [Fact]
    public void A_state_is_the_first_that_is_true()
    {
        _cluster.Put(Some.Job("broken", "61 * * * *") with { Enabled = false });
        _cluster.PutRaw("damaged", "no JSON");
        _cluster.PutRaw("renamed", JobJson.ToJson(Some.Job("other")));
        _cluster.Put(Some.Job("paused") with { Enabled = false }, Some.Job("failing"), Some.Job("running"), Some.Job("queued"));
        _cluster.Put(Some.Job("new"), Some.Job("well"));
        _cluster.Load([
            .. _cluster.Ended("paused", RunStatus.Failed),
            .. _cluster.Ended("failing", RunStatus.Failed, RunStatus.Skipped, RunStatus.Cancelled),
            .. _cluster.Ended("well", RunStatus.Failed, RunStatus.Succeeded, RunStatus.Skipped)]);
        foreach (var job in new[] { "failing", "running", "queued" })
        {
            _cluster.Queue(job);
        }

        _cluster.Begin("failing");
        _cluster.Begin("running");

        Assert.Equal(
            ["broken Broken", "damaged Broken", "failing Failing", "new New", "paused Paused", "queued Queued", "renamed Broken",
                "running Running", "well Well"],
            _cluster.List().Jobs.Select(job => $"{job.Name} {job.State}"));
        Assert.Contains("61", _cluster.Row("broken").Why);
        Assert.Contains("not JSON", _cluster.Row("damaged").Why);
        Assert.Equal((1, 1, 1), (_cluster.Row("failing").Running, _cluster.Row("failing").Queued, _cluster.Row("failing").Streak));
    }

    [Theory]
    [InlineData("",                             "a b c d")]
    [InlineData("BACK",                         "a b")]
    [InlineData("rsync",                        "b")]
    [InlineData("nightly",                      "c")]
    [InlineData("rsync backup",                 "b")]
    [InlineData("-back",                        "c d")]
    [InlineData("label:team",                   "a c")]
    [InlineData("label:team=pay",               "a")]
    [InlineData("-label:team=pay label:team",   "c")]
    [InlineData("state:failing",                "b")]
    [InlineData("state:paused",                 "d")]
    [InlineData("state:running",                "b c")]
    [InlineData("state:paused|failing",         "b d")]
    [InlineData("ending:failed",                "b")]
    [InlineData("worker:w1",                    "b c")]
    [InlineData("worker:w2",                    "a b")]
    [InlineData("next:<1h",                     "a c")]
    [InlineData("next:>1h",                     "b")]
    [InlineData("next:none",                    "d")]
    [InlineData("user:deploy",                  "c")]
    [InlineData("from:3m",                      "b")]
    [InlineData("to:3m",                        "a")]
    [InlineData("job:a|d",                      "a d")]
    public void A_filter_leaves_the_jobs_that_match(string filter, string names)
    {
        _cluster.Put(
            Some.Job("a", "* * * * *") with { Command = "back up", Labels = new Dictionary<string, string> { ["team"] = "pay" } },
            Some.Job("b", "0 3 * * *") with { Command = "rsync a backup" },
            Some.Job("c", "*/5 * * * *") with
            {
                Description = "Nightly", User = "deploy", Labels = new Dictionary<string, string> { ["team"] = "db" },
            },
            Some.Job("d") with { Enabled = false });
        _cluster.Load(
            SomeCluster.Ended("a", RunStatus.Succeeded, Some.Now.AddMinutes(-9), worker: "w2"),
            SomeCluster.Ended("b", RunStatus.Failed, Some.Now.AddMinutes(-1), worker: "w2"));
        _cluster.Begin("b");
        _cluster.Begin("c");
        if (filter == "BACK")
        {
            _cluster.Put(Some.Job("a") with { Command = "Backup" });
        }

        var page = _cluster.List(filter);

        Assert.Equal(names, string.Join(' ', page.Jobs.Select(job => job.Name)));
        Assert.Equal(page.Jobs.Count, page.Total);
    }

    [Fact]
    public void Labels_with_any_letters_stay_those_of_their_job()
    {
        _cluster.Put(Some.Job("a") with { Labels = new Dictionary<string, string> { ["team"] = "x\0env\0prod" } });
        _cluster.Put(Some.Job("b") with { Labels = new Dictionary<string, string> { ["team"] = "x", ["env"] = "prod" } });
        _cluster.Put(Some.Job("c") with { Labels = new Dictionary<string, string> { ["team"] = "x", ["env"] = "prod" } });

        Assert.Equal("b c", string.Join(' ', _cluster.List("label:env=prod").Jobs.Select(job => job.Name)));
        Assert.Equal(["team"], _cluster.Row("a").Labels.Keys);
    }

    [Fact]
    public void A_word_for_runs_is_refused()
    {
        var refused = Assert.Throws<FormatException>(() => Filter.Parse("a trigger:manual", Some.Now).ThrowIfNotOfJobs());

        Assert.Equal(
            "filter has \"trigger:manual\", which does not apply to jobs: only runs have it", refused.Message);
    }

    [Theory]
    [InlineData("name",   "a b c d e")]
    [InlineData("-name",  "e d c b a")]
    [InlineData("next",   "b a c d e")]
    [InlineData("-next",  "c a b d e")]
    [InlineData("last",   "c a b d e")]
    [InlineData("-last",  "b a c d e")]
    [InlineData("state",  "c e a b d")]
    [InlineData("-state", "d a b e c")]
    public void Pages_in_any_order_follow_each_other(string sort, string names)
    {
        _cluster.Put(Some.Job("a", "30 * * * *"), Some.Job("b", "* * * * *"), Some.Job("c", "0 0 1 1 *"));
        _cluster.Put(Some.Job("d") with { Enabled = false }, Some.Job("e", "@at 2026-01-01"));
        _cluster.Load(
            SomeCluster.Ended("a", RunStatus.Succeeded, Some.Now.AddMinutes(-5)),
            SomeCluster.Ended("b", RunStatus.Succeeded, Some.Now.AddMinutes(-4)),
            SomeCluster.Ended("c", RunStatus.Failed, Some.Now.AddMinutes(-6)));

        for (var limit = 1; limit <= 6; limit++)
        {
            var (found, after) = (new List<string>(), (string?)null);
            do
            {
                var page = _cluster.List(sort: sort, limit: limit, after: after);
                Assert.Equal(5, page.Total);
                found.AddRange(page.Jobs.Select(job => job.Name));
                after = page.Next;
            }
            while (after is not null);

            Assert.Equal(names, string.Join(' ', found));
        }
    }

    [Theory]
    [InlineData("name",  "a b", "d e f")]
    [InlineData("-name", "f e", "c b a0 a")]
    public void A_cursor_survives_the_jobs_around_it(string sort, string first, string second)
    {
        _cluster.Put([.. "abcdef".Select(letter => Some.Job($"{letter}"))]);
        var page = _cluster.List(sort: sort, limit: 2);
        Assert.Equal(first, string.Join(' ', page.Jobs.Select(job => job.Name)));

        _cluster.Delete(page.Jobs[^1].Name);
        _cluster.Delete(sort == "name" ? "c" : "d");
        _cluster.Put(Some.Job("a0"));

        Assert.Equal(second, string.Join(' ', _cluster.List(sort: sort, after: page.Next).Jobs.Select(job => job.Name)));
    }

    [Theory]
    [InlineData("")]
    [InlineData("nonsense")]
    [InlineData("bmFtZSAwIA")] // "name 0 "
    [InlineData("bmFtZSAtMSBh")] // "name -1 a"
    public void A_text_that_is_not_a_cursor_is_refused(string text) => Assert.Null(JobCursor.Parse(text, JobOrder.Find("name")!));

    [Fact]
    public void A_cursor_of_another_order_is_none() =>
        Assert.Null(JobCursor.Parse(new JobCursor("next", 1, "a").ToString(), JobOrder.Find("name")!));

    [Fact]
    public void Next_times_move_on_with_the_clock_and_back_with_it()
    {
        _cluster.Put(Some.Job("a", "30 * * * *"));
        Assert.Equal(Some.Now.AddMinutes(30).UtcDateTime, _cluster.Row("a").Next);

        _cluster.State.Tick(_cluster.Now);
        _cluster.Now = Some.Now.AddMinutes(30);
        _cluster.State.Tick(_cluster.Now);
        Assert.Equal(Some.Now.AddMinutes(90).UtcDateTime, _cluster.Row("a").Next);

        _cluster.Now = Some.Now;
        _cluster.State.Tick(_cluster.Now);
        Assert.Equal(Some.Now.AddMinutes(30).UtcDateTime, _cluster.Row("a").Next);
    }
}
