using System.Diagnostics;
using Dts.Common.Jobs;
using Dts.Tests.Support;
using Dts.Worker.Fires;
using Google.Protobuf;
using Xunit;

namespace Dts.Tests.Unit.Worker.Fires;

public sealed class BacklogTests
{
    [Theory]
    // Every ten seconds, the cursor a minute back, the start deadline 35 s: which run after all, and how many are missed with which last
    // one.
    [InlineData(Misfire.Skip, "",            5, 50)]
    [InlineData(Misfire.Once, "50",          4, 40)]
    [InlineData(Misfire.All,  "50 40 30",    2, 20)]
    public void The_misfire_policy_says_what_becomes_of_the_fires_of_an_outage(Misfire misfire, string again, long missed, int last)
    {
        var job = Some.Job(cronExpr: "*/10 * * * * *") with { Misfire = misfire, StartDeadlineSeconds = 35 };

        var backlog = Find(job, before: Some.Now.AddSeconds(60), now: Some.Now.AddSeconds(60));

        Assert.Equal(again, string.Join(' ', backlog.Again.Select(run => (run.PlanTime - Some.Now).TotalSeconds)));
        Assert.All(backlog.Again, run => Assert.Equal(RunSpec.Misfire, run.Trigger));
        var found = backlog.Missed!;
        Assert.Equal((missed, Some.Now.AddSeconds(last), Some.Now), (found.Count, found.Run.PlanTime, found.Since));
    }

    [Theory]
    // A run of that plan time may still end, if etcd was restored to a time before it: its record replaces the one with its id.
    [InlineData(20, "20261122T100010Z")]
    [InlineData(60, "20261122T100050Z-missed-5")]
    public void The_ending_of_several_plan_times_has_an_id_that_no_run_has(int seconds, string id)
    {
        var ending = Find(Some.Job(cronExpr: "*/10 * * * * *"), before: Some.Now.AddSeconds(seconds), now: Some.Now.AddSeconds(seconds))
            .Missed!;

        Assert.Equal(id, ending.Run.Id);
        Assert.True(RunId.TryParse(id, out var parts));
        Assert.Equal(ending.Run.PlanTime, parts.PlanTime);
    }

    [Fact]
    public void Where_nothing_lies_between_nothing_is_owed()
    {
        var backlog = Find(Some.Job(cronExpr: "*/10 * * * * *"), before: Some.Now.AddSeconds(10), now: Some.Now.AddSeconds(10));

        Assert.Null(backlog.Missed);
        Assert.Empty(backlog.Again);
    }

    [Fact]
    public void The_fires_that_run_after_all_are_a_hundred_at_the_most()
    {
        var backlog = Find(
            Some.Job() with { Misfire = Misfire.All, StartDeadlineSeconds = 3600 },
            before: Some.Now.AddSeconds(1000),
            now: Some.Now.AddSeconds(1000));

        Assert.Equal(Backlog.AgainMax, backlog.Again.Count);
        Assert.Equal(999 - Backlog.AgainMax, backlog.Missed!.Count);
    }

    [Theory]
    [InlineData(Misfire.Skip)]
    [InlineData(Misfire.All)]
    public void A_week_of_a_fire_a_second_is_dealt_with_at_once_in_one_ending(Misfire misfire)
    {
        var week = TimeSpan.FromDays(7);
        var job = Some.Job() with { Misfire = misfire };
        Find(job, Some.Now + week, Some.Now + week);

        var best = TimeSpan.MaxValue;
        for (var tries = 0; tries < 5; tries++)
        {
            var bytes = GC.GetAllocatedBytesForCurrentThread();
            var begun = Stopwatch.GetTimestamp();
            var backlog = Find(job, Some.Now + week, Some.Now + week);
            var took = Stopwatch.GetElapsedTime(begun);
            best = took < best ? took : best;

            Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - bytes, 0, 100_000);
            Assert.Equal((long)week.TotalSeconds - 1, backlog.Missed!.Count + backlog.Again.Count);
        }

        // Walking the seconds would take as much memory, or much longer.
        Assert.True(best < TimeSpan.FromSeconds(1), $"{best}");
    }

    private static Backlog Find(Job job, DateTimeOffset before, DateTimeOffset now) => Backlog.Find(
        new Fire(JobName.Parse("hello"), before, Some.Plan(job, 1), 0),
        ByteString.CopyFromUtf8("cursor"),
        (Some.Now, before),
        now,
        (run, count) => OwedEnding.Missed("w1", "5f3", run, "", now, count, Some.Now));
}
