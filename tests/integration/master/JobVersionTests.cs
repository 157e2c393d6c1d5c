using Dts.Common.Cron;
using Dts.Common.Etcd;
using Dts.Common.Jobs;
using Dts.Common.Logs;
using Dts.Master.Api;
using Dts.Master.Jobs;
using Dts.Master.Versions;
using Dts.Tests.Support;
using Xunit;

namespace Dts.Tests.Integration.Master;

/// <summary>Saves become versions in etcd, and from there go to the log store.</summary>
public sealed class JobVersionTests : EtcdTest, IClassFixture<EtcdServer>
{
    private static readonly JobName Hello = JobName.Parse("hello");
    private static readonly Author Somebody = new(Author.Token, "192.0.2.1");

    private readonly ManualTime _time = new();
    private readonly ListedVersions _store = new();
    private readonly JobStore _jobs;
    private readonly WaitingVersions _waiting;
    private readonly VersionMover _mover;
    private readonly VersionHistory _history;

    public JobVersionTests(EtcdServer server)
        : base(server)
    {
        var foreign = new ForeignValues(Log);
        _jobs = new JobStore(Etcd, Keys, CronZone.Utc, _time, foreign, () => JobRights.Everything(Somebody));
        _waiting = new WaitingVersions(Etcd, Keys, foreign.Report);
        _mover = NewMover();
        _history = Own(new VersionHistory(_waiting, _store, _time));
    }

    [Fact]
    public async Task Every_change_of_a_job_is_a_version_with_its_author_and_the_revision_of_the_save()
    {
        await SaveAsync("one");
        var first = (await Etcd.FindAsync(Keys.Job(Hello)))!.ModRevision;
        _time.Advance(TimeSpan.FromMinutes(1));
        await SaveAsync("two");
        await _jobs.EnableAsync(Hello, enabled: false, CancellationToken.None);
        await _jobs.DeleteAsync(Hello, CancellationToken.None);

        var versions = await ListAsync();

        Assert.Equal(["-", "two paused", "two", "one"], versions.Select(Describe));
        Assert.Equal(first, versions[^1].Revision);
        Assert.Equal([Somebody], versions.Select(version => version.Author).Distinct());
        Assert.Equal([0, 0, 0, 1], versions.Select(version => (int)(_time.GetUtcNow() - version.At).TotalMinutes));
        Assert.Equal(versions.Skip(1).Select(version => version.Revision).Append(0), versions.Select(version => version.Former));
    }

    [Fact]
    public async Task A_save_that_changes_nothing_is_no_version()
    {
        await SaveAsync("one");
        await SaveAsync("one");
        await _jobs.EnableAsync(Hello, enabled: true, CancellationToken.None);
        await _jobs.DeleteAsync(JobName.Parse("nobody"), CancellationToken.None);

        Assert.Equal(["one"], (await ListAsync()).Select(Describe));
        Assert.Single(await Etcd.ListAsync(Keys.AllVersions));
    }

    [Fact]
    public async Task Versions_move_to_the_log_store_and_leave_etcd()
    {
        await SaveAsync("one");
        await SaveAsync("two");
        var before = await ListAsync();

        Assert.True(await _mover.TryMoveAsync(CancellationToken.None));

        Assert.Empty(await Etcd.ListAsync(Keys.AllVersions));
        Assert.Equal(before.Select(version => version.Id), (await ListAsync()).Select(version => version.Id));
        Assert.Equal(["one", "two"], _store.Written.Select(Describe));
    }

    [Fact]
    public async Task While_the_log_store_is_away_saves_go_on_and_another_master_moves_what_waits_once_it_is_back()
    {
        _store.IsAway = true;
        await SaveAsync("one");
        Assert.False(await _mover.TryMoveAsync(CancellationToken.None));
        await SaveAsync("two");
        Assert.False(await _mover.TryMoveAsync(CancellationToken.None));
        Assert.Equal(1, Log.CountOf("versions of jobs cannot be written to the log store (it is away); 1 wait in etcd"));

        _store.IsAway = false;
        Assert.True(await NewMover().TryMoveAsync(CancellationToken.None));

        Assert.Equal(["one", "two"], _store.Written.Select(Describe));
        Assert.True(await _mover.TryMoveAsync(CancellationToken.None));
        Assert.Equal(1, Log.CountOf("versions of jobs are written to the log store again"));
    }

    [Fact]
    public async Task A_version_that_the_store_refuses_holds_up_no_other()
    {
        await SaveAsync("refused");
        await _jobs.SaveAsync(Some.Job("other"), CancellationToken.None);
        _store.Refuses = version => version.Job?.Command == "refused";

        Assert.False(await _mover.TryMoveAsync(CancellationToken.None));

        Assert.Equal(["other"], _store.Written.Select(version => version.JobName));
        Assert.Single(await Etcd.ListAsync(Keys.AllVersions));
    }

    [Fact]
    public async Task A_version_after_a_refused_one_keeps_the_author_of_that_one()
    {
        await SaveAsync("refused");
        await SaveAsync("two");
        _store.Refuses = version => version.Job?.Command == "refused";

        Assert.False(await _mover.TryMoveAsync(CancellationToken.None));
        Assert.Equal(["two"], _store.Written.Select(Describe));

        _store.Refuses = _ => false;
        Assert.True(await _mover.TryMoveAsync(CancellationToken.None));
        Assert.Equal(
            [("two", Somebody), ("refused", Somebody)], (await ListAsync()).Select(version => (Describe(version), version.Author)));
    }

    [Fact]
    public async Task A_version_whose_key_was_not_deleted_is_written_again_and_is_there_once()
    {
        await SaveAsync("one");
        var waits = Assert.Single(await Etcd.ListAsync(Keys.AllVersions));
        await _mover.TryMoveAsync(CancellationToken.None);
        await Etcd.PutAsync(waits.Key.ToStringUtf8(), waits.Value.ToStringUtf8());

        Assert.Single(await ListAsync());
        await Task.WhenAll(_mover.TryMoveAsync(CancellationToken.None), NewMover().TryMoveAsync(CancellationToken.None));

        Assert.Single(await ListAsync());
        Assert.Single(_store.Written.DistinctBy(version => version.Id));
    }

    [Fact]
    public async Task Of_a_job_at_most_a_hundred_versions_wait_in_etcd()
    {
        for (var n = 0; n < VersionLimits.CountMax + 5; n++)
        {
            await SaveAsync($"{n}");
        }

        var waiting = await _waiting.ListAsync(Hello, CancellationToken.None);

        Assert.Equal(Enumerable.Range(5, VersionLimits.CountMax).Select(n => $"{n}"), waiting.Select(Describe));
        Assert.Equal(VersionLimits.CountMax, (await _waiting.ListKeysAsync(CancellationToken.None)).Count);
    }

    [Fact]
    public async Task A_job_put_by_hand_is_shown_and_kept_when_it_is_replaced()
    {
        await SaveAsync("saved");
        await _mover.TryMoveAsync(CancellationToken.None);
        await Etcd.PutAsync(Keys.Job(Hello), JobJson.ToJson(Job("by hand")));

        var shown = await ListAsync();
        Assert.Equal(["by hand", "saved"], shown.Select(Describe));
        Assert.Equal((Author.Unknown, null), (shown[0].Author, shown[0].SavedAt));
        Assert.Equal("by hand", Describe((await _history.FindAsync(Hello, shown[0].Revision, CancellationToken.None))!));

        _time.Advance(TimeSpan.FromSeconds(1));
        await SaveAsync("saved again");
        await _mover.TryMoveAsync(CancellationToken.None);

        Assert.Equal(["saved again", "by hand", "saved"], (await ListAsync()).Select(Describe));
        Assert.Equal(shown[0].Revision, (await ListAsync())[1].Revision);
    }

    [Fact]
    public async Task A_job_that_is_saved_unchanged_leaves_no_version_without_an_author()
    {
        await SaveAsync("one");
        await SaveAsync("one");
        await SaveAsync("two");
        await _mover.TryMoveAsync(CancellationToken.None);

        Assert.Equal(["two", "one"], (await ListAsync()).Select(Describe));
    }

    [Fact]
    public async Task A_definition_too_large_for_two_copies_in_one_transaction_is_a_version_all_the_same()
    {
        await _jobs.SaveAsync(Large, CancellationToken.None);
        await SaveAsync("small");

        Assert.Equal(["small", "large"], (await ListAsync()).Select(Describe));
        Assert.All(await Etcd.ListAsync(Keys.AllVersions), pair => Assert.InRange(pair.Value.Length, 10, 10_000));
        await _mover.TryMoveAsync(CancellationToken.None);
        Assert.Equal(JobJson.ToJson(Large), JobJson.ToJson((await ListAsync())[1].Job!));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public async Task Versions_are_in_the_order_of_their_saves_even_if_the_clocks_of_masters_differ(int moved)
    {
        var behind = new ManualTime();
        behind.Advance(TimeSpan.FromSeconds(1));
        var other = new JobStore(Etcd, Keys, CronZone.Utc, behind, new ForeignValues(Log), () => JobRights.Everything(Somebody));
        _time.Advance(TimeSpan.FromSeconds(50));
        await SaveAsync("one");
        await MoveAfterAsync(1);
        await other.SaveAsync(Job("two"), CancellationToken.None);
        await MoveAfterAsync(2);
        await other.DeleteAsync(Hello, CancellationToken.None);
        await MoveAfterAsync(3);

        Assert.Equal(["-", "two", "one"], (await ListAsync()).Select(Describe));
        var first = Assert.Single(await _history.ListAsync(Hello, null, 1, CancellationToken.None));
        Assert.Equal(["two", "one"], (await _history.ListAsync(Hello, first.Place, 9, CancellationToken.None)).Select(Describe));

        async Task MoveAfterAsync(int save)
        {
            if (moved >= save)
            {
                Assert.True(await _mover.TryMoveAsync(CancellationToken.None));
            }
        }
    }

    [Fact]
    public async Task While_the_log_store_is_away_no_more_bytes_wait_than_etcd_can_spare()
    {
        _store.IsAway = true;
        await Etcd.PutAsync($"{Keys.AllVersions}hello/x", new string('x', 5000));
        foreach (var n in Enumerable.Range(0, 20))
        {
            await SaveAsync($"{n}{new string(' ', 1000)}");
        }

        var mover = new VersionMover(Etcd, _waiting, _store, _time, Log, waitingBytesMax: 10_000);
        Assert.False(await mover.TryMoveAsync(CancellationToken.None));

        var kept = (await _waiting.ListAsync(Hello, CancellationToken.None)).Select(version => Describe(version).Trim()).ToList();
        Assert.InRange(kept.Count, 4, 10);
        Assert.Equal(Enumerable.Range(20 - kept.Count, kept.Count).Select(n => $"{n}"), kept);
        Assert.Equal(kept.Count, (await _waiting.ListKeysAsync(CancellationToken.None)).Count);
        await SaveAsync("last");
        Assert.False(await mover.TryMoveAsync(CancellationToken.None));
        Assert.Equal("last", Describe((await _waiting.ListAsync(Hello, CancellationToken.None))[^1]));
    }

    [Fact]
    public async Task A_large_definition_is_kept_when_etcd_has_compacted_its_revision_and_it_is_the_present_one()
    {
        await _jobs.SaveAsync(Large, CancellationToken.None);
        await Server.CompactAsync((await Etcd.PutAsync($"{Keys.Jobs}other", "x")).Header.Revision);

        Assert.Equal(["large"], (await ListAsync()).Select(Describe));
        Assert.True(await _mover.TryMoveAsync(CancellationToken.None));

        Assert.Equal(JobJson.ToJson(Large), JobJson.ToJson(Assert.Single(_store.Written).Job!));
    }

    [Fact]
    public async Task A_version_whose_large_definition_is_compacted_keeps_its_author()
    {
        await _jobs.SaveAsync(Large, CancellationToken.None);
        await SaveAsync("small");
        await Server.CompactAsync((await Etcd.FindAsync(Keys.Job(Hello)))!.ModRevision);

        Assert.True(await _mover.TryMoveAsync(CancellationToken.None));

        Assert.Empty(await Etcd.ListAsync(Keys.AllVersions));
        var versions = await ListAsync();
        Assert.Equal([false, true], versions.Select(version => version.IsLost));
        Assert.Equal(Somebody, versions[1].Author);
        Assert.Equal(
            ("saved", "created"), (VersionChange.Of(versions[0], versions[1]).What, VersionChange.Of(versions[1], null).What));
    }

    [Fact]
    public async Task A_save_whose_answer_cannot_be_made_is_not_made()
    {
        var workers = new WorkerList(await ConnectAsync(new Uri("http://127.0.0.1:1"), callTimeoutSeconds: 0.3), Keys);
        var saves = new JobSaves(_jobs, workers, _history, CronZone.Utc, _time);
        var job = JsonBody.Parse("""{"command":"a","cronExpr":"0 3 * * *","target":{"workers":["w1"]}}"""u8.ToArray(), "");

        await Assert.ThrowsAsync<EtcdException>(() => saves.SaveAsync(
            Hello, job, _ => job.DeepClone().AsObject(), new SaveOptions(new JobCondition.Any(), false, false), CancellationToken.None));

        Assert.Null(await Etcd.FindAsync(Keys.Job(Hello)));
    }

    [Fact]
    public async Task Keys_that_DTS_did_not_write_are_skipped_and_named_once()
    {
        await Etcd.PutAsync($"{Keys.AllVersions}hello/x", "garbage");
        await Etcd.PutAsync($"{Keys.AllVersions}hello/y", "{}");
        await Etcd.PutAsync($"{Keys.AllVersions}hello", "null");
        await SaveAsync("one");

        Assert.Equal(["one"], (await ListAsync()).Select(Describe));
        Assert.True(await _mover.TryMoveAsync(CancellationToken.None));
        Assert.True(await _mover.TryMoveAsync(CancellationToken.None));

        Assert.Equal(3, Log.CountOf("has a value that DTS cannot read"));
        Assert.Equal(["one"], (await ListAsync()).Select(Describe));
    }

    [Fact]
    public async Task Each_of_several_saves_at_once_leaves_its_version_while_two_masters_move_them()
    {
        var other = NewMover();
        var saves = Enumerable.Range(0, 8).Select(async n => await Record.ExceptionAsync(() => SaveAsync($"{n}"))).ToList();
        while (!saves.All(save => save.IsCompleted))
        {
            await Task.WhenAll(_mover.TryMoveAsync(CancellationToken.None), other.TryMoveAsync(CancellationToken.None));
        }

        Assert.True(await _mover.TryMoveAsync(CancellationToken.None));
        var saved = Enumerable.Range(0, 8).Where(n => saves[n].Result is null).Select(n => $"{n}").ToHashSet();
        Assert.True(saved.Count > 0);
        Assert.Superset(saved, (await ListAsync()).Select(Describe).ToHashSet());
        var kept = (await ListAsync()).OrderByDescending(version => version.Revision).ToList();
        Assert.Equal(kept.Skip(1).Select(version => version.Revision).Append(0), kept.Select(version => version.Former));
    }

    [Fact]
    public async Task Pages_go_from_waiting_versions_to_stored_ones()
    {
        foreach (var n in Enumerable.Range(0, 6))
        {
            _time.Advance(TimeSpan.FromSeconds(1));
            await SaveAsync($"{n}");
            if (n == 2)
            {
                await _mover.TryMoveAsync(CancellationToken.None);
            }
        }

        List<string> seen = [];
        for (VersionCursor? after = null; await _history.ListAsync(Hello, after, 2, CancellationToken.None) is [.., var last] page;)
        {
            seen.AddRange(page.Select(Describe));
            after = last.Place;
        }

        Assert.Equal(["5", "4", "3", "2", "1", "0"], seen);
    }

    private static Job Large =>
        Job("large") with { Env = Enumerable.Range(0, 9).ToDictionary(n => $"V{n}", _ => new string('x', 100_000)) };

    private VersionMover NewMover() => new(Etcd, _waiting, _store, _time, Log);

    private static Job Job(string command) => Some.Job() with { Command = command };

    private Task<Job?> SaveAsync(string command) => _jobs.SaveAsync(Job(command), CancellationToken.None);

    private Task<IReadOnlyList<JobVersion>> ListAsync() => _history.ListAsync(Hello, null, 1000, CancellationToken.None);

    private static string Describe(JobVersion version) =>
        version.Job is { } job ? job.Env.Count > 0 ? "large" : job.Command + (job.Enabled ? "" : " paused") : "-";

    /// <summary>A store of versions in memory that can be away.</summary>
    private sealed class ListedVersions : IVersionStore
    {
        private readonly Lock _gate = new();

        public List<JobVersion> Written { get; } = [];

        public bool IsAway { get; set; }

        public Func<JobVersion, bool> Refuses { get; set; } = _ => false;

        public Task WriteAsync(JobVersion version, CancellationToken cancel) => AskAsync(() =>
        {
            if (Refuses(version))
            {
                throw new LogStoreException("it is refused", new IOException());
            }

            if (Written.All(written => written.Id != version.Id))
            {
                Written.Add(version);
            }

            return true;
        });

        public Task<IReadOnlyList<JobVersion>> ListAsync(JobName job, VersionCursor? after, int limit, CancellationToken cancel) =>
            AskAsync<IReadOnlyList<JobVersion>>(() =>
            [
                .. Written
                    .Where(version => version.JobName == job.Value && (after is not { } place || version.Place.CompareTo(place) < 0))
                    .OrderByDescending(version => version.Place)
                    .Take(limit),
            ]);

        public Task<JobVersion?> FindAsync(JobName job, long revision, CancellationToken cancel) =>
            AskAsync(() => Written.LastOrDefault(version => version.JobName == job.Value && version.Revision == revision));

        public Task RemoveExpiredAsync(DateTimeOffset now, CancellationToken cancel) => Task.CompletedTask;

        public void Dispose()
        {
        }

        private Task<T> AskAsync<T>(Func<T> ask)
        {
            lock (_gate)
            {
                return IsAway ? throw new LogStoreException("it is away", new IOException()) : Task.FromResult(ask());
            }
        }
    }
}
