using System.Threading.Channels;
using Dts.Common.Cron;
using Dts.Common.Etcd;
using Dts.Common.Hosting;
using Dts.Common.Jobs;
using Dts.Tests.Support;
using Dts.Worker.Fires;
using Dts.Worker.Sessions;
using Dts.Worker.Watches;
using Etcdserverpb;
using Xunit;

namespace Dts.Tests.Integration.Worker;

public sealed class JobWatchTests(EtcdServer server) : EtcdTest(server), IClassFixture<EtcdServer>
{
    private static readonly DateTimeOffset Claimed = Some.Now.AddMinutes(-5);

    [Fact]
    public async Task A_worker_that_starts_knows_the_cursor_of_each_job()
    {
        // In the order of bytes a-b is between job a and the cursors that a has on each worker.
        List<Job> jobs = [Some.Job("a") with { Mode = JobMode.All }, Some.Job("a-b"), Some.Job("a-b-c") with { Mode = JobMode.All }];
        await PutAsync(jobs);
        await PutCursorAsync(Keys.Fired(JobName.Parse("a"), "w1"));
        await PutCursorAsync(Keys.Fired(JobName.Parse("a-b")));
        await PutCursorAsync(Keys.Fired(JobName.Parse("a-b-c"), "w1"));

        var puts = await ListAsync();

        Assert.Equal(jobs.Select(job => (job.Name, (DateTimeOffset?)Claimed)), puts.Select(put => (put.Name.Value, put.DecidedUntil)));
    }

    [Fact]
    public async Task A_table_of_many_jobs_comes_with_its_cursors_and_a_job_that_is_newer_than_its_cursor_has_none()
    {
        await PutCursorAsync(Keys.Fired(JobName.Parse("job-00007")));
        await PutAsync([.. Enumerable.Range(0, 12_000).Select(n => Some.Job($"job-{n:00000}"))]);
        await PutCursorAsync(Keys.Fired(JobName.Parse("job-00042")));
        await PutCursorAsync(Keys.Fired(JobName.Parse("job-11999")));

        var puts = await ListAsync();

        Assert.Equal(12_000, puts.Count);
        Assert.Equal(["job-00042", "job-11999"], puts.Where(put => put.DecidedUntil == Claimed).Select(put => put.Name.Value));
    }

    private async Task PutAsync(List<Job> jobs)
    {
        foreach (var some in jobs.Chunk(100))
        {
            await Etcd.TxnAsync(Txn.All(some.Select(job => Txn.Put(Keys.Job(JobName.Parse(job.Name)), JobJson.ToJson(job)))));
        }
    }

    private Task<PutResponse> PutCursorAsync(string key) =>
        Etcd.PutAsync(key, new Cursor(Claimed, "w2", "session", Cursor.Claimed).ToString());

    /// <summary>The jobs that a watch finds when it starts, in its order.</summary>
    private async Task<List<FireEvent.JobPut>> ListAsync()
    {
        var inbox = Channel.CreateBounded<FireEvent>(1024);
        using var clocks = new ClockCheck("w1", TimeProvider.System, Log);
        using var late = new CancellationTokenSource(Patience.Limit);
        using var stop = new CancellationTokenSource();
        var watch = new JobWatch(
            Etcd, Keys, "w1", CronZone.Utc, clocks, new OwnDrain(Log), inbox.Writer, Channel.CreateBounded<bool>(1).Writer, Log);
        var watching = watch.RunAsync(stop.Token);
        List<FireEvent.JobPut> puts = [];
        await foreach (var happened in inbox.Reader.ReadAllAsync(late.Token))
        {
            puts.AddRange((happened is FireEvent.Together(var events) ? events : [happened]).OfType<FireEvent.JobPut>());
            if (happened is FireEvent.JobsListed)
            {
                break;
            }
        }

        await stop.CancelAsync();
        await watching.WaitAsync(Patience.Limit);
        return puts;
    }
}
