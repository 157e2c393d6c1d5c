using System.Diagnostics;
using Dts.Common.Cron;
using Dts.Common.Jobs;
using Dts.Master.Jobs;
using Dts.Tests.Support;
using Xunit;

namespace Dts.Tests.Unit.Master;

public sealed class ScheduleLoadTests
{
    private static readonly DateTimeOffset T = Some.Now; // 10:00 UTC.
    private static readonly TimeSpan Quarter = TimeSpan.FromMinutes(15);
    private static readonly TimeSpan Minute = TimeSpan.FromMinutes(1);

    [Fact]
    public void Fires_of_any_schedule_are_counted_by_step()
    {
        var load = Of(
            Quarter,
            T.AddHours(1),
            Some.Job("a", "*/10 * * * *"),    // 10:00 10:10 | 10:20 | 10:30 10:40 | 10:50
            Some.Job("b", "*/10 * * * *"),
            Some.Job("c", "*/20 * * * * *"),  // three a minute
            Some.Job("d", "@every 7m"),       // counted from the epoch
            Some.Job("e", "0 0 1 1 *"));      // never in this span

        var every = Enumerable.Range(0, 3600).Count(second => (T.ToUnixTimeSeconds() + second) % 420 == 0);
        Assert.Equal(5, load.Jobs);
        Assert.Equal(12 + 180 + every, load.Total);
        Assert.Equal([4 + 45, 2 + 45, 4 + 45, 2 + 45], load.Fires.Select((fires, i) => fires - Every(i)));
        Assert.Equal((T, T.AddHours(1), 900), (load.From, load.To, load.StepSeconds));

        static int Every(int quarter) =>
            Enumerable.Range(quarter * 900, 900).Count(second => (T.ToUnixTimeSeconds() + second) % 420 == 0);
    }

    [Fact]
    public void Each_minute_has_as_many_fires_as_the_schedules_have_times_in_it()
    {
        var random = Some.Random();
        string[] expressions =
            ["H * * * *", "H/7 * * * *", "*/5 3-20 * * *", "0,30 0 12 * * *", "15 */7 * * * *", "@every 13s", "30 2 * * *"];
        Job[] jobs =
        [
            .. Enumerable.Range(0, 40).Select(n => Some.Job($"job-{n}", expressions[random.Next(expressions.Length)]) with
            {
                TimeZone = random.Next(2) == 0 ? "" : "Europe/Berlin",
            }),
        ];
        // With the night in which Berlin's clocks go back.
        var from = new DateTimeOffset(2026, 10, 24, 12, 0, 0, TimeSpan.Zero);

        var load = ScheduleLoad.Of(SchedulesOf(jobs), from, from.AddDays(1), Minute);

        var expected = new long[1440];
        foreach (var job in jobs)
        {
            Assert.True(JobSchedule.TryParse(job, CronZone.Utc, out var schedule, out _));
            for (var at = schedule.Next(from.AddTicks(-1)); at < from.AddDays(1); at = schedule.Next(at.Value))
            {
                expected[(int)(at.Value - from).TotalMinutes]++;
            }
        }

        Assert.Equal(expected, load.Fires);
    }

    [Fact]
    public void Without_jobs_nothing_is_planned()
    {
        var load = Of(Quarter, T.AddHours(1));

        Assert.Equal((0, 0L, null), (load.Jobs, load.Total, load.Busiest));
        Assert.Equal([0, 0, 0, 0], load.Fires);
    }

    [Fact]
    public void The_busiest_and_the_quietest_times_are_named_and_of_equal_ones_those_far_from_others_first()
    {
        var load = Of(Minute, T.AddDays(1), Some.Job("a", "0 * * * *"), Some.Job("b", "0 * * * *"), Some.Job("c", "*/30 * * * *"));

        Assert.Equal(new TimeLoad(T, 3), load.Busiest);
        Assert.Equal(10, load.QuietestMinutes.Count);
        Assert.All(load.QuietestMinutes, quiet => Assert.Equal(0, quiet.Fires));
        Assert.All(load.QuietestMinutes, quiet => Assert.InRange(quiet.Minute % 30, 8, 22));
        Assert.All(load.QuietestTimes, quiet => Assert.InRange(quiet.At.Minute % 30, 8, 22));
    }

    [Fact]
    public void A_span_begins_with_its_minute_and_ends_with_its_last_step()
    {
        var load = Of(Quarter, T.AddMinutes(16), Some.Job("a", "* * * * *"));

        Assert.Equal([15, 15], load.Fires);
        Assert.Equal(T.AddMinutes(30), load.To);
    }

    [Fact]
    public void Ten_thousand_jobs_are_counted_in_one_answer_and_the_test_prints_how_long_it_took()
    {
        string[] expressions =
            ["H H * * *", "H * * * *", "H/5 * * * *", "{0} * * * *", "{0} {1} * * *", "*/5 * * * *", "{0} */2 * * 1-5"];
        var jobs = Enumerable.Range(0, 10_000).Select(n => Some.Job(
            $"job-{n}",
            expressions[n % expressions.Length]
                .Replace("{0}", $"{n % 60}", StringComparison.Ordinal)
                .Replace("{1}", $"{n % 24}", StringComparison.Ordinal))).ToList();
        var schedules = SchedulesOf(jobs);
        var watch = Stopwatch.StartNew();

        var load = ScheduleLoad.Of(schedules, T, T.AddDays(1), Minute);

        TestContext.Current.TestOutputHelper?.WriteLine($"{load.Total} fires of {load.Jobs} jobs in {watch.ElapsedMilliseconds} ms");
        Assert.Equal(10_000, load.Jobs);
    }

    private static ScheduleLoad Of(TimeSpan step, DateTimeOffset to, params Job[] jobs) =>
        ScheduleLoad.Of(SchedulesOf(jobs), T, to, step);

    /// <summary>As the view has them: jobs of equal texts share one, except those with H.</summary>
    private static List<(JobSchedule Schedule, int Jobs)> SchedulesOf(IEnumerable<Job> jobs) =>
    [
        .. jobs
            .Select(job => (Job: job, Schedule: Parse(job)))
            .GroupBy(pair => (pair.Job.CronExpr, pair.Job.TimeZone, pair.Schedule.Expression.DependsOnHashKey ? pair.Job.Name : ""))
            .Select(same => (same.First().Schedule, same.Count())),
    ];

    private static JobSchedule Parse(Job job)
    {
        Assert.True(JobSchedule.TryParse(job, CronZone.Utc, out var schedule, out var error), error);
        return schedule;
    }
}
