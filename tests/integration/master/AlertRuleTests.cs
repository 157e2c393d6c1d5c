using Xunit;

namespace Dts.Tests.Integration.Master;

public sealed class AlertRuleTests(AlertedMaster master) : IClassFixture<AlertedMaster>
{
    [Theory]
    [InlineData("""{"channel":"nobody"}""",                              "channel is \"nobody\"; expected one of chat, metadata, ops")]
    [InlineData("""{"channel":"pager","on":[]}""",                       "on is empty")]
    [InlineData("""{"channel":"pager","on":["noSuccess"]}""",            "noSuccessSeconds is 0")]
    [InlineData("""{"channel":"pager","after":0}""",                     "after is 0; expected 1 to 20")]
    [InlineData("""{"channel":"pager","filter":"state:failing"}""",      "which does not apply to events")]
    [InlineData("""{"channel":"pager","filter":"ending:failed"}""",      "which does not apply to rules")]
    [InlineData("""{"channel":"pager","on":["burning"]}""",
        "on is [\"burning\"]; expected a list of failing, recovered, missed, lost, slow, noSuccess, workerGone, ledgerFault")]
    [InlineData("""{"channel":"pager","on":[null]}""",                   "on is [null]; expected a list of failing")]
    [InlineData("""{"channel":"pager","after":"two"}""",                 "after is \"two\"; expected a whole number")]
    [InlineData("""{"channel":"pager","filter":null}""",                 "filter is null; expected words that name jobs or workers")]
    [InlineData("""{"filter":"job:a"}""",                               "channel is missing; expected a channel of the file alertChannels")]
    [InlineData("""{"channel":null}""",                                  "channel is null; expected a channel of the file alertChannels")]
    [InlineData("""{"channel":"pager","shout":true}""",
        "member \"shout\" is not known; expected channel, filter, on, after, slowFactor, noSuccessSeconds, quietSeconds, text, enabled")]
    public async Task A_wrong_rule_is_refused(string rule, string why)
    {
        var (status, body) = await master.SendAsync(HttpMethod.Put, "rules/wrong", rule);

        Assert.Equal(422, status);
        Assert.Contains(why, (string?)body!["detail"]);
    }

    [Theory]
    [InlineData("{}",                                        "filter is missing; expected words that name jobs or workers")]
    [InlineData("""{"filter":["job:a"]}""",                  "filter is [\"job:a\"]; expected words that name jobs or workers")]
    [InlineData("""{"filter":"job:a","until":"tomorrow"}""", "until is \"tomorrow\"; expected a time such as 2026-11-22T10:00:00Z")]
    [InlineData("""{"filter":"job:a","until":5}""",          "until is 5; expected a time such as 2026-11-22T10:00:00Z")]
    [InlineData("""{"filter":"job:a","reason":5}""",         "reason is 5; expected a text")]
    [InlineData("""{"filter":"job:a","reason":null}""",      "reason is null; expected a text")]
    public async Task A_wrong_mute_is_refused(string mute, string why)
    {
        var (status, body) = await master.SendAsync(HttpMethod.Post, "mutes", mute);

        Assert.Equal(422, status);
        Assert.StartsWith(why, (string?)body!["detail"]);
    }

    [Fact]
    public async Task A_mute_ends_at_a_time_in_any_form_of_RFC_3339()
    {
        var until = DateTimeOffset.UtcNow.AddHours(1);

        var (status, mute) = await master.SendAsync(
            HttpMethod.Post, "mutes", $$"""{"filter":"job:a","until":"{{until:yyyy-MM-dd}}t{{until:HH:mm:ss.fffffff}}89z"}""");

        Assert.Equal((201, until), (status, (DateTimeOffset)mute!["until"]!));
    }

    [Fact]
    public async Task A_job_whose_alert_names_an_unknown_channel_is_refused_unless_the_job_had_it()
    {
        const string expected = "alert.channel is \"nobody\"; expected one of chat, metadata, ops, pager";
        const string job = """{"name":"alone","command":"true","cronExpr":"0 3 * * *","alert":{"channel":"nobody"}}""";

        foreach (var (method, path) in new[] { (HttpMethod.Put, "../jobs/alone"), (HttpMethod.Post, "../apply") })
        {
            var (status, problem) = await master.SendAsync(method, path, job);

            Assert.Equal(422, status);
            Assert.Contains(expected, (string?)problem!["detail"]);
        }

        await master.PutInEtcdAsync("alone", job); // Its channel was known once.
        Assert.Equal(200, (await master.SendAsync(HttpMethod.Patch, "../jobs/alone", """{"command":"false"}""")).Status);
        var (moved, _) = await master.SendAsync(HttpMethod.Patch, "../jobs/alone", """{"alert":{"channel":"ops"}}""");
        Assert.Equal(200, moved);
    }
}
