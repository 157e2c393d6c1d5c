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
    [InlineData("""{"channel":"pager","on":["burning"]}""",              "expected an object")]
    [InlineData("""{"channel":"pager","shout":true}""",                  "shout")]
    public async Task A_wrong_rule_is_refused(string rule, string why)
    {
        var (status, body) = await master.SendAsync(HttpMethod.Put, "rules/wrong", rule);

        Assert.Equal(422, status);
        Assert.Contains(why, (string?)body!["detail"]);
    }
}
