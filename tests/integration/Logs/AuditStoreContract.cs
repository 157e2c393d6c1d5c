using System.Text.Json;
using Dts.Common.Logs;
using Dts.Master.Audit;
using Dts.Master.Versions;
using Dts.Tests.Support;
using Xunit;

namespace Dts.Tests.Integration.Logs;

/// <summary>What every store of the audit trail does; a store's test class is a subclass that opens it.</summary>
public abstract class AuditStoreContract : IDisposable
{
    private IAuditStore? _store;

    private IAuditStore Store => _store ??= OpenStore(TimeSpan.FromDays(400));

    [Fact]
    public async Task A_record_is_read_back_as_written_and_only_once()
    {
        var change = new AuditedChange("hello", "changed", [new MemberChange("env.A.B", null, JsonSerializer.SerializeToElement("•••"))]);
        var record = Record(1) with { Detail = "a \"$quoted\" 备份\n", Changes = [change] };
        await Store.WriteAsync([record], default);
        await Store.WriteAsync([record, Record(2)], default);

        var found = await Store.ListAsync(new AuditQuery([]), default);

        Assert.Equal(["2", "1"], found.Select(one => one.Id));
        Assert.Equal(record with { Changes = [] }, found[1] with { Changes = [] });
        Assert.Equal(AuditJson.Write([change]), AuditJson.Write(found[1].Changes));
    }

    [Fact]
    public async Task Pages_are_sorted_by_time_and_lose_no_record_of_one_millisecond()
    {
        await Store.WriteAsync([.. Enumerable.Range(0, 10).Select(n => Record(n) with { At = Some.Now.AddMilliseconds(n / 4) })], default);
        List<string> ids = [];
        for (AuditCursor? place = null; ;)
        {
            var page = await Store.ListAsync(new AuditQuery([], After: place, Limit: 3), default);
            ids.AddRange(page.Select(record => record.Id));
            if (page.Count < 3)
            {
                break;
            }

            place = AuditCursor.Parse(page[^1].Place.ToString());
        }

        Assert.Equal(["9", "8", "7", "6", "5", "4", "3", "2", "1", "0"], ids);
    }

    [Fact]
    public async Task Each_condition_narrows_the_answer()
    {
        await Store.WriteAsync(
            [
                Record(1) with { Who = "mara", Target = "Backup.daily" },
                Record(2) with { Who = "mara", Outcome = AuditRecord.Refused, From = "192.0.2.9" },
                Record(3) with { Who = "lin", Detail = "100%_sure" },
            ],
            default);

        Assert.Equal(["2", "1"], await IdsAsync(new AuditQuery([], Who: "mara")));
        Assert.Equal(["2"], await IdsAsync(new AuditQuery([], Outcome: AuditRecord.Refused)));
        Assert.Equal(["1"], await IdsAsync(new AuditQuery(["backup."])));
        Assert.Equal(["2"], await IdsAsync(new AuditQuery(["192.0.2.9", "MARA"])));
        Assert.Equal(["3"], await IdsAsync(new AuditQuery(["%_"])));
        Assert.Equal(["2"], await IdsAsync(new AuditQuery([], From: Some.Now.AddMinutes(2), Until: Some.Now.AddMinutes(3))));
    }

    public void Dispose()
    {
        _store?.Dispose();
        Clean();
        GC.SuppressFinalize(this);
    }

    private protected abstract IAuditStore OpenStore(TimeSpan retention);

    protected abstract void Clean();

    private protected static AuditRecord Record(int n) => new(
        $"{n}",
        Some.Now.AddMinutes(n),
        "mara",
        "editor",
        "person",
        "192.0.2.1",
        "PUT /api/v1/jobs/{name}",
        "hello",
        AuditRecord.Done,
        "",
        []);

    private async Task<IEnumerable<string>> IdsAsync(AuditQuery query) =>
        (await Store.ListAsync(query, default)).Select(record => record.Id);
}

public sealed class SqliteAuditStoreTests : AuditStoreContract
{
    private readonly ScratchFolder _scratch = new();

    [Fact]
    public async Task Expired_records_are_removed()
    {
        using var store = OpenStore(TimeSpan.FromDays(1));
        await store.WriteAsync([Record(1), Record(2) with { At = Some.Now.AddDays(2) }], default);

        await store.RemoveExpiredAsync(Some.Now.AddDays(2), default);

        Assert.Equal("2", Assert.Single(await store.ListAsync(new AuditQuery([]), default)).Id);
    }

    [Fact]
    public async Task Before_a_worker_has_made_the_file_records_wait_and_the_trail_is_empty()
    {
        using var store = new SqliteAuditStore(_scratch.File("none.db"), TimeSpan.FromDays(1));

        await Assert.ThrowsAsync<LogStoreException>(() => store.WriteAsync([Record(1)], default));
        Assert.Empty(await store.ListAsync(new AuditQuery([]), default));
    }

    private protected override IAuditStore OpenStore(TimeSpan retention)
    {
        using var worker = new SqliteLogStore(_scratch.File("log.db"));
        worker.WriteAsync([], CancellationToken.None).GetAwaiter().GetResult();
        return new SqliteAuditStore(_scratch.File("log.db"), retention);
    }

    protected override void Clean() => _scratch.Dispose();
}

public sealed class MongoAuditStoreTests : AuditStoreContract, IClassFixture<DocumentServer>
{
    private readonly DocumentServer _server;

    public MongoAuditStoreTests(DocumentServer server)
    {
        _server = server;
        Clean();
    }

    private protected override IAuditStore OpenStore(TimeSpan retention) =>
        new MongoAuditStore(_server.Uri, TimeSpan.FromSeconds(5), retention);

    protected override void Clean() => DropAsync().GetAwaiter().GetResult();

    private async Task DropAsync()
    {
        using var database = new Dts.Common.Logs.Mongo.MongoDatabase(_server.Uri, TimeSpan.FromSeconds(5));
        await database.RunAsync(async () =>
            await database.Collection("audit").DeleteManyAsync(new MongoDB.Bson.BsonDocument(), CancellationToken.None));
    }
}
