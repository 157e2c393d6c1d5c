using System.Text;
using System.Text.Json;
using Dts.Common.Jobs;
using Dts.Tests.Support;
using Xunit;

namespace Dts.Tests.Unit.Jobs;

public sealed class DocumentsTests
{
    private const string Id = "20261122T100000Z";

    private static readonly RunSpec Run = RunSpec.Scheduled(Some.Now) with { Env = new Dictionary<string, string> { ["A"] = "b" } };

    [Fact]
    public void Values_that_DTS_writes_are_read_back_unchanged()
    {
        var (inFlight, owed) = (
            new ClaimedRun("w1", "1f", Some.Now, Run), new OwedEnding("w1", "1f", Run, RunStatus.Missed, "why", Some.Now, 3, Some.Now));

        Assert.True(Documents.TryReadQueued(Id, JsonSerializer.SerializeToUtf8Bytes(Run, JobsJson.Readable.RunSpec), out var run, out _));
        Assert.True(Documents.TryReadInFlight(
            Id, JsonSerializer.SerializeToUtf8Bytes(inFlight, JobsJson.Readable.ClaimedRun), out var readInFlight, out _));
        Assert.True(Documents.TryReadOwed(
            Id, JsonSerializer.SerializeToUtf8Bytes(owed, JobsJson.Readable.OwedEnding), out var readOwed, out _));
        Assert.True(Documents.TryReadHistory(
            """[{"after":"2026-11-22T10:00:00Z","cronExpr":"@daily","timeZone":"UTC"}]"""u8, out var changes, out _));

        Assert.Equal(
            (Id, "b", "w1", RunStatus.Missed, 3L, "@daily"),
            (run.Id, run.Env!["A"], readInFlight.Worker, readOwed.Status, readOwed.Count, changes[0].CronExpr));
    }

    [Theory]
    [InlineData("")]
    [InlineData("null")]
    [InlineData("hello")]
    [InlineData("[]")]
    [InlineData("{}")]
    [InlineData("""{"planTime":"2026-11-22T10:00:00Z","trigger":"manual"}""")]
    [InlineData("""{"planTime":"2026-11-22T10:00:00Z","trigger":null,"notBefore":"2026-11-22T10:00:00Z"}""")]
    [InlineData("""{"planTime":"2026-11-22T10:00:00Z","trigger":"manual","notBefore":"2026-11-22T10:00:00Z","origin":null}""")]
    [InlineData("""{"planTime":"2026-11-22T10:00:00Z","trigger":"\udfff","notBefore":"2026-11-22T10:00:00Z"}""")]
    [InlineData("""{"planTime":"2026-11-22T10:00:00Z","trigger":"manual","notBefore":"0001-01-01T00:00:00Z"}""")]
    [InlineData("""{"planTime":"2026-11-22T10:00:00Z","trigger":"manual","notBefore":"9999-12-31T23:59:59Z"}""")]
    [InlineData("""{"planTime":"2026-11-22T10:00:00Z","trigger":"manual","notBefore":"2026-11-22T10:00:00Z","attempt":-1}""")]
    [InlineData("""{"planTime":"2026-11-22T10:00:00Z","trigger":"manual","notBefore":"2026-11-22T10:00:00Z","env":{"A":null}}""")]
    [InlineData("""{"planTime":"2026-11-22T10:00:01Z","trigger":"manual","notBefore":"2026-11-22T10:00:00Z"}""")]
    public void A_foreign_value_is_refused_with_a_reason_in_one_line(string json)
    {
        Assert.False(Documents.TryReadQueued(Id, Encoding.UTF8.GetBytes(json), out _, out var why));
        Assert.False(Documents.TryReadInFlight(
            Id,
            Encoding.UTF8.GetBytes(
                $$"""{"worker":"w","session":"1","claimed":"2026-11-22T10:00:00Z","run":{{(json.Length > 0 ? json : "{")}}}"""),
            out _,
            out var whyInFlight));
        Assert.False(Documents.TryReadOwed(Id, Encoding.UTF8.GetBytes(json), out _, out var whyOwed));
        Assert.False(Documents.TryReadHistory(Encoding.UTF8.GetBytes(json == "[]" ? "[null]" : json), out _, out var whyHistory));

        Assert.All(
            [why, whyInFlight, whyOwed, whyHistory],
            reason => Assert.True(reason.Length > 0 && !reason.Contains('\n', StringComparison.Ordinal), reason));
    }

    [Fact]
    public void A_run_id_that_would_be_a_path_is_refused()
    {
        var run = Run with { Origin = "a/../../b" };

        Assert.False(Documents.TryReadQueued(
            run.Id, JsonSerializer.SerializeToUtf8Bytes(run, JobsJson.Readable.RunSpec), out _, out var why));
        Assert.Contains("'/'", why, StringComparison.Ordinal);
    }
}
