using System.Net;
using System.Text;
using Dts.Common.Jobs;
using Dts.Master.Alerts;
using Dts.Tests.Support;
using Xunit;

namespace Dts.Tests.Unit.Master.Alerts;

/// <summary>Messages as they are sent, with hostile texts from jobs.</summary>
public sealed class AlertTextTests
{
    private static readonly AlertMessage Message = new(
        "id-1", "oncall", "chat", AlertEvent.Failing, "backup", "", Some.Now, Some.Now,
        "run-1", RunStatus.Failed, "exit status 3", Times: 2, "last");

    [Fact]
    public void The_usual_sentence_names_job_reason_the_last_lines_and_the_link()
    {
        var output = string.Join('\n', Enumerable.Range(1, 20)) + "\n\u001b[31mno space\u202e left\r\n\n";
        var notice = AlertText.NoticeOf(Message, Some.Record(0, output: output) with { ExitCode = 3 }, "https://dts.example.com");

        Assert.Equal(
            "backup is failing, 2 times in a row: exit status 3\n12\n13\n14\n15\n16\n17\n18\n19\n20\n␛[31mno space? left\n"
                + "https://dts.example.com/runs/backup/run-1",
            notice.Text);
        Assert.Equal(3, notice.ExitCode);
    }

    [Theory]
    [InlineData("{job}: {reason}",             "{url}: exit {job} status")]
    [InlineData("{nothing} {job",              "{nothing} {job")]
    [InlineData("{event} {lastLine}{url}",     "failing one line␊another")]
    public void A_rules_own_text_expands_no_placeholder_that_comes_from_a_job(string text, string sent)
    {
        var message = Message with { JobName = "{url}", Reason = "exit {job} status", LastLine = "one line\nanother", Text = text };

        Assert.Equal(sent, AlertText.NoticeOf(message, null, "").Text);
    }

    [Theory]
    [InlineData("slack",    """{"text":"a &lt;!channel&gt; &amp; b"}""")]
    [InlineData("feishu",   """{"msg_type":"text","content":{"text":"a ‹!channel› & b"}}""")]
    [InlineData("dingtalk", """{"msgtype":"text","text":{"content":"a <!channel> & b"}}""")]
    [InlineData("wecom",    """{"msgtype":"text","text":{"content":"a <!channel> & b"}}""")]
    public void Each_chat_gets_its_form(string type, string body)
    {
        var notice = AlertText.NoticeOf(Message with { JobName = "a <!channel> & b", Text = "{job}" }, null, "");

        Assert.Equal(body, Encoding.UTF8.GetString(ChatBody.Of(new ChannelSettings(type, "https://chat"), notice, Some.Now).Json));
    }

    [Fact]
    public void Robots_with_a_secret_get_signed_requests_as_their_vendors_describe()
    {
        var notice = AlertText.NoticeOf(Message, null, "");
        var then = DateTimeOffset.FromUnixTimeSeconds(1599360473);
        var feishu = ChatBody.Of(new ChannelSettings("feishu", "https://chat", "demo"), notice, then);
        var dingTalk = ChatBody.Of(new ChannelSettings("dingtalk", "https://chat?access_token=x", "demo"), notice, Some.Now);

        // openssl dgst -sha256 -mac HMAC -macopt key:$'1599360473\ndemo' -binary </dev/null | base64
        Assert.EndsWith(
            """
            "timestamp":"1599360473","sign":"l1N0gAcBjdwBvGm1xMjOF0XSyaLRpR7tuO5dHfhAYc8="}
            """,
            Encoding.UTF8.GetString(feishu.Json));
        Assert.StartsWith("https://chat/?access_token=x&timestamp=1795341600000&sign=", dingTalk.Url.AbsoluteUri);
    }

    [Fact]
    public void A_long_message_is_cut_to_the_size_that_WeCom_accepts()
    {
        var notice = AlertText.NoticeOf(Message with { Text = new string('好', 3000) }, null, "");

        var body = Encoding.UTF8.GetString(ChatBody.Of(new ChannelSettings("wecom", "https://chat"), notice, Some.Now).Json);

        Assert.InRange(Encoding.UTF8.GetByteCount(body), 1500, 2100);
        Assert.EndsWith("好…\"}}", body);
    }

    [Theory]
    [InlineData("169.254.169.254",        true)]
    [InlineData("::ffff:169.254.169.254", true)]
    [InlineData("fe80::1",                true)]
    [InlineData("fd00:ec2::254",          true)]
    [InlineData("100.100.100.200",        true)]
    [InlineData("127.0.0.1",              false)]
    [InlineData("10.0.0.1",               false)]
    [InlineData("2001:db8::1",            false)]
    public void Addresses_where_clouds_serve_credentials_are_refused(string address, bool isRefused) =>
        Assert.Equal(isRefused, ChannelSender.IsRefused(IPAddress.Parse(address)));

    [Theory]
    [InlineData("""{"a":{"type":"webhook","url":"https://x"}}""",                 "")]
    [InlineData("""{"a":{"type":"pigeon"}}""",                                    "type is \"pigeon\"; expected one of webhook, ")]
    [InlineData("""{"a":{"type":"slack","url":"file:///etc/passwd"}}""",          "channel a: url is not an http or https URL")]
    [InlineData("""{"a":{"type":"mail","smtp":"h"}}""",                           "channel a: expected smtp, from and to")]
    [InlineData("""{"a":{"type":"webhook","url":"https://x","sekret":"hush"}}""", "is not a JSON object of channels (line 1, $.a")]
    [InlineData("""{"a/b":{"type":"webhook","url":"https://x"}}""",               "channel a/b: its name is wrong")]
    [InlineData("""[]""",                                                         "is not a JSON object of channels")]
    public void A_wrong_file_of_channels_is_refused_without_quoting_its_secrets(string json, string why)
    {
        using var scratch = new ScratchFolder();
        File.WriteAllText(scratch.File("channels.json"), json);
        if (why.Length == 0)
        {
            Assert.Single(ChannelSettings.ReadFile(scratch.File("channels.json")));
            return;
        }

        var wrong = Assert.Throws<FormatException>(() => ChannelSettings.ReadFile(scratch.File("channels.json")));
        Assert.Contains(why, wrong.Message);
        Assert.DoesNotContain("hush", wrong.Message);
    }

    [Fact]
    public void A_missing_file_has_no_channels() => Assert.Empty(ChannelSettings.ReadFile("/there/is/none.json"));
}
