using System.Text.Json;
using System.Text.RegularExpressions;
using Dts.Common.Jobs;
using Dts.Common.Logs;
using Dts.Common.Logs.Mongo;
using Dts.Master.Audit;
using Dts.Master.Versions;
using Dts.Tests.Support;
using Dts.Worker.Logs;
using Microsoft.Data.Sqlite;
using MongoDB.Bson;
using Xunit;

namespace Dts.Tests.Unit.Upgrade;

/// <summary>This version goes on with the embedded log store of an earlier one, and beside a later one.</summary>
public sealed partial class FormerLogTests : IDisposable
{
    private static readonly string[] Tables = ["log", "output", "stats", "jobs", "audit"];

    private readonly ScratchFolder _scratch = new();

    public static TheoryData<string> Versions => FormerDataTests.Versions;

    public void Dispose() => _scratch.Dispose();

    [Theory]
    [MemberData(nameof(Versions))]
    public async Task Records_outputs_statistics_versions_and_the_audit_trail_are_read(string version)
    {
        var path = Make(version, "");
        using var log = new SqliteLogStore(path);
        var texts = Query(path, "select record from log");
        Assert.NotEmpty(texts);
        foreach (var text in texts)
        {
            var record = await log.FindAsync(Id().Match(text).Groups[1].Value, CancellationToken.None);
            Assert.Null(Json.FindLost(text, JsonSerializer.Serialize(record!, LogsJson.Readable.RunRecord)));
        }

        var often = JobName.Parse("often");
        Assert.NotEmpty(await log.ListStatsAsync(often, new DateOnly(2026, 1, 1), CancellationToken.None));
        Assert.NotEmpty(await log.ListEndingsAsync(["often"], 20, CancellationToken.None));
        var output = Query(path, "select run from output limit 1").Single();
        Assert.NotEmpty(await log.ReadOutputAsync(output, 0, 1000, CancellationToken.None));

        using var versions = new SqliteVersionStore(path, new VersionLimits(TimeSpan.FromDays(400)));
        Assert.NotEmpty(await versions.ListAsync(often, null, 10, CancellationToken.None));
        using var audit = new SqliteAuditStore(path, TimeSpan.FromDays(400));
        Assert.NotEmpty(await audit.ListAsync(new AuditQuery([]), CancellationToken.None));
    }

    [Theory]
    [MemberData(nameof(Versions))]
    public Task Records_are_written_beside_those_of_the_earlier_version(string version) => WriteAsync(Make(version, ""));

    [Theory]
    [MemberData(nameof(Versions))]
    public Task Columns_that_a_later_version_adds_do_not_disturb_this_one(string version) => WriteAsync(Make(
        version, string.Concat(Tables.Select(table => $"alter table {table} add column later text; "))));

    [Theory]
    [MemberData(nameof(Versions))]
    public void Documents_of_MongoDB_are_read_also_with_fields_of_a_later_version(string version)
    {
        foreach (var text in new GoldenFiles(version).Documents)
        {
            var former = BsonDocument.Parse(text);
            var later = new BsonDocument(former) { { "later", new BsonArray { 1, "b" } } };

            var present = RecordDocument.Of(RunDocument.Read(later));

            Assert.All(former, field => Assert.Equal(field.Value, present[field.Name]));
        }
    }

    private static async Task WriteAsync(string path)
    {
        using var log = new SqliteLogStore(path);
        var record = Some.Record(0);

        Assert.Empty(await log.WriteAsync([record], CancellationToken.None));
        Assert.Equal(record.Output, (await log.FindAsync(record.Id, CancellationToken.None))?.Output);

        var (often, at) = (JobName.Parse("often"), DateTimeOffset.UtcNow);
        using var versions = new SqliteVersionStore(path, new VersionLimits(TimeSpan.FromDays(400)));
        var before = await versions.ListAsync(often, null, 100, CancellationToken.None);
        var version = new JobVersion("often/new", often.Value, 1 << 30, at, Author.Unknown, 0, new Job("often", "true", "* * * * *"));
        await versions.WriteAsync(version, CancellationToken.None);
        Assert.Equal(before.Count + 1, (await versions.ListAsync(often, null, 100, CancellationToken.None)).Count);
    }

    private string Make(string version, string more)
    {
        var path = _scratch.File("log.db");
        using var file = new SqliteConnection($"Data Source={path};Pooling=False");
        file.Open();
        using var command = file.CreateCommand();
        command.CommandText = new GoldenFiles(version).Log + more;
        command.ExecuteNonQuery();
        return path;
    }

    private static List<string> Query(string path, string sql)
    {
        using var file = new SqliteConnection($"Data Source={path};Pooling=False");
        file.Open();
        using var command = file.CreateCommand();
        command.CommandText = sql;
        using var rows = command.ExecuteReader();
        var found = new List<string>();
        while (rows.Read())
        {
            found.Add(rows.GetString(0));
        }

        return found;
    }

    [GeneratedRegex("\"_id\":\"([^\"]*)\"")]
    private static partial Regex Id();
}
