using System.Diagnostics;
using Dts.Common.Cron;
using Dts.Common.Etcd;
using Dts.Common.Jobs;
using Dts.Worker.Fires;

namespace Dts.Bench;

/// <summary>What a worker's loops cost as their tables grow.</summary>
internal static class GrowthFigures
{
    private const int Jobs = 300_000;
    private const int Registrations = 20;

    private static readonly JobSchedule Yearly = new(CronExpression.Parse("@yearly"), CronZone.Utc);

    public static Task RunAsync()
    {
        Console.WriteLine(
            $"a registration that says nothing new, {Jobs:N0} jobs, half of them for its worker: {RegistrationMs():F4} ms of the loop");
        foreach (var fires in new[] { 10_000, 40_000 })
        {
            Console.WriteLine($"a round of {fires:N0} new fires beside {fires:N0} that abstained: {RoundMs(fires):F0} ms of the loop");
        }

        return Task.CompletedTask;
    }

    private static double RegistrationMs()
    {
        var fires = Make(DateTimeOffset.UtcNow);
        var moment = new Moment(DateTimeOffset.UtcNow, null, TimeSpan.Zero, MayClaim: true);
        for (var n = 0; n < Jobs; n++)
        {
            var job = new Job($"job-{n}", "true", "@yearly") { Target = n % 2 == 0 ? new Target() : new Target(["w2"]) };
            fires.Take(new FireEvent.JobPut(JobName.Parse(job.Name), JobPlan.Of(job, Yearly, 1), null), moment);
        }

        var joined = new FireEvent.WorkerJoined("w2", new Dictionary<string, string>());
        fires.Take(joined, moment);
        var started = Stopwatch.GetTimestamp();
        for (var n = 0; n < Registrations; n++)
        {
            fires.Take(joined, moment);
        }

        return Stopwatch.GetElapsedTime(started).TotalMilliseconds / Registrations;
    }

    /// <summary>All slots are taken from the beginning, so that what is tried abstains.</summary>
    private static double RoundMs(int count)
    {
        var now = DateTimeOffset.UtcNow;
        var fires = Make(now, slots: 0);
        var moment = new Moment(now, new LeaseId(1), TimeSpan.FromSeconds(10), MayClaim: true);
        AddAll(fires, "old", count, moment);
        AddAll(fires, "new", count, moment with { Now = now.AddMilliseconds(1) });
        var started = Stopwatch.GetTimestamp();
        fires.Take(new FireEvent.Tick(), moment with { Now = now.AddMilliseconds(260) });
        return Stopwatch.GetElapsedTime(started).TotalMilliseconds;
    }

    private static Fires Make(DateTimeOffset now, int slots = 100) =>
        new(new FireContext("w1", new Keys(Keys.DefaultPrefix), CronZone.Utc, TimeSpan.FromSeconds(1), slots, now),
            new Dictionary<string, string>());

    private static void AddAll(Fires fires, string name, int count, Moment moment)
    {
        var plan = JobPlan.Of(new Job("job", "true", "@yearly"), Yearly, 1);
        for (var n = 0; n < count; n++)
        {
            fires.Take(new FireEvent.Due(new Fire(JobName.Parse($"{name}-{n}"), moment.Now, plan, rank: 0)), moment);
        }
    }
}
