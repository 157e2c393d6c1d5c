using System.Diagnostics;
using System.Globalization;
using Quartz;

namespace Dts.Bench;

/// <summary>Quartz.NET, which keeps its jobs in memory and runs in this process.</summary>
internal sealed class QuartzStarter : IStarter
{
    private readonly IScheduler _scheduler;
    private readonly string _folder;
    private int _rounds;

    private QuartzStarter(IScheduler scheduler, string folder) => (_scheduler, _folder) = (scheduler, folder);

    public string Name => "Quartz.NET";

    public int AheadMs(int atOnce) => 500;

    public static async Task<QuartzStarter> OpenAsync(string folder)
    {
        var scheduler = await QuartzSchedulerBuilder
            .Create(quartz => quartz.UseDefaultThreadPool(maxConcurrency: 1000).UseInMemoryStore())
            .BuildScheduler();
        await scheduler.Start();
        return new QuartzStarter(scheduler, folder);
    }

    public async Task<Lags> StartAsync(int atOnce, long from, int seconds)
    {
        var clock = new ClockFile(Path.Combine(_folder, $"quartz-{_rounds++}"));
        for (var n = 0; n < atOnce; n++)
        {
            await _scheduler.ScheduleJob(
                JobBuilder.Create<ShellJob>().WithIdentity($"job-{n}").UsingJobData(ShellJob.Command, clock.Command).Build(),
                TriggerBuilder.Create().WithIdentity($"job-{n}").WithCronSchedule("* * * * * ?").Build());
        }

        var lags = await clock.ReadSoonAsync(from, from + (seconds * 1000), atOnce * seconds);
        await _scheduler.Clear();
        return lags;
    }

    public async ValueTask DisposeAsync() => await _scheduler.Shutdown(waitForJobsToComplete: true);

    internal sealed class ShellJob : IJob
    {
        public const string Command = "command";

        public async ValueTask Execute(IJobExecutionContext context, CancellationToken cancellationToken = default)
        {
            var start = new ProcessStartInfo("/bin/bash", ["-c", context.MergedJobDataMap.GetString(Command)!]);
            start.Environment[ClockFile.PlanVariable] = context.ScheduledFireTimeUtc!.Value
                .ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", CultureInfo.InvariantCulture);
            using var bash = Process.Start(start)!;
            await bash.WaitForExitAsync(cancellationToken);
        }
    }
}
