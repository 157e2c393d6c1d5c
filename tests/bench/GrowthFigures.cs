using System.Diagnostics;
using System.Threading.Channels;
using Dts.Common.Cron;
using Dts.Common.Jobs;
using Dts.Worker.Commands;
using Dts.Worker.Fires;
using Dts.Worker.Watches;
using Microsoft.Extensions.Logging.Abstractions;

namespace Dts.Bench;

/// <summary>What a worker's loops cost as their tables grow.</summary>
internal static class GrowthFigures
{
    private const int Jobs = 300_000;
    private const int Registrations = 20;

    private static readonly JobSchedule Yearly = new(CronExpression.Parse("@yearly"), CronZone.Utc);

    public static async Task RunAsync()
    {
        Console.WriteLine(
            $"a registration that says nothing new, {Jobs:N0} jobs, half of them for its worker: "
                + $"{await RegistrationMsAsync():F2} ms of the scheduler's loop");
        foreach (var fires in new[] { 10_000, 40_000 })
        {
            Console.WriteLine(
                $"a round of {fires:N0} new fires beside {fires:N0} that abstained: {RoundMs(fires):F0} ms of the claimer's loop");
        }
    }

    private static async Task<double> RegistrationMsAsync()
    {
        var inbox = Channel.CreateUnbounded<ScheduleMessage>();
        var orders = Channel.CreateUnbounded<FireOrder>();
        using var alarm = new Alarm(_ => { });
        for (var n = 0; n < Jobs; n++)
        {
            var job = new Job($"job-{n}", "true", "@yearly") { Target = n % 2 == 0 ? new Target() : new Target(["w2"]) };
            await inbox.Writer.WriteAsync(new ScheduleMessage.JobPut(JobName.Parse(job.Name), JobPlan.Of(job, Yearly, 1), null));
        }

        var came = new ScheduleMessage.WorkerCame("w2", new Dictionary<string, string>());
        await inbox.Writer.WriteAsync(came);
        var ready = new TaskCompletionSource<long>();
        await inbox.Writer.WriteAsync(new ScheduleMessage.JobsListed());
        for (var n = 0; n < Registrations; n++)
        {
            await inbox.Writer.WriteAsync(came);
        }

        inbox.Writer.Complete();
        await new Scheduler(
            "w1", new Roster("w1", new Dictionary<string, string>()), TimeSpan.FromSeconds(1), inbox.Reader, orders.Writer, alarm,
            _ => ready.SetResult(Stopwatch.GetTimestamp()), TimeProvider.System, NullLogger.Instance).RunAsync();
        return Stopwatch.GetElapsedTime(await ready.Task).TotalMilliseconds / Registrations;
    }

    private static double RoundMs(int fires)
    {
        var pending = new PendingFires(TimeSpan.FromSeconds(1), TimeProvider.System);
        AddAll(pending, "old", fires);
        foreach (var fire in pending.TakeDue(0))
        {
            pending.Abstain(fire, TimeSpan.FromMinutes(5));
        }

        AddAll(pending, "new", fires);
        var started = Stopwatch.GetTimestamp();
        pending.TakeDue(0);
        return Stopwatch.GetElapsedTime(started).TotalMilliseconds;
    }

    private static void AddAll(PendingFires pending, string name, int fires)
    {
        var plan = JobPlan.Of(new Job("job", "true", "@yearly"), Yearly, 1);
        for (var n = 0; n < fires; n++)
        {
            pending.Add(new Fire(JobName.Parse($"{name}-{n}"), DateTimeOffset.UtcNow, plan, rank: 0));
        }
    }
}
