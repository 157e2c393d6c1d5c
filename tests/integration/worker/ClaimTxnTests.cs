using System.Text.Json;
using Dts.Common.Etcd;
using Dts.Common.Jobs;
using Dts.Tests.Support;
using Dts.Worker.Fires;
using Dts.Worker.Sessions;
using Xunit;

namespace Dts.Tests.Integration.Worker;

public sealed class ClaimTxnTests(EtcdServer server) : EtcdTest(server), IClassFixture<EtcdServer>
{
    private static readonly DateTimeOffset P = Some.Now;
    private static readonly DateTimeOffset Ahead = P.AddSeconds(-1);

    [Fact]
    public async Task A_claim_moves_the_cursor_puts_the_run_and_brings_the_job()
    {
        var worker = await RegisterAsync("w1");
        var fire = await PutJobAsync(Some.Job());

        var mine = Assert.IsType<ClaimAnswer.Mine>(await worker.ClaimAsync(fire, Ahead));

        Assert.Equal((fire.Plan.Revision, worker.Session.Lease), (mine.Job.ModRevision, mine.Session));
        Assert.True(JobJson.TryParse(mine.Job.Value.Memory, out var job, out _));
        Assert.Equal("echo hello", job.Command);
        Assert.Equal(
            new Cursor(P, "w1", worker.Session.Lease.ToString(), Cursor.Claimed).ToString(), await ReadAsync(Keys.Fired(fire.Name)));
        var run = (await Etcd.FindAsync(Keys.Run(fire.Name, "20261122T100000Z")))!;
        Assert.Equal((mine.Revision, 0L), (run.ModRevision, run.Lease));
        Assert.Equal(
            new ClaimedRun("w1", worker.Session.Lease.ToString(), Ahead, RunSpec.Scheduled(P)),
            JsonSerializer.Deserialize(run.Value.Span, JobsJson.Readable.ClaimedRun));
    }

    [Fact]
    public async Task A_plan_time_is_claimed_once_also_when_its_run_is_over_and_by_the_same_worker()
    {
        var (first, second) = (await RegisterAsync("w1"), await RegisterAsync("w2"));
        var fire = await PutJobAsync(Some.Job());
        Assert.IsType<ClaimAnswer.Mine>(await first.ClaimAsync(fire, Ahead));
        await Etcd.DeleteAsync(Keys.Run(fire.Name, fire.RunId));

        ClaimAnswer[] answers =
        [
            await second.ClaimAsync(fire, Ahead),
            await first.ClaimAsync(fire, Ahead),
            await second.ClaimAsync(fire, P),
            await second.ClaimMissedAsync(fire),
        ];
        foreach (var again in answers)
        {
            var notMine = Assert.IsType<ClaimAnswer.NotMine>(again);
            Assert.StartsWith("2026-11-22T10:00:00Z w1 ", notMine.Key!.Value.ToStringUtf8(), StringComparison.Ordinal);
            Assert.Empty(notMine.InTheWay);
        }
    }

    [Fact]
    public async Task An_earlier_plan_time_is_not_claimed_after_a_later_one_and_the_next_one_is()
    {
        var worker = await RegisterAsync("w1");
        var fire = await PutJobAsync(Some.Job() with { Overlap = Overlap.Allow });
        Assert.IsType<ClaimAnswer.Mine>(await worker.ClaimAsync(fire, Ahead));

        Assert.IsType<ClaimAnswer.NotMine>(await worker.ClaimAsync(At(fire, -1), Ahead));
        Assert.IsType<ClaimAnswer.Mine>(await worker.ClaimAsync(At(fire, 1), Ahead));
    }

    [Fact]
    public async Task A_job_that_was_put_anew_since_is_not_claimed_by_its_old_revision()
    {
        var worker = await RegisterAsync("w1");
        var fire = await PutJobAsync(Some.Job());
        var newer = await PutJobAsync(Some.Job() with { Command = "echo more" });

        var answer = Assert.IsType<ClaimAnswer.NotMine>(await worker.ClaimAsync(fire, P));

        Assert.Equal(newer.Plan.Revision, answer.Job!.ModRevision);
        Assert.Empty(await Etcd.ListAsync(Keys.AllRuns));
        Assert.IsType<ClaimAnswer.Mine>(await worker.ClaimAsync(newer, P));
    }

    [Fact]
    public async Task A_job_that_is_deleted_is_not_claimed()
    {
        var worker = await RegisterAsync("w1");
        var fire = await PutJobAsync(Some.Job());
        await Etcd.DeleteAsync(Keys.Job(fire.Name));

        Assert.Null(Assert.IsType<ClaimAnswer.NotMine>(await worker.ClaimAsync(fire, Ahead)).Job);
    }

    [Fact]
    public async Task A_job_without_a_cursor_is_not_claimed()
    {
        var worker = await RegisterAsync("w1");
        var fire = await PutJobAsync(Some.Job());
        await Etcd.DeleteAsync(Keys.Fired(fire.Name));

        var answer = Assert.IsType<ClaimAnswer.NotMine>(await worker.ClaimAsync(fire, P));

        Assert.Null(answer.Key);
        Assert.Empty(answer.InTheWay);
        Assert.NotNull(answer.Job);
    }

    [Fact]
    public async Task A_run_in_flight_is_in_the_way_before_the_plan_time_and_at_it_the_fire_is_skipped_once()
    {
        var (first, second) = (await RegisterAsync("w1"), await RegisterAsync("w2"));
        var fire = await PutJobAsync(Some.Job());
        Assert.IsType<ClaimAnswer.Mine>(await first.ClaimAsync(fire, Ahead));
        var next = At(fire, 1);

        Assert.Equal(
            [Keys.Run(fire.Name, fire.RunId)],
            Assert.IsType<ClaimAnswer.NotMine>(await second.ClaimAsync(next, next.PlanTime.AddMilliseconds(-1))).InTheWay);
        Assert.StartsWith("2026-11-22T10:00:00Z w1 ", await ReadAsync(Keys.Fired(fire.Name)), StringComparison.Ordinal);

        Assert.IsType<ClaimAnswer.Closed>(await second.ClaimAsync(next, next.PlanTime));
        Assert.Equal(second.Claims.Claim(next, next.PlanTime).Closing, await OwedAsync(next));
        Assert.Equal(RunStatus.Skipped, (await OwedAsync(next))!.Status);
        Assert.Equal($"2026-11-22T10:00:01Z w2 {second.Session.Lease} skipped", await ReadAsync(Keys.Fired(fire.Name)));
        Assert.Single(await Etcd.ListAsync(Keys.Runs(fire.Name)));

        Assert.IsType<ClaimAnswer.NotMine>(await first.ClaimAsync(next, next.PlanTime)); // One records it.
    }

    [Fact]
    public async Task A_run_of_a_job_whose_name_begins_alike_is_not_in_the_way()
    {
        var worker = await RegisterAsync("w1");
        Assert.IsType<ClaimAnswer.Mine>(await worker.ClaimAsync(await PutJobAsync(Some.Job("backup-db")), Ahead));

        Assert.IsType<ClaimAnswer.Mine>(await worker.ClaimAsync(await PutJobAsync(Some.Job("backup")), Ahead));
    }

    [Fact]
    public async Task Where_overlap_is_allowed_runs_go_side_by_side()
    {
        var worker = await RegisterAsync("w1");
        var fire = await PutJobAsync(Some.Job() with { Overlap = Overlap.Allow });

        Assert.IsType<ClaimAnswer.Mine>(await worker.ClaimAsync(fire, Ahead));
        Assert.IsType<ClaimAnswer.Mine>(await worker.ClaimAsync(At(fire, 1), P));
        Assert.Equal(2, (await Etcd.ListAsync(Keys.Runs(fire.Name))).Count);
    }

    [Fact]
    public async Task A_fire_whose_time_is_over_is_closed_as_missed_by_one()
    {
        var (first, second) = (await RegisterAsync("w1"), await RegisterAsync("w2"));
        var fire = await PutJobAsync(Some.Job());

        var closed = Assert.IsType<ClaimAnswer.Closed>(await first.ClaimMissedAsync(fire));

        Assert.Equal((RunStatus.Missed, fire.Plan.Revision), ((await OwedAsync(fire))!.Status, closed.Job!.ModRevision));
        Assert.Equal($"2026-11-22T10:00:00Z w1 {first.Session.Lease} missed", await ReadAsync(Keys.Fired(fire.Name)));
        Assert.Empty(await Etcd.ListAsync(Keys.AllRuns));
        Assert.IsType<ClaimAnswer.NotMine>(await second.ClaimMissedAsync(fire));
    }

    [Fact]
    public async Task Sixty_claims_go_in_one_request_and_each_has_its_own_answer()
    {
        var (me, other) = (await RegisterAsync("w1"), await RegisterAsync("w2"));
        var fires = new List<Fire>();
        for (var n = 0; n < 60; n++)
        {
            fires.Add(await PutJobAsync(Some.Job($"job-{n:D2}")));
        }

        await Etcd.PutAsync(Keys.Run(fires[1].Name, "20200101T000000Z"), "{}"); // in the way
        await other.ClaimAsync(fires[2], Ahead); // taken
        await Etcd.DeleteAsync(Keys.Job(fires[3].Name)); // gone
        await Etcd.DeleteAsync(Keys.Fired(fires[4].Name)); // without a cursor
        var before = (await Etcd.FindAsync(Keys.Job(fires[0].Name)))!;

        var answers = await me.ClaimAllAsync(fires, P);

        Assert.IsType<ClaimAnswer.Closed>(answers[1]);
        Assert.NotNull(Assert.IsType<ClaimAnswer.NotMine>(answers[2]).Key);
        Assert.Null(Assert.IsType<ClaimAnswer.NotMine>(answers[3]).Job);
        Assert.Null(Assert.IsType<ClaimAnswer.NotMine>(answers[4]).Key);
        Assert.Equal(before, Assert.IsType<ClaimAnswer.Mine>(answers[0]).Job);
        for (var n = 5; n < 60; n++)
        {
            var mine = Assert.IsType<ClaimAnswer.Mine>(answers[n]);
            Assert.Equal(Keys.Job(fires[n].Name), mine.Job.Key.ToStringUtf8());
            Assert.Equal(mine.Revision, (await Etcd.FindAsync(Keys.Run(fires[n].Name, fires[n].RunId)))!.CreateRevision);
        }
    }

    [Fact]
    public async Task A_session_that_is_not_the_registered_one_claims_nothing()
    {
        var worker = await RegisterAsync("w1");
        var fires = new[] { await PutJobAsync(Some.Job("a")), await PutJobAsync(Some.Job("b")) };
        await Etcd.DeleteAsync(Keys.Worker("w1"));
        Assert.Null(await worker.TryClaimAllAsync(fires, P));

        var successor = await RegisterAsync("w1");
        Assert.Null(await worker.TryClaimAllAsync(fires, P));
        Assert.Empty(await Etcd.ListAsync(Keys.AllRuns));
        Assert.NotNull(await successor.TryClaimAllAsync(fires, P));
    }

    [Fact]
    public async Task Two_workers_that_race_for_two_hundred_fires_get_each_exactly_once()
    {
        var workers = new[] { await RegisterAsync("w1"), await RegisterAsync("w2") };
        var fires = await Task.WhenAll(Enumerable.Range(0, 200).Select(n => PutJobAsync(Some.Job($"job-{n:D3}"))));
        var random = Some.Random();
        var orders = workers.Select(_ => fires.OrderBy(_ => random.Next()).ToArray()).ToArray();

        var begun = workers.Select(_ => new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously)).ToArray();
        var bothHaveBegun = Task.WhenAll(begun.Select(one => one.Task));

        var got = await Task.WhenAll(workers.Select((worker, w) => Task.Run(async () =>
        {
            var mine = new List<string>();
            foreach (var batch in orders[w].Chunk(7))
            {
                var answers = await worker.ClaimAllAsync(batch, Ahead);
                mine.AddRange(batch.Where((_, i) => answers[i] is ClaimAnswer.Mine).Select(fire => fire.Name.Value));
                begun[w].TrySetResult();
                await bothHaveBegun.WaitAsync(Patience.Limit);
            }

            return mine;
        })));

        Assert.Equal(fires.Select(fire => fire.Name.Value).Order(), got.SelectMany(names => names).Order());
        Assert.All(got, names => Assert.NotEmpty(names));
        Assert.Equal(200, (await Etcd.ListAsync(Keys.AllRuns)).Count);
    }

    private async Task<OwedEnding?> OwedAsync(Fire fire) =>
        await Etcd.FindAsync(Keys.Owed(fire.Name, fire.RunId)) is { } pair
            ? JsonSerializer.Deserialize(pair.Value.Span, JobsJson.Readable.OwedEnding)
            : null;

    private static Fire At(Fire fire, int seconds) => new(fire.Name, fire.PlanTime.AddSeconds(seconds), fire.Plan, 0);

    /// <summary>Puts a job and its cursor, as a save does, and plans it for P.</summary>
    private async Task<Fire> PutJobAsync(Job job)
    {
        var name = JobName.Parse(job.Name);
        var cursor = new Cursor(P.AddSeconds(-1), "master", "-", Cursor.Moved);
        var put = await Etcd.TxnAsync(Txn.All(
            [Txn.Put(Keys.Job(name), JobJson.ToJson(job)), Txn.Put(Keys.Fired(name), cursor.ToString())]));
        return new Fire(name, P, Some.Plan(job, put.Header.Revision), 0);
    }

    private async Task<Claimant> RegisterAsync(string id)
    {
        var ttl = TimeSpan.FromMinutes(5);
        var session = new Session(await Etcd.GrantAsync(ttl), ttl, TimeProvider.System.GetTimestamp(), TimeProvider.System);
        await Etcd.PutAsync(Keys.Worker(id), id, session.Lease);
        return new Claimant(Etcd, new ClaimTxn(Keys, id, session.Lease), session);
    }

    private sealed record Claimant(EtcdClient Etcd, ClaimTxn Claims, Session Session)
    {
        public async Task<ClaimAnswer> ClaimAsync(Fire fire, DateTimeOffset now) => (await ClaimAllAsync([fire], now))[0];

        public async Task<ClaimAnswer> ClaimMissedAsync(Fire fire) =>
            (await SendAsync([Claims.Close(fire, RunStatus.Missed, "nobody", P)]))![0];

        public async Task<IReadOnlyList<ClaimAnswer>> ClaimAllAsync(IEnumerable<Fire> fires, DateTimeOffset now)
        {
            var answers = await TryClaimAllAsync(fires, now);
            Assert.NotNull(answers);
            return answers;
        }

        public Task<IReadOnlyList<ClaimAnswer>?> TryClaimAllAsync(IEnumerable<Fire> fires, DateTimeOffset now) =>
            SendAsync([.. fires.Select(fire => Claims.Claim(fire, now))]);

        private async Task<IReadOnlyList<ClaimAnswer>?> SendAsync(IReadOnlyList<ClaimTxn.Part> claims)
        {
            var answer = await Etcd.TxnAsync(Claims.Around(claims.Select(claim => claim.Txn)));
            return answer.Succeeded
                ? [.. answer.Responses.Select(response => ClaimTxn.Read(response.ResponseTxn, answer.Header.Revision, Session.Lease))]
                : null;
        }
    }
}
