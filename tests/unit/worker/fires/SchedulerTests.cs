using System.Threading.Channels;
using Dts.Common.Jobs;
using Dts.Tests.Support;
using Dts.Worker.Commands;
using Dts.Worker.Fires;
using Dts.Worker.Watches;
using Xunit;

namespace Dts.Tests.Unit.Worker.Fires;

public sealed class SchedulerTests
{
    [Fact]
    public async Task A_rewritten_registration_sends_the_claimer_nothing_however_many_jobs_there_are()
    {
        var inbox = Channel.CreateUnbounded<ScheduleMessage>();
        var orders = Channel.CreateUnbounded<FireOrder>();
        using var alarm = new Alarm(_ => { });
        for (var n = 0; n < 100; n++)
        {
            var job = Some.Job($"job-{n}", "0 0 0 1 1 *") with { Target = new Target(["w2"]) };
            await inbox.Writer.WriteAsync(new ScheduleMessage.JobPut(JobName.Parse(job.Name), Some.Plan(job, 1), null));
        }

        for (var n = 0; n < 10; n++)
        {
            await inbox.Writer.WriteAsync(new ScheduleMessage.WorkerCame("w2", new Dictionary<string, string> { ["zone"] = "a" }));
        }

        inbox.Writer.Complete();
        await new Scheduler(
            "w1",
            new Roster("w1", new Dictionary<string, string>()),
            TimeSpan.FromSeconds(1),
            inbox.Reader,
            orders.Writer,
            alarm,
            _ => { },
            TimeProvider.System,
            new RecordedLog()).RunAsync();

        Assert.Single(await orders.Reader.ReadAllAsync().ToListAsync());
    }
}
