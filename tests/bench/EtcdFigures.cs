using System.Diagnostics;
using System.Globalization;
using Dts.Common.Cron;
using Dts.Common.Etcd;
using Dts.Common.Jobs;
using Dts.Worker.Fires;
using Dts.Worker.Sessions;
using Microsoft.Extensions.Logging.Abstractions;

namespace Dts.Bench;

/// <summary>
/// This process's CPU time for a put, and for a claim alone and among a hundred in a request, against an etcd that runs already.
/// </summary>
internal static class EtcdFigures
{
    private const int Rounds = 7;
    private const int Jobs = 2_000;
    private const int ClaimsInRequest = 100;

    private static readonly DateTimeOffset Start = new(2026, 11, 22, 10, 0, 0, TimeSpan.Zero);

    public static async Task RunAsync(string endpoint)
    {
        var keys = new Keys($"/bench-{Guid.NewGuid():N}/");
        var options = new EtcdOptions([new Uri($"http://{endpoint}")], TimeSpan.FromSeconds(10));
        using var etcd = new EtcdClient(options, TimeProvider.System, NullLogger.Instance);
        var ttl = TimeSpan.FromMinutes(10);
        var session = new Session(await etcd.GrantAsync(ttl), ttl, TimeProvider.System.GetTimestamp(), TimeProvider.System);
        await etcd.PutAsync(keys.Worker("w1"), "w1", session.Lease);
        var claims = new ClaimTxn(keys, "w1", session.Lease);
        var plans = await SaveAsync(etcd, keys);
        var second = 0;
        var (puts, single, batched) = (new List<double>(), new List<double>(), new List<double>());
        for (var round = 0; round < Rounds; round++)
        {
            puts.Add(await CpuMicrosecondsAsync(Jobs, inFlight: 1, n => etcd.PutAsync(keys.Lock("figure"), Text(n))));
            single.Add(await ClaimAsync(1, inFlight: 64));
            batched.Add(await ClaimAsync(ClaimsInRequest, inFlight: 4));
        }

        Console.WriteLine(string.Create(
            CultureInfo.InvariantCulture,
            $"CPU µs of a put {Median(puts):F1}, of a claim alone {Median(single):F1}, "
                + $"of one among {ClaimsInRequest} {Median(batched):F2}"));

        async Task<double> ClaimAsync(int inRequest, int inFlight)
        {
            var now = Start.AddSeconds(second++);
            var requests = plans.Chunk(inRequest).ToList();
            return await CpuMicrosecondsAsync(requests.Count, inFlight, async n =>
            {
                var request = claims.Around(requests[n].Select(job => claims.Claim(new Fire(job.Name, now, job.Plan, 0), now).Txn));
                var answer = await etcd.TxnAsync(request);
                var revision = answer.Header.Revision;
                if (!answer.Responses.All(claim => ClaimTxn.Read(claim.ResponseTxn, revision, session.Lease) is ClaimAnswer.Mine))
                {
                    throw new InvalidOperationException("a claim was not granted");
                }
            }) / inRequest;
        }
    }

    /// <summary>Puts the jobs with their cursors, as saves do.</summary>
    private static async Task<List<(JobName Name, JobPlan Plan)>> SaveAsync(EtcdClient etcd, Keys keys)
    {
        var plans = new List<(JobName, JobPlan)>();
        var schedule = new JobSchedule(CronExpression.Parse("* * * * * *"), CronZone.Utc);
        var cursor = new Cursor(Start.AddSeconds(-1), "master", "-", Cursor.Moved).ToString();
        for (var n = 0; n < Jobs; n++)
        {
            var job = new Job($"job-{n}", "echo hello", "* * * * * *") { Overlap = Overlap.Allow };
            var name = JobName.Parse(job.Name);
            var put = await etcd.TxnAsync(Txn.All([Txn.Put(keys.Job(name), JobJson.ToJson(job)), Txn.Put(keys.Fired(name), cursor)]));
            plans.Add((name, JobPlan.Of(job, schedule, put.Header.Revision)));
        }

        return plans;
    }

    private static async Task<double> CpuMicrosecondsAsync(int count, int inFlight, Func<int, Task> call)
    {
        using var process = Process.GetCurrentProcess();
        var before = process.TotalProcessorTime;
        var next = -1;
        await Task.WhenAll(Enumerable.Range(0, inFlight).Select(async _ =>
        {
            for (var n = Interlocked.Increment(ref next); n < count; n = Interlocked.Increment(ref next))
            {
                await call(n);
            }
        }));
        process.Refresh();
        return (process.TotalProcessorTime - before).TotalMicroseconds / count;
    }

    private static double Median(List<double> figures) => figures.Order().ElementAt(figures.Count / 2);

    private static string Text(int n) => n.ToString(CultureInfo.InvariantCulture);
}
