using System.Text.Json;
using Dts.Common.Jobs;
using Dts.Master.Versions;
using Dts.Tests.Support;
using Xunit;

namespace Dts.Tests.Unit.Master;

public sealed class JobDiffTests
{
    [Theory]
    [InlineData("{}",                                  "{}",                               "")]
    [InlineData("{}",                                  """{"enabled":false}""",            "enabled true > false")]
    [InlineData("""{"timeZone":"UTC"}""",              """{"timeZone":"UTC"}""",           "")]
    [InlineData("""{"retry":{"max":1}}""",             """{"retry":{"max":3}}""",          "retry.max 1 > 3")]
    [InlineData("""{"env":{"A":"1","B":"2"}}""",       """{"env":{"B":"2","C":"3"}}""",    "env.A \"1\" > -, env.C - > \"3\"")]
    [InlineData("""{"labels":{"team":"pay"}}""",       """{"labels":{"team":"ops"}}""",    "labels.team \"pay\" > \"ops\"")]
    [InlineData("""{"then":["a"]}""",                  """{"then":["a","b"]}""",           """then ["a"] > ["a","b"]""")]
    [InlineData("""{"target":{"labels":{"z":"1"}}}""", "{}",                               "target.labels.z \"1\" > -")]
    [InlineData("""{"memoryMax":"1K"}""",              """{"memoryMax":1024}""",           "")]
    // members that DTS does not know
    [InlineData("""{"owner":"x"}""",                   """{"owner":{"a":[1]}}""",          "owner \"x\" > -, owner.a - > [1]")]
    public void Two_definitions_differ_member_by_member(string was, string now, string changes) =>
        Assert.Equal(changes, Describe(JobDiff.Between(Job(was), Job(now))));

    [Fact]
    public void A_job_that_is_not_there_has_no_members()
    {
        Assert.Empty(JobDiff.Between(null, null));
        Assert.All(JobDiff.Between(null, Some.Job()), change => Assert.Null(change.Was));
        Assert.Contains(JobDiff.Between(Some.Job(), null), change => change is { Member: "command", Is: null });
    }

    [Theory]
    [InlineData("{}",                  null,                  0,  "created",  "")]
    [InlineData("{}",                  "deleted",             0,  "created",  "")]
    [InlineData("{}",                  null,                  4,  "saved",    null)]
    [InlineData("""{"user":"a"}""",    "{}",                  4,  "changed",  "user")]
    [InlineData("{}",                  """{"enabled":false}""", 4, "resumed",  "enabled")]
    [InlineData("""{"enabled":false}""", "{}",                4,  "paused",   "enabled")]
    [InlineData("deleted",             "{}",                  4,  "deleted",  "")]
    public void A_version_names_its_effect_in_one_word(string now, string? before, long former, string what, string? members)
    {
        var change = VersionChange.Of(Version(now, former), before is null ? null : Version(before, 1));

        Assert.Equal((what, members), (change.What, change.Members is { } changed ? string.Join(", ", changed) : null));
    }

    [Theory]
    [InlineData("1795341600000-17", 17L)]
    [InlineData("1795341600000--1", null)]
    [InlineData("x-1",              null)]
    [InlineData("17",               null)]
    public void A_place_survives_its_text_form(string text, long? revision)
    {
        Assert.Equal(revision, VersionCursor.Parse(text)?.Revision);
        Assert.True(revision is null || VersionCursor.Parse(text).ToString() == text);
    }

    private static JobVersion Version(string json, long former) =>
        new("id", "hello", 7, Some.Now, new Author("token", ""), former, json == "deleted" ? null : Job(json));

    private static Job Job(string more)
    {
        var json = $$"""{"name":"hello","command":"echo","cronExpr":"* * * * *"{{(more == "{}" ? "}" : "," + more[1..])}}""";
        return JsonSerializer.Deserialize(json, JobsJson.Readable.Job)!;
    }

    private static string Describe(IEnumerable<MemberChange> changes) =>
        string.Join(", ", changes.Select(change => $"{change.Member} {Text(change.Was)} > {Text(change.Is)}"));

    private static string Text(JsonElement? value) => value?.GetRawText() ?? "-";
}
