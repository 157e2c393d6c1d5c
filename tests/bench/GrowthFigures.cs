using System.Diagnostics;
using Dts.Common.Cron;
using Dts.Common.Etcd;
using Dts.Common.Jobs;
using Dts.Worker.Fires;

namespace Dts.Bench;

/// <summary>What a worker's loop costs as its tables grow. <c>make bench ARGS=growth</c></summary>
internal static class GrowthFigures
{
    private const int Registrations = 20;
    private const string Notes =
        """
        The time of the loop that decides about fires (`Fires`), in this process. Another worker's registration that says nothing new should
        cost the same however many jobs there are, and a round should grow as its fires do.
        """;

    private static readonly JobSchedule Yearly = new(CronExpression.Parse("@yearly"), CronZone.Utc);

    public static async Task<Findings> MeasureAsync(Effort effort)
    {
        var (jobs, fewJobs) = (effort.Of(300_000, 3_000), effort.Of(30_000, 300));
        var (fires, fewFires) = (effort.Of(40_000, 400), effort.Of(10_000, 100));
        var times = await Callers.TakeTurnsAsync(
            effort.Rounds,
            () => Task.FromResult(RegistrationMs(fewJobs)),
            () => Task.FromResult(RegistrationMs(jobs)),
            () => Task.FromResult(RoundMs(fewFires)),
            () => Task.FromResult(RoundMs(fires)));
        Series[] ms = [.. times.Select(way => Series.Of(way))];
        return new Findings(
            [
                new Figure($"a registration beside {jobs:N0} jobs, half of them its worker's, ms", ms[1])
                    .Beside($"{fewJobs:N0} jobs", ms[0]),
                new Figure($"a round of {fires:N0} new fires beside as many that abstained, ms", ms[3])
                    .Beside($"{fewFires:N0} fires", ms[2]),
            ],
            Notes);
    }

    private static double RegistrationMs(int jobs)
    {
        var fires = Make(DateTimeOffset.UtcNow);
        var moment = new Moment(DateTimeOffset.UtcNow, null, TimeSpan.Zero, MayClaim: true);
        for (var n = 0; n < jobs; n++)
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
