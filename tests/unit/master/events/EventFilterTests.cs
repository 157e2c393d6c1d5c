using Dts.Common.Jobs;
using Dts.Master.Events;
using Dts.Master.Views;
using Dts.Tests.Support;
using Xunit;

namespace Dts.Tests.Unit.Master.Events;

public sealed class EventFilterTests
{
    private static readonly JobFace Backup = new("backup", "pg_dump shop", "nightly", [new("team", "data")], "postgres");

    [Theory]
    [InlineData("",                            "Whole")]
    [InlineData("job:backup",                  "Whole")]
    [InlineData("job:other",                   "None")]
    [InlineData("DUMP",                        "Whole")]
    [InlineData("night -dump",                 "None")]
    [InlineData("label:team=data",             "Whole")]
    [InlineData("label:team=pay",              "None")]
    [InlineData("user:postgres worker:w1",     "Whole")]
    [InlineData("worker:w2|w3",                "None")]
    [InlineData("ending:failed|lost",          "Whole")]
    [InlineData("-ending:failed",              "None")]
    public void A_run_matches_by_its_job_its_worker_and_its_ending(string filter, string seen) =>
        Assert.Equal(seen, $"{Of(filter, new EventSubject(null, Backup, "w1", RunStatus.Failed))}");

    [Fact]
    public void A_run_that_has_not_ended_matches_no_ending() =>
        Assert.Equal(Sight.None, Of("ending:failed", new EventSubject(null, Backup, "w1")));

    [Fact]
    public void A_job_that_is_deleted_or_leaves_the_filter_is_reported_as_gone()
    {
        var moved = Backup with { Name = "backup", Command = "true" };

        Assert.Equal(Sight.Gone, Of("label:team=data", new EventSubject(Backup, null)));
        Assert.Equal(Sight.Gone, Of("pg_dump", new EventSubject(Backup, moved)));
        Assert.Equal(Sight.Whole, Of("pg_dump", new EventSubject(moved, Backup)));
        Assert.Equal(Sight.None, Of("nothing", new EventSubject(Backup, moved)));
    }

    [Fact]
    public void A_limited_caller_sees_no_jobs_outside_the_limit_and_is_told_when_one_leaves_it()
    {
        var scope = Filter.Parse("label:team=data -user:root", Some.Now);
        var foreign = Backup with { User = "root" };

        Sight See(string filter, EventSubject subject) => EventFilter.Read(Filter.Parse(filter, Some.Now), scope).Of(subject);

        Assert.Equal(Sight.Whole, See("", new EventSubject(null, Backup)));
        Assert.Equal(Sight.None, See("", new EventSubject(null, foreign)));
        Assert.Equal(Sight.None, See("job:backup", new EventSubject(foreign, foreign)));
        Assert.Equal(Sight.Gone, See("", new EventSubject(Backup, foreign)));
        Assert.Equal(Sight.None, See("job:other", new EventSubject(Backup, foreign)));
        Assert.Equal(Sight.Whole, See("", new EventSubject(null, null, "w1")));
    }

    [Fact]
    public void A_worker_matches_an_empty_filter_or_its_own_id()
    {
        var subject = new EventSubject(null, null, "w1");

        Assert.Equal(
            [Sight.Whole, Sight.Whole, Sight.None, Sight.None],
            new[] { "", "worker:w1", "worker:w2", "backup" }.Select(filter => Of(filter, subject)));
    }

    [Theory]
    [InlineData("state:failing")]
    [InlineData("next:<1h")]
    [InlineData("from:2h")]
    [InlineData("trigger:manual")]
    public void A_filter_by_a_state_that_changes_without_an_event_is_refused(string filter)
    {
        var wrong = Assert.Throws<FormatException>(() => Of(filter, EventSubject.Everyone));

        Assert.StartsWith($"filter has \"{filter}\", which does not apply to events", wrong.Message);
    }

    private static Sight Of(string filter, EventSubject subject) => EventFilter.Read(Filter.Parse(filter, Some.Now)).Of(subject);
}
