using Dts.Common.Cron;
using Dts.Common.Etcd;
using Dts.Common.Jobs;
using Dts.Master.Logs;
using Dts.Master.Views;
using Google.Protobuf;

namespace Dts.Bench;

/// <summary>The memory of a master's view of the cluster.</summary>
internal static class ViewMemory
{
    /// <summary>What the view and the table of its watch hold; the texts of name, command and key are left out.</summary>
    public static double BytesPerJob(int jobs, int endings)
    {
        var keys = new Keys(Keys.DefaultPrefix);
        var before = GC.GetTotalMemory(forceFullCollection: true);
        var state = new ClusterState(keys, CronZone.Utc);
        var delivered = new Dictionary<ByteString, long>(); // As Watch has it.
        var (texts, now) = (0L, DateTimeOffset.UtcNow);
        for (var n = 0; n < jobs; n++)
        {
            var job = new Job($"hourly-{n}", $"/usr/local/bin/backup --number {n}", $"{n % 60} * * * *");
            var put = new KeyChange.Put(keys.Jobs + job.Name, n, n, default, ByteString.CopyFromUtf8(JobJson.ToJson(job)));
            delivered[ByteString.CopyFromUtf8(put.Key)] = n;
            state.ApplyJobs([put]);
            texts += (2 * (job.Name.Length + job.Command.Length)) + put.Key.Length;
        }

        while (state.EndingQueries.Next() is { } question)
        {
            var found = ((EndingQuery.Jobs)question).Names.SelectMany(job => Enumerable.Range(0, endings).Select(n => Ended(job, n)));
            state.Endings.Take(question, [.. found]);
        }

        var held = GC.GetTotalMemory(forceFullCollection: true) - before;
        GC.KeepAlive(state);
        GC.KeepAlive(delivered);
        return (double)(held - texts) / jobs;

        EndedRun Ended(string job, int n)
        {
            var ms = now.AddHours(n - endings).ToUnixTimeMilliseconds() / 1000 * 1000;
            var runId = RunId.Of(DateTimeOffset.FromUnixTimeMilliseconds(ms));
            return new EndedRun(job, runId, RunStatus.Succeeded, ms, ms + (n % 1000), ms + 60_000 + (n * 777), "worker-1", "");
        }
    }
}
