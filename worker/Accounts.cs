using System.Threading.Channels;
using Dts.Common;
using Dts.Common.Cron;
using Dts.Common.Etcd.Wire;
using Dts.Common.Jobs;
using Dts.Common.Logs;
using Microsoft.Extensions.Logging;

namespace Dts.Worker;

/// <summary>Sees to it that planned fires which did not become runs have their ending in the log, too.</summary>
internal sealed class Accounts(RecordWriter recorder, ChannelWriter<Ending> endings, CronZone defaultZone, TimeProvider time, ILogger log)
{
    /// <summary>Records a fire that this worker closed without a run, and what was missed before it.</summary>
    public async Task ClosedAsync(Job job, ClaimAnswer.Closed closed, Fire fire)
    {
        await MissedBeforeAsync(job, closed.Job, closed.OldCursor, fire.PlanTime);
        var (status, why) = closed.What == Cursor.Skipped
            ? (RunStatus.Skipped, "the previous run was still going")
            : (RunStatus.Missed, $"no worker could start it within {fire.Plan.StartDeadline.TotalSeconds:0} s");
        await RecordAsync(job, closed.Job.ModRevision, fire.PlanTime, status, why, count: 0);
    }

    /// <summary>Records what the schedule had between the cursor that was replaced and a fire: nobody claimed it.</summary>
    public async Task MissedBeforeAsync(Job job, KeyValue pair, KeyValue? oldCursor, DateTimeOffset planTime)
    {
        if (oldCursor is null
            || oldCursor.ModRevision < pair.ModRevision // Put by hand since: its past is unknown.
            || !Cursor.TryParse(oldCursor.Value.ToStringUtf8(), out var cursor)
            || !JobSchedule.TryParse(job, defaultZone, out var schedule, out _)
            || schedule.CountBetween(cursor.PlanTime, planTime) is not (> 0 and var count))
        {
            return;
        }

        var why = count == 1 ? "no worker claimed it" : $"no worker claimed them: {count} fires since {Cursor.Text(cursor.PlanTime)}";
        await RecordAsync(job, pair.ModRevision, schedule.Latest(planTime.AddSeconds(-1))!.Value, RunStatus.Missed, why, count);
    }

    private async Task RecordAsync(Job job, long jobRevision, DateTimeOffset planTime, RunStatus status, string why, long count)
    {
        log.NotRun(job.Name, Cursor.Text(planTime), status, why);
        var record = recorder.Closed(job, jobRevision, planTime, status, why, time.GetUtcNow());
        await endings.WriteAsync(new Ending(record with { MissedCount = count }, null));
    }
}
