using Dts.Common.Jobs;
using Dts.Common.Logs;
using Dts.Master.Versions;
using Dts.Tests.Support;
using Xunit;

namespace Dts.Tests.Integration.Logs;

/// <summary>What every store of versions does; a store's test class is a subclass that opens it.</summary>
public abstract class VersionStoreContract : IDisposable
{
    private protected static readonly VersionLimits Limits = new(TimeSpan.FromDays(400));

    private static readonly JobName Hello = JobName.Parse("hello");

    private readonly List<IVersionStore> _open = [];

    [Fact]
    public async Task A_version_comes_back_as_it_was_written_with_the_whole_definition()
    {
        var store = Open();
        var job = Some.Job() with
        {
            Command = "echo \"备份\" \ud83d\udd50 $x\n\u0001",
            Labels = new Dictionary<string, string> { ["a.b"] = "$c" },
            Env = new Dictionary<string, string> { ["A"] = "1" },
            Retry = new Retry(3),
            Enabled = false,
        };
        var version = Version(0) with { Job = job, Revision = long.MaxValue, Author = new Author("token", "2001:db8::1"), Former = 6 };
        await store.WriteAsync(version, CancellationToken.None);

        var found = Assert.Single(await ListAsync(store));

        Assert.Equal(version with { Job = null }, found with { Job = null });
        Assert.Equal(JobJson.ToJson(job), JobJson.ToJson(found.Job!));
        Assert.Equal(found with { Job = null }, (await store.FindAsync(Hello, long.MaxValue, CancellationToken.None))! with { Job = null });
        Assert.Null(await store.FindAsync(Hello, 1, CancellationToken.None));
        Assert.Null(await store.FindAsync(JobName.Parse("other"), long.MaxValue, CancellationToken.None));
    }

    [Fact]
    public async Task A_deletion_is_a_version_without_a_definition()
    {
        var store = Open();
        await store.WriteAsync(Version(0) with { Job = null }, CancellationToken.None);

        var found = Assert.Single(await ListAsync(store));
        Assert.True(found is { Job: null, IsDeletion: true });
    }

    [Fact]
    public async Task A_version_whose_definition_is_lost_is_no_deletion()
    {
        var store = Open();
        await store.WriteAsync(Version(0) with { Job = null, IsLost = true }, CancellationToken.None);

        Assert.Equal(Version(0) with { Job = null, IsLost = true }, Assert.Single(await ListAsync(store)));
    }

    [Fact]
    public async Task Writing_twice_is_harmless_also_when_two_do_so_at_once()
    {
        var stores = new[] { Open(), Open() };
        foreach (var store in stores)
        {
            await store.WriteAsync(Version(0), CancellationToken.None);
        }

        await Task.WhenAll(
            stores.SelectMany(store => Enumerable.Range(1, 5).Select(n => store.WriteAsync(Version(n), CancellationToken.None))));

        Assert.Equal([5, 4, 3, 2, 1, 0], (await ListAsync(stores[0])).Select(version => (int)version.Revision - 100));
    }

    [Fact]
    public async Task Versions_come_latest_first_in_pages_without_a_gap_or_a_repetition()
    {
        var store = Open();
        foreach (var n in new[] { 3, 0, 5, 1, 4, 2 })
        {
            await store.WriteAsync(Version(n) with { At = Some.Now.AddSeconds(n / 2) }, CancellationToken.None); // Two of one time.
        }

        await store.WriteAsync(Version(9, "other"), CancellationToken.None);
        List<long> seen = [];
        for (VersionCursor? after = null; await store.ListAsync(Hello, after, 4, CancellationToken.None) is [.., var last] page;)
        {
            seen.AddRange(page.Select(version => version.Revision - 100));
            after = last.Place;
        }

        Assert.Equal([5, 4, 3, 2, 1, 0], seen);
    }

    [Fact]
    public async Task Of_a_job_the_latest_hundred_versions_are_kept()
    {
        var store = Open();
        await store.WriteAsync(Version(0, "other"), CancellationToken.None);
        for (var n = 0; n < 103; n++)
        {
            await store.WriteAsync(Version(n), CancellationToken.None);
        }

        Assert.Equal(Enumerable.Range(3, 100).Reverse(), (await ListAsync(store)).Select(version => (int)version.Revision - 100));
        Assert.Single(await store.ListAsync(JobName.Parse("other"), null, 10, CancellationToken.None));
    }

    [Fact]
    public async Task Of_a_revision_that_a_restored_etcd_has_used_twice_the_later_version_is_found()
    {
        var store = Open();
        await store.WriteAsync(Version(0), CancellationToken.None);
        var later = Version(1) with { Revision = Version(0).Revision, Author = new Author("local", "::1") };
        await store.WriteAsync(later, CancellationToken.None);

        Assert.Equal("local", (await store.FindAsync(Hello, Version(0).Revision, CancellationToken.None))!.Author.By);
        Assert.Equal(2, (await ListAsync(store)).Count);
    }

    public void Dispose()
    {
        _open.ForEach(store => store.Dispose());
        Clean();
        GC.SuppressFinalize(this);
    }

    /// <summary>Opens the store that this test uses; more than once, as several processes would.</summary>
    private protected abstract IVersionStore OpenStore();

    /// <summary>Removes it.</summary>
    protected abstract void Clean();

    private protected static JobVersion Version(int n, string job = "hello") => new(
        $"{job}/{n}",
        job,
        Revision: 100 + n,
        Some.Now.AddSeconds(n),
        new Author("token", "192.0.2.1"),
        Former: 99 + n,
        Some.Job(job) with { Command = $"echo {n}" });

    private protected static Task<IReadOnlyList<JobVersion>> ListAsync(IVersionStore store) =>
        store.ListAsync(Hello, null, 1000, CancellationToken.None);

    private protected IVersionStore Open()
    {
        var store = OpenStore();
        _open.Add(store);
        return store;
    }
}

public sealed class SqliteVersionStoreTests : VersionStoreContract
{
    private readonly ScratchFolder _scratch = new();

    private string Path => _scratch.File("log.db");

    [Fact]
    public async Task Without_a_file_of_a_worker_there_are_no_versions_and_none_is_made()
    {
        using var store = new SqliteVersionStore(Path, Limits);

        var failure = await Assert.ThrowsAsync<LogStoreException>(() => store.WriteAsync(Version(0), CancellationToken.None));

        Assert.True(SqliteFile.IsNotMade(failure), $"{failure}");
        Assert.Empty(await ListAsync(store));
        Assert.False(File.Exists(Path));

        File.Create(Path).Dispose(); // A worker has made the file, and no table yet.
        Assert.Empty(await ListAsync(store));
        Assert.True(SqliteFile.IsNotMade(
            await Assert.ThrowsAsync<LogStoreException>(() => store.WriteAsync(Version(0), CancellationToken.None))));

        using var log = new SqliteLogStore(Path);
        await log.WriteAsync([Some.Record(0)], CancellationToken.None);
        await store.WriteAsync(Version(0), CancellationToken.None);
        Assert.Single(await ListAsync(store));
    }

    [Fact]
    public async Task Replaced_versions_and_deletions_expire_and_the_latest_version_of_a_job_does_not()
    {
        var store = Open();
        await store.WriteAsync(Version(0), CancellationToken.None);
        await store.WriteAsync(Version(1), CancellationToken.None);
        await store.WriteAsync(Version(0, "gone"), CancellationToken.None);
        await store.WriteAsync(Version(1, "gone") with { Job = null }, CancellationToken.None);

        await store.RemoveExpiredAsync(Some.Now.AddDays(400), CancellationToken.None);
        Assert.Equal(2, (await ListAsync(store)).Count);

        await store.RemoveExpiredAsync(Some.Now.AddDays(401), CancellationToken.None);
        Assert.Equal([101L], (await ListAsync(store)).Select(version => version.Revision));
        Assert.Empty(await store.ListAsync(JobName.Parse("gone"), null, 10, CancellationToken.None));
    }

    private protected override IVersionStore OpenStore()
    {
        using var worker = new SqliteLogStore(Path);
        worker.WriteAsync([], CancellationToken.None).GetAwaiter().GetResult();
        return new SqliteVersionStore(Path, Limits);
    }

    protected override void Clean() => _scratch.Dispose();
}

public sealed class MongoVersionStoreTests : VersionStoreContract, IClassFixture<DocumentServer>
{
    private readonly DocumentServer _server;

    public MongoVersionStoreTests(DocumentServer server)
    {
        _server = server;
        Clean();
    }

    [Fact]
    public async Task A_server_that_is_away_is_told_as_such()
    {
        using var store = new MongoVersionStore("mongodb://127.0.0.1:1/", TimeSpan.FromMilliseconds(300), Limits);

        await Assert.ThrowsAsync<LogStoreException>(() => store.WriteAsync(Version(0), CancellationToken.None));
        await Assert.ThrowsAsync<LogStoreException>(() => ListAsync(store));
    }

    private protected override IVersionStore OpenStore() => new MongoVersionStore(_server.Uri, TimeSpan.FromSeconds(5), Limits);

    protected override void Clean() => DropAsync().GetAwaiter().GetResult();

    private async Task DropAsync()
    {
        using var database = new Dts.Common.Logs.Mongo.MongoDatabase(_server.Uri, TimeSpan.FromSeconds(5));
        await database.RunAsync(async () =>
            await database.Collection("jobs").DeleteManyAsync(new MongoDB.Bson.BsonDocument(), CancellationToken.None));
    }
}
