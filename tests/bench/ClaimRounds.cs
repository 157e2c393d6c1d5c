using Dts.Common.Cron;
using Dts.Common.Etcd;
using Dts.Common.Jobs;
using Dts.Worker.Fires;
using Etcdserverpb;

namespace Dts.Bench;

/// <summary>Claims that start nothing, locks as the original program took them, and plain puts, by one client of an etcd.</summary>
internal sealed class ClaimRounds
{
    private const int ClaimsInRequest = 60; // As ClaimQueue sends them, …
    private const int RequestsInFlight = 4; // … and as many requests at once.
    private const int PutsInTxn = 100; // etcd takes 128.
    private const string WorkerId = "w1";

    private static readonly TimeSpan LeaseTtl = TimeSpan.FromMinutes(10);
    private static readonly TimeSpan LockTtl = TimeSpan.FromSeconds(5); // The original's.
    private static readonly DateTimeOffset Start = new(2026, 11, 22, 10, 0, 0, TimeSpan.Zero);
    private static readonly Keys Keys = new(Keys.DefaultPrefix);

    private readonly EtcdClient _etcd;
    private readonly LeaseId _lease;
    private readonly IReadOnlyList<(JobName Name, JobPlan Plan)> _jobs;
    private readonly ClaimTxn _claims;
    private int _second;

    private ClaimRounds(EtcdClient etcd, LeaseId lease, IReadOnlyList<(JobName Name, JobPlan Plan)> jobs)
    {
        (_etcd, _lease, _jobs) = (etcd, lease, jobs);
        _claims = new ClaimTxn(Keys, WorkerId, lease);
    }

    /// <summary>Registers a worker, and puts jobs with their cursors as saves do.</summary>
    public static async Task<ClaimRounds> PrepareAsync(EtcdClient etcd, int jobs)
    {
        var lease = await etcd.GrantAsync(LeaseTtl);
        await etcd.PutAsync(Keys.Worker(WorkerId), WorkerId, lease);
        var schedule = new JobSchedule(CronExpression.Parse("* * * * * *"), CronZone.Utc);
        var cursor = new Cursor(Start.AddSeconds(-1), "master", "-", Cursor.Moved).ToString();
        var plans = new List<(JobName, JobPlan)>();
        foreach (var numbers in Enumerable.Range(0, jobs).Chunk(PutsInTxn / 2))
        {
            List<Job> some = [.. numbers.Select(n => new Job($"job-{n}", "echo hello", "* * * * * *"))];
            var put = await etcd.TxnAsync(Txn.All(some.SelectMany(PutsOf)));
            plans.AddRange(some.Select(job => (JobName.Parse(job.Name), JobPlan.Of(job, schedule, put.Header.Revision))));
        }

        return new ClaimRounds(etcd, lease, plans);

        IEnumerable<RequestOp> PutsOf(Job job)
        {
            var name = JobName.Parse(job.Name);
            return [Txn.Put(Keys.Job(name), JobJson.ToJson(job)), Txn.Put(Keys.Fired(name), cursor)];
        }
    }

    /// <summary>Claims the next fire of each job, and deletes the runs that this has put.</summary>
    /// <remarks>Not with one request: after a single large one, etcd 3.4 is slow.</remarks>
    public async Task<Pace> ClaimAsync()
    {
        var now = Start.AddSeconds(_second++);
        var requests = _jobs.Chunk(ClaimsInRequest).ToList();
        var pace = await Callers.RunAsync(RequestsInFlight, requests.Count, async n =>
        {
            var request = _claims.Around(requests[n].Select(job => _claims.Claim(new Fire(job.Name, now, job.Plan, 0), now).Txn));
            var answer = await _etcd.TxnAsync(request);
            if (!answer.Responses.All(claim => ClaimTxn.Read(claim.ResponseTxn, answer.Header.Revision, _lease) is ClaimAnswer.Mine))
            {
                throw new InvalidOperationException("a claim was not granted");
            }
        });
        await Callers.RunAsync(RequestsInFlight, requests.Count, n => _etcd.TxnAsync(
            Txn.All(requests[n].Select(job => Txn.Delete(Keys.Run(job.Name, RunSpec.Scheduled(now).Id))))));
        return pace.Times((double)_jobs.Count / requests.Count);
    }

    /// <summary>One fire as the original program locked it: a lease, a key with it, and the lease revoked.</summary>
    /// <remarks>The original also sent a keep-alive, which is left out in its favour.</remarks>
    public async Task LockAsync(int n)
    {
        var lease = await _etcd.GrantAsync(LockTtl);
        var key = Keys.Lock($"job-{n}");
        await _etcd.TxnAsync(Txn.If(Txn.Missing(key)).Then(Txn.Put(key, "", lease)).Else(Txn.Get(key)));
        await _etcd.CallAsync(
            new LeaseRevokeRequest { ID = lease.Value },
            static (etcd, revoke, call) => etcd.LeaseClient.LeaseRevokeAsync(revoke, call).ResponseAsync,
            repeatable: true,
            CancellationToken.None);
    }

    public Task PutAsync(int n) => _etcd.PutAsync($"/puts/{n % 1000}", "about as long as a cursor, which names time and worker");
}
