using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Dts.Master.Api;
using Dts.Master.Jobs;
using Dts.Tests.Support;
using Xunit;

namespace Dts.Tests.Unit.Master;

public sealed class JobMembersTests
{
    [Theory]
    [InlineData("""{"timezone":"UTC"}""",            "timezone",        "timeZone")]
    [InlineData("""{"Command":"x"}""",               "Command",         "command")]
    [InlineData("""{"cron":"x"}""",                  "cron",            "cronExpr")]
    [InlineData("""{"timeout":1}""",                 "timeout",         "timeoutSeconds")]
    [InlineData("""{"retries":1}""",                 "retries",         "retry")]
    [InlineData("""{"descripton":"x"}""",            "descripton",      "description")]
    [InlineData("""{"target":{"worker":["w1"]}}""",  "target.worker",   "workers")]
    [InlineData("""{"retry":{"maxx":1}}""",          "retry.maxx",      "max")]
    [InlineData("""{"owner":"me"}""",                "owner",           null)]
    public void A_member_that_is_not_known_is_found_with_the_known_one_that_was_probably_meant(string job, string path, string? nearest)
    {
        var unknown = Assert.Single(JobMembers.FindUnknown(JsonNode.Parse(job)!.AsObject(), former: null));

        Assert.Equal((path, nearest), (unknown.Path, unknown.Nearest));
    }

    [Theory]
    [InlineData("""{"\ud800":1}""")]
    [InlineData("""{"retry":{"\ud800":1}}""")]
    [InlineData("""{"a":[{"\ud800":1}]}""")]
    public void A_name_that_is_not_Unicode_is_refused_when_the_body_is_read(string body)
    {
        var utf8 = Encoding.UTF8.GetBytes(body);

        Assert.Equal(422, Assert.Throws<Refusal>(() => JsonBody.Parse(utf8, "a job")).Problem.Status);
        Assert.Equal(422, Assert.Throws<Refusal>(() => KillBody.Read(utf8)).Problem.Status);
    }

    [Fact]
    public void Members_that_the_job_has_already_are_accepted()
    {
        var former = Some.Job() with { Unknown = new() { ["owner"] = JsonElement.Parse("1") } };

        var given = JsonNode.Parse("""{"owner":2,"command":"x","target":{},"retry":{"max":1}}""")!.AsObject();

        Assert.Empty(JobMembers.FindUnknown(given, former));
    }

    [Fact]
    public void Two_versions_differ_in_the_members_with_other_values()
    {
        var former = Some.Job() with { Unknown = new() { ["owner"] = JsonElement.Parse("1") } };

        Assert.Equal(
            ["command", "labels", "owner"],
            JobMembers.Changed(former, Some.Job() with { Command = "echo more", Labels = new Dictionary<string, string> { ["a"] = "b" } }));
        Assert.Empty(JobMembers.Changed(former, former));
    }
}
