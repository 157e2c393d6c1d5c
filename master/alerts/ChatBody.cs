using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace Dts.Master.Alerts;

/// <summary>The request that a chat's robot, or a webhook, takes.</summary>
/// <param name="Headers">Beside the content's own.</param>
internal sealed record ChatBody(Uri Url, byte[] Json, IReadOnlyList<(string Name, string Value)> Headers)
{
    private const int WeComBytesMax = 2000; // It takes 2,048.

    public static ChatBody Of(ChannelSettings channel, AlertNotice notice, DateTimeOffset now)
    {
        var seconds = now.ToUnixTimeSeconds();
        return channel.Type switch
        {
            ChannelSettings.Slack => Plain(channel, JsonSerializer.SerializeToUtf8Bytes(
                new ChatText(EscapeSlack(notice.Text)), AlertJson.Readable.ChatText)),
            ChannelSettings.Feishu => Plain(channel, JsonSerializer.SerializeToUtf8Bytes(
                channel.Secret.Length > 0
                    ? new FeishuText("text", new ChatText(WithoutTags(notice.Text)), $"{seconds}", Sign($"{seconds}\n{channel.Secret}", ""))
                    : new FeishuText("text", new ChatText(WithoutTags(notice.Text))),
                AlertJson.Readable.FeishuText)),
            ChannelSettings.DingTalk => new ChatBody(
                channel.Secret.Length > 0 ? SignDingTalk(channel, now.ToUnixTimeMilliseconds()) : new Uri(channel.Url),
                JsonSerializer.SerializeToUtf8Bytes(
                    new DingTalkText("text", new DingTalkContent(notice.Text)), AlertJson.Readable.DingTalkText),
                []),
            ChannelSettings.WeCom => Plain(channel, JsonSerializer.SerializeToUtf8Bytes(
                new WeComText("text", new DingTalkContent(CutToBytes(notice.Text))), AlertJson.Readable.WeComText)),
            _ => OfWebhook(channel, notice, seconds),
        };
    }

    /// <summary>The signature of a webhook: HMAC-SHA256 of "seconds.body", as hexadecimal digits.</summary>
    public static string SignWebhook(string secret, long seconds, ReadOnlySpan<byte> body) => Convert.ToHexStringLower(
        HMACSHA256.HashData(Encoding.UTF8.GetBytes(secret), (byte[])[.. Encoding.ASCII.GetBytes($"{seconds}."), .. body]));

    private static ChatBody OfWebhook(ChannelSettings channel, AlertNotice notice, long seconds)
    {
        var body = JsonSerializer.SerializeToUtf8Bytes(notice, AlertJson.Readable.AlertNotice);
        return new ChatBody(
            new Uri(channel.Url),
            body,
            [
                ("DTS-Delivery", notice.Id),
                .. channel.Secret.Length > 0
                    ? new[] { ("DTS-Signature", $"t={seconds},v1={SignWebhook(channel.Secret, seconds, body)}") }
                    : [],
            ]);
    }

    private static ChatBody Plain(ChannelSettings channel, byte[] json) => new(new Uri(channel.Url), json, []);

    private static Uri SignDingTalk(ChannelSettings channel, long milliseconds)
    {
        var sign = Uri.EscapeDataString(Sign(channel.Secret, $"{milliseconds}\n{channel.Secret}"));
        return new Uri($"{channel.Url}{(channel.Url.Contains('?') ? '&' : '?')}timestamp={milliseconds}&sign={sign}");
    }

    private static string Sign(string key, string text) =>
        Convert.ToBase64String(HMACSHA256.HashData(Encoding.UTF8.GetBytes(key), Encoding.UTF8.GetBytes(text)));

    /// <summary>Else a job's text could name a channel or everyone in it: &lt;!channel&gt;.</summary>
    private static string EscapeSlack(string text) => text.Replace("&", "&amp;", StringComparison.Ordinal)
        .Replace("<", "&lt;", StringComparison.Ordinal).Replace(">", "&gt;", StringComparison.Ordinal);

    /// <summary>Feishu has no escape for its tags, such as the one that calls everyone.</summary>
    private static string WithoutTags(string text) => text.Replace('<', '‹').Replace('>', '›');

    private static string CutToBytes(string text)
    {
        var length = text.Length;
        while (Encoding.UTF8.GetByteCount(text.AsSpan(0, length)) > WeComBytesMax)
        {
            length -= Math.Max(1, length / 20);
        }

        return length < text.Length ? text[..length] + "…" : text;
    }
}

internal sealed record ChatText(string Text);

internal sealed record FeishuText(
    [property: JsonPropertyName("msg_type")] string MsgType,
    ChatText Content,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] string? Timestamp = null,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] string? Sign = null);

internal sealed record DingTalkText(string Msgtype, DingTalkContent Text);

internal sealed record DingTalkContent(string Content);

internal sealed record WeComText(string Msgtype, DingTalkContent Text);
