using Dts.Common.Cron;
using Dts.Common.Jobs;
using Dts.Common.Logs;
using Dts.Worker.Fires;
using Xunit;

namespace Dts.Tests.Support;

/// <summary>Ordinary jobs, records and fires, for tests that care about something else.</summary>
internal static class Some
{
    public static readonly DateTimeOffset Now = new(2026, 11, 22, 10, 0, 0, TimeSpan.Zero);

    public static readonly Keys Keys = new(Keys.DefaultPrefix);

    public static Job Job(string name = "hello", string cronExpr = "* * * * * *") => new(name, "echo hello", cronExpr);

    public static JobPlan Plan(Job job, long revision)
    {
        Assert.True(JobSchedule.TryParse(job, CronZone.Utc, out var schedule, out var error), error);
        return JobPlan.Of(job, schedule, revision);
    }

    /// <summary>The record of a job's n-th run; there is one run a minute.</summary>
    public static RunRecord Record(int n, string job = "hello", RunStatus status = RunStatus.Succeeded, string output = "hello\n")
    {
        var planTime = Now.AddMinutes(n);
        var ms = planTime.ToUnixTimeMilliseconds();
        return new RunRecord(
            job, "echo hello", status == RunStatus.Succeeded ? "" : "went wrong", output, ms, ms - 1000, ms + 2, ms + 10,
            $"{job}/{RunId.Of(planTime)}", status, Worker: "w1", ExpireAt: planTime.AddDays(30));
    }

    /// <summary>Repeatable randomness: its seed is printed with the test's result.</summary>
    public static Random Random(int? seed = null)
    {
        var chosen = seed ?? System.Random.Shared.Next();
        TestContext.Current.TestOutputHelper?.WriteLine($"seed {chosen}");
        return new Random(chosen);
    }
}
