using System.Net;
using System.Net.Http.Headers;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using Dts.Common.Hosting;
using MailKit.Net.Smtp;
using MailKit.Security;
using MimeKit;

namespace Dts.Master.Alerts;

/// <summary>Sends one message through one channel, once.</summary>
internal sealed class ChannelSender(Channels channels, TimeProvider time) : IDisposable
{
    private const int AnswerMax = 300;

    private static readonly TimeSpan Within = TimeSpan.FromSeconds(15);

    private readonly HttpClient _http = new(new SocketsHttpHandler
    {
        AllowAutoRedirect = false, // A redirect could take the message to an address that is refused.
        UseProxy = false,
        ConnectCallback = ConnectAsync,
        PooledConnectionLifetime = TimeSpan.FromMinutes(1),
    });

    /// <summary>Returns whether the message was accepted, and the answer in one line; null = there is no such channel.</summary>
    public async Task<SendAnswer?> SendAsync(string name, AlertNotice notice, CancellationToken cancel)
    {
        if (!channels.All.TryGetValue(name, out var channel))
        {
            return null;
        }

        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        limit.CancelAfter(Within);
        try
        {
            return channel.Type == ChannelSettings.Mail
                ? await MailAsync(channel, notice, limit.Token)
                : await PostAsync(channel, notice, limit.Token);
        }
        catch (OperationCanceledException) when (!cancel.IsCancellationRequested)
        {
            return new SendAnswer(false, $"no answer in {Within.TotalSeconds:0} s");
        }
        catch (Exception failure) when (!cancel.IsCancellationRequested) // Whatever a channel does, the others and the master go on.
        {
            var why = failure is HttpRequestException { InnerException: { } inner } ? inner.Message : failure.Message;
            return new SendAnswer(false, Short(why));
        }
    }

    public void Dispose() => _http.Dispose();

    private async Task<SendAnswer> PostAsync(ChannelSettings channel, AlertNotice notice, CancellationToken cancel)
    {
        var body = ChatBody.Of(channel, notice, time.GetUtcNow());
        using var request = new HttpRequestMessage(HttpMethod.Post, body.Url) { Content = new ByteArrayContent(body.Json) };
        request.Content.Headers.ContentType = new MediaTypeHeaderValue("application/json", "utf-8");
        request.Headers.Add("User-Agent", "dts");
        foreach (var (name, value) in body.Headers)
        {
            request.Headers.Add(name, value);
        }

        using var answer = await _http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, cancel);
        var text = await ReadSomeAsync(answer, cancel);
        var isTaken = answer.IsSuccessStatusCode && !(channel.Type != ChannelSettings.Webhook && SaysError(text));
        return new SendAnswer(isTaken, Short($"status {(int)answer.StatusCode}{(text.Length > 0 ? ": " : "")}{text}"));
    }

    private static async Task<string> ReadSomeAsync(HttpResponseMessage answer, CancellationToken cancel)
    {
        var buffer = new byte[AnswerMax * 4];
        await using var stream = await answer.Content.ReadAsStreamAsync(cancel);
        var count = await stream.ReadAtLeastAsync(buffer, buffer.Length, throwOnEndOfStream: false, cancel);
        return Encoding.UTF8.GetString(buffer, 0, count).Trim();
    }

    /// <summary>Feishu, DingTalk and WeCom answer with status 200 and a code other than 0.</summary>
    private static bool SaysError(string text)
    {
        try
        {
            using var json = JsonDocument.Parse(text);
            return json.RootElement.ValueKind == JsonValueKind.Object
                && (json.RootElement.TryGetProperty("errcode", out var code) || json.RootElement.TryGetProperty("code", out code))
                && !(code.ValueKind == JsonValueKind.Number && code.TryGetInt64(out var number) && number == 0);
        }
        catch (JsonException)
        {
            return false; // Slack says ok.
        }
    }

    private static async Task<SendAnswer> MailAsync(ChannelSettings channel, AlertNotice notice, CancellationToken cancel)
    {
        using var mail = new MimeMessage();
        mail.From.Add(MailboxAddress.Parse(channel.From));
        mail.To.AddRange(channel.To.Select(address => MailboxAddress.Parse(address)));
        mail.Subject = $"[DTS] {AlertText.Head(notice)}";
        mail.MessageId = $"{notice.Id}@dts";
        mail.Body = new TextPart("plain") { Text = notice.Text + "\n" };
        using var smtp = new SmtpClient { Timeout = (int)Within.TotalMilliseconds };
        var (host, port) = channel.Server;
        await smtp.ConnectAsync(host, port, channel.Tls switch
        {
            ChannelSettings.ImplicitTls => SecureSocketOptions.SslOnConnect,
            ChannelSettings.NoTls => SecureSocketOptions.None,
            _ => SecureSocketOptions.StartTls,
        }, cancel);
        if (channel.User.Length > 0)
        {
            await smtp.AuthenticateAsync(channel.User, channel.Password, cancel);
        }

        var answer = await smtp.SendAsync(mail, cancel);
        await smtp.DisconnectAsync(quit: true, cancel);
        return new SendAnswer(true, Short(answer));
    }

    /// <summary>
    /// Connects, except to link-local addresses and those where clouds serve a machine's credentials. Judges the address that the name
    /// resolved to.
    /// </summary>
    private static async ValueTask<Stream> ConnectAsync(SocketsHttpConnectionContext context, CancellationToken cancel)
    {
        var addresses = await Dns.GetHostAddressesAsync(context.DnsEndPoint.Host, cancel);
        if (addresses.FirstOrDefault(IsRefused) is { } refused)
        {
            throw new HttpRequestException(
                $"{context.DnsEndPoint.Host} is {refused}; clouds serve a machine's credentials at such addresses, so it is refused");
        }

        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        try
        {
            await socket.ConnectAsync(addresses, context.DnsEndPoint.Port, cancel);
            return new NetworkStream(socket, ownsSocket: true);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    internal static bool IsRefused(IPAddress address)
    {
        var bytes = (address.IsIPv4MappedToIPv6 ? address.MapToIPv4() : address).GetAddressBytes();
        return bytes is [169, 254, _, _] or [100, 100, 100, 200] or [0xFE, >= 0x80 and <= 0xBF, ..]
            || address.Equals(IPAddress.Parse("fd00:ec2::254"));
    }

    private static string Short(string text) => Display.Visible(text.Length <= AnswerMax ? text : text[..AnswerMax]);
}

/// <param name="Said">The answer of the other side, or why it could not be reached.</param>
internal readonly record struct SendAnswer(bool IsTaken, string Said);
