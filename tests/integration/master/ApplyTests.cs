using System.Net;
using Dts.Common.Cron;
using Dts.Common.Etcd;
using Dts.Common.Jobs;
using Dts.Master.Jobs;
using Dts.Tests.Support;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace Dts.Tests.Integration.Master;

public sealed class ApplyTests : EtcdTest, IClassFixture<EtcdServer>
{
    private readonly ManualTime _time = new();
    private readonly JobStore _jobs;
    private readonly JobSets _sets;

    public ApplyTests(EtcdServer server)
        : base(server)
    {
        _jobs = OpenJobs(Etcd);
        _sets = Open(Etcd);
    }

    [Fact]
    public async Task A_set_of_a_thousand_jobs_is_applied_in_any_order_of_dependents()
    {
        var random = Some.Random();
        var set = Enumerable.Range(0, 1000).Select(n => Some.Job($"j{n}") with { Then = n > 0 ? [$"j{random.Next(n)}"] : [] }).ToArray();
        random.Shuffle(set);

        var plan = await ApplyAsync(set);

        Assert.Equal((1000, 0), (plan.Count(JobChangeKind.Created), plan.Faults.Count));
        Assert.Equal(
            set.OrderBy(job => job.Name, StringComparer.Ordinal).Select(JobJson.ToJson), (await ListAsync()).Select(JobJson.ToJson));
        Assert.Equal(1000, (await ApplyAsync(set)).Count(JobChangeKind.Unchanged));
    }

    [Fact]
    public async Task A_set_with_a_fault_changes_nothing()
    {
        var plan = await ApplyAsync(Some.Job("a"), Some.Job("b", "nonsense"));

        Assert.Single(plan.Faults);
        Assert.Empty(await ListAsync());
    }

    [Fact]
    public async Task A_change_by_a_set_moves_cursor_and_history_as_a_save_does()
    {
        var job = Some.Job("both", "0 * * * * *");
        await ApplyAsync(job);
        await _jobs.SaveAsync(job with { Name = "saved" }, CancellationToken.None);
        _time.Advance(TimeSpan.FromMinutes(10));

        await ApplyAsync(job with { CronExpr = "30 * * * * *" });
        await _jobs.SaveAsync(job with { Name = "saved", CronExpr = "30 * * * * *" }, CancellationToken.None);

        Assert.Equal(await StateAsync("saved"), await StateAsync("both"));
        Assert.Contains("missed", await StateAsync("both"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_job_that_another_client_saves_meanwhile_is_planned_again()
    {
        var plans = 0;
        var plan = await _sets.ApplyAsync(
            stored =>
            {
                if (++plans == 1)
                {
                    _jobs.SaveAsync(Some.Job("a") with { Description = "theirs" }, CancellationToken.None).Wait();
                }

                return ApplyPlan.Make([new WantedJob("job 1", Some.Job("a") with { Command = "ours" })], stored, Rules());
            },
            CancellationToken.None);

        Assert.Equal((2, JobChangeKind.Changed), (plans, Assert.Single(plan.Deltas).Kind));
        Assert.Equal("ours", Assert.Single(await ListAsync()).Command);
    }

    [Fact]
    public async Task A_cycle_that_another_client_closes_meanwhile_is_refused()
    {
        await ApplyAsync(Some.Job("b"));
        var plans = 0;

        var plan = await _sets.ApplyAsync(
            stored =>
            {
                if (++plans == 1)
                {
                    _jobs.SaveAsync(Some.Job("b") with { Then = ["a"] }, CancellationToken.None).Wait();
                }

                return ApplyPlan.Make([new WantedJob("job 1", Some.Job("a") with { Then = ["b"] })], stored, Rules());
            },
            CancellationToken.None);

        Assert.Contains("lead back", Assert.Single(plan.Faults).Detail, StringComparison.Ordinal);
        Assert.Equal(["b"], (await ListAsync()).Select(job => job.Name));
    }

    [Fact]
    public async Task When_a_later_batch_is_refused_the_former_ones_are_put_back()
    {
        await ApplyAsync(Some.Job("j000"), Some.Job("kept"));
        await Etcd.PutAsync(Keys.Job(JobName.Parse("j070")), "not a job");
        var set = Enumerable.Range(0, 80).Select(n => new WantedJob("", Some.Job($"j{n:000}") with { Command = "new" })).ToList();

        var failure = await Assert.ThrowsAsync<ApplyInterruptedException>(() => _sets.ApplyAsync(
            stored =>
            {
                // The first plan knows nothing of j070, so its batch fails; the second plan has a fault.
                var known = stored.Jobs.Where(pair => pair.Key != "j070").ToDictionary();
                var plan = ApplyPlan.Make(set, stored with { Jobs = known }, Rules());
                return stored.Jobs.ContainsKey("j001") ? plan with { Faults = [new ApplyFault("job 71", "j070", "it is taken")] } : plan;
            },
            CancellationToken.None));

        Assert.Contains("it is taken; nothing has changed", failure.Message, StringComparison.Ordinal);
        Assert.True(failure.IsConflict);
        Assert.Empty(failure.Applied);
        Assert.Equal(70, failure.Undone.Count);
        Assert.Equal([("j000", "echo hello"), ("kept", "echo hello")], (await ListAsync()).Select(job => (job.Name, job.Command)));
    }

    [Fact]
    public async Task A_job_that_another_client_changes_after_its_batch_stays_as_that_client_left_it()
    {
        await Etcd.PutAsync(Keys.Job(JobName.Parse("j070")), "not a job");
        var set = Wanted(80);
        set[0] = new WantedJob("job 1", set[0].Job! with { Then = ["j001"] }); // So no job may be saved meanwhile.
        var plans = 0;

        var plan = await _sets.ApplyAsync(
            stored =>
            {
                if (++plans == 2)
                {
                    _jobs.SaveAsync(Some.Job("j001") with { Command = "theirs" }, CancellationToken.None).Wait();
                }

                return ApplyPlan.Make(set, plans == 1 ? Without(stored, "j070") : stored, Rules());
            },
            CancellationToken.None);

        Assert.Equal((3, 80), (plans, plan.Deltas.Count));
        var changed = Assert.Single(plan.Deltas, delta => delta.Warnings.Count > 0);
        Assert.Equal(("j001", "new"), (changed.Name.Value, changed.After!.Command));
        Assert.Contains("another client has changed the job", Assert.Single(changed.Warnings), StringComparison.Ordinal);
        var jobs = await ListAsync();
        Assert.Equal(80, jobs.Count);
        Assert.Equal("theirs", Assert.Single(jobs, job => job.Command != "new").Command);
    }

    [Fact]
    public async Task A_job_that_another_client_has_changed_is_left_out_of_the_undo()
    {
        await Etcd.PutAsync(Keys.Job(JobName.Parse("j070")), "not a job");
        var set = Wanted(80);
        var plans = 0;

        var failure = await Assert.ThrowsAsync<ApplyInterruptedException>(() => _sets.ApplyAsync(
            stored =>
            {
                if (++plans == 1)
                {
                    return ApplyPlan.Make(set, Without(stored, "j070"), Rules());
                }

                _jobs.SaveAsync(Some.Job("j001") with { Command = "theirs" }, CancellationToken.None).Wait();
                _jobs.DeleteAsync(JobName.Parse("j030"), CancellationToken.None).Wait();
                return ApplyPlan.Make(set, stored, Rules()) with { Faults = [new ApplyFault("job 71", "j070", "it is taken")] };
            },
            CancellationToken.None));

        Assert.Equal(["j001", "j030"], failure.Applied);
        Assert.Equal(68, failure.Undone.Count);
        Assert.Equal([("j001", "theirs")], (await ListAsync()).Select(job => (job.Name, job.Command)));
    }

    [Fact]
    public async Task If_etcd_goes_away_the_failure_names_the_written_jobs()
    {
        var proxy = Own(new CutProxy(new IPEndPoint(IPAddress.Loopback, Server.Endpoint.Port)));
        var sets = Open(await ConnectAsync(proxy.Endpoint));
        var set = Enumerable.Range(0, 2000).Select(n => new WantedJob("", Some.Job($"j{n:0000}"))).ToList();
        var applying = sets.ApplyAsync(stored => ApplyPlan.Make(set, stored, Rules()), CancellationToken.None);
        while ((await Etcd.ListAsync(Keys.Jobs)).Count == 0 && !applying.IsCompleted)
        {
        }

        proxy.Cut();
        var failure = await Record.ExceptionAsync(() => applying);

        if (failure is ApplyInterruptedException told)
        {
            var there = (await ListAsync()).Select(job => job.Name).ToHashSet();
            Assert.Equal(there, told.Applied.Concat(told.Uncertain).Where(there.Contains).ToHashSet());
            Assert.Empty(told.Applied.Except(there));
            Assert.Contains("Repeating the call is safe", told.Message, StringComparison.Ordinal);
        }
        else
        {
            Assert.Null(failure); // All had been written by then.
            Assert.Equal(2000, (await ListAsync()).Count);
        }

        Assert.Equal(2000, (await ApplyAsync([.. set.Select(job => job.Job!)])).Deltas.Count);
        Assert.Equal(2000, (await ListAsync()).Count);
    }

    private static List<WantedJob> Wanted(int count) =>
        [.. Enumerable.Range(0, count).Select(n => new WantedJob($"job {n + 1}", Some.Job($"j{n:000}") with { Command = "new" }))];

    private static StoredJobs Without(StoredJobs stored, string job) =>
        stored with { Jobs = stored.Jobs.Where(pair => pair.Key != job).ToDictionary() };

    private ApplyRules Rules() => new(CronZone.Utc, _time.GetUtcNow());

    private JobSets Open(EtcdClient etcd) => new(OpenJobs(etcd), etcd, Keys);

    private JobStore OpenJobs(EtcdClient etcd) => new(etcd, Keys, CronZone.Utc, _time, new ForeignValues(NullLogger.Instance));

    private Task<ApplyPlan> ApplyAsync(params Job[] set) => _sets.ApplyAsync(
        stored => ApplyPlan.Make([.. set.Select((job, i) => new WantedJob($"job {i + 1}", job))], stored, Rules()), CancellationToken.None);

    private Task<IReadOnlyList<Job>> ListAsync() => _jobs.ListAsync(CancellationToken.None);

    /// <summary>All that etcd has of a job but its definition.</summary>
    private async Task<string> StateAsync(string job)
    {
        var name = JobName.Parse(job);
        var cursor = await ReadAsync(Keys.Fired(name));
        var history = await ReadAsync(Keys.History(name));
        var owed = await Etcd.ListAsync($"{Keys.AllOwed}{job}/");
        return $"{cursor}\n{history}\n{string.Join('\n', owed.Select(pair => pair.Value.ToStringUtf8()))}";
    }
}
