using System.Security.Cryptography;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Dts.Master.Alerts;

/// <summary>A message as the robot of a chat, or a webhook, accepts it.</summary>
/// <param name="Headers">In addition to the content's own.</param>
internal sealed record ChatBody(Uri Url, byte[] Json, IReadOnlyList<(string Name, string Value)> Headers)
{
    private const int WeComBytesMax = 2000; // It accepts 2,048.

    private static readonly JsonSerializerOptions Readable = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    public static ChatBody Of(ChannelSettings channel, AlertNotice notice, DateTimeOffset now) => channel.Type switch
    {
        ChannelSettings.Slack => OfChat(channel.Url, new JsonObject { ["text"] = EscapeSlack(notice.Text) }),
        ChannelSettings.Feishu => OfChat(channel.Url, OfFeishu(channel.Secret, notice.Text, now.ToUnixTimeSeconds())),
        ChannelSettings.DingTalk => OfChat(SignedDingTalk(channel, now.ToUnixTimeMilliseconds()), OfRobot(notice.Text)),
        ChannelSettings.WeCom => OfChat(channel.Url, OfRobot(CutToBytes(notice.Text))),
        _ => OfWebhook(channel, notice, now.ToUnixTimeSeconds()),
    };

    /// <summary>The signature of a webhook: HMAC-SHA256 of "seconds.body", as hexadecimal digits.</summary>
    public static string SignWebhook(string secret, long seconds, ReadOnlySpan<byte> body) => Convert.ToHexStringLower(
        HMACSHA256.HashData(Encoding.UTF8.GetBytes(secret), (byte[])[.. Encoding.ASCII.GetBytes($"{seconds}."), .. body]));

    private static ChatBody OfWebhook(ChannelSettings channel, AlertNotice notice, long seconds)
    {
        var body = JsonSerializer.SerializeToUtf8Bytes(notice, AlertJson.Readable.AlertNotice);
        List<(string, string)> headers = [("DTS-Delivery", notice.Id)];
        if (channel.Secret.Length > 0)
        {
            headers.Add(("DTS-Signature", $"t={seconds},v1={SignWebhook(channel.Secret, seconds, body)}"));
        }

        return new ChatBody(new Uri(channel.Url), body, headers);
    }

    private static ChatBody OfChat(string url, JsonObject body) =>
        new(new Uri(url), Encoding.UTF8.GetBytes(body.ToJsonString(Readable)), []);

    private static JsonObject OfRobot(string text) => new() { ["msgtype"] = "text", ["text"] = new JsonObject { ["content"] = text } };

    private static JsonObject OfFeishu(string secret, string text, long seconds)
    {
        var body = new JsonObject { ["msg_type"] = "text", ["content"] = new JsonObject { ["text"] = WithoutTags(text) } };
        if (secret.Length > 0)
        {
            body["timestamp"] = $"{seconds}";
            body["sign"] = Sign($"{seconds}\n{secret}", "");
        }

        return body;
    }

    private static string SignedDingTalk(ChannelSettings channel, long milliseconds)
    {
        if (channel.Secret.Length == 0)
        {
            return channel.Url;
        }

        var sign = Uri.EscapeDataString(Sign(channel.Secret, $"{milliseconds}\n{channel.Secret}"));
        return $"{channel.Url}{(channel.Url.Contains('?') ? '&' : '?')}timestamp={milliseconds}&sign={sign}";
    }

    private static string Sign(string key, string text) =>
        Convert.ToBase64String(HMACSHA256.HashData(Encoding.UTF8.GetBytes(key), Encoding.UTF8.GetBytes(text)));

    /// <summary>Escapes what could name a channel or everyone in it: &lt;!channel&gt;.</summary>
    private static string EscapeSlack(string text) => text.Replace("&", "&amp;", StringComparison.Ordinal)
        .Replace("<", "&lt;", StringComparison.Ordinal).Replace(">", "&gt;", StringComparison.Ordinal);

    /// <summary>Replaces what Feishu's tags begin and end with, such as those that notify everyone: it has no escape for them.</summary>
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
