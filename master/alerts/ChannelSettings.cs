using System.Text.Json;
using Dts.Common.Hosting;
using Dts.Common.Jobs;

namespace Dts.Master.Alerts;

/// <summary>A channel that messages go to. It has secrets, so it is only in the masters' file alertChannels.</summary>
/// <param name="Type">webhook, slack, feishu, dingtalk, wecom or mail.</param>
/// <param name="Url">For all types except mail.</param>
/// <param name="Secret">webhook: signs the body; feishu, dingtalk: the robot's signing secret.</param>
/// <param name="Smtp">host:port of the mail server.</param>
/// <param name="Tls">starttls; implicit: from the first byte on; none.</param>
internal sealed record ChannelSettings(
    string Type,
    string Url = "",
    string Secret = "",
    string Smtp = "",
    string Tls = ChannelSettings.StartTls,
    string User = "",
    string Password = "",
    string From = "",
    IReadOnlyList<string>? To = null)
{
    public const string Mail = "mail";
    public const string Webhook = "webhook";
    public const string Slack = "slack";
    public const string Feishu = "feishu";
    public const string DingTalk = "dingtalk";
    public const string WeCom = "wecom";
    public const string StartTls = "starttls";
    public const string ImplicitTls = "implicit";
    public const string NoTls = "none";

    private const int MailPort = 587;

    private static readonly string[] Types = [Webhook, Slack, Feishu, DingTalk, WeCom, Mail];
    private static readonly string[] TlsWords = [StartTls, ImplicitTls, NoTls];

    public IReadOnlyList<string> To { get; init; } = To ?? [];

    /// <summary>The host or the addresses: the part without secrets.</summary>
    public string Shown => Type == Mail ? string.Join(", ", To) : Uri.TryCreate(Url, UriKind.Absolute, out var url) ? url.Authority : "";

    public (string Host, int Port) Server => Smtp.LastIndexOf(':') is > 0 and var colon && int.TryParse(Smtp[(colon + 1)..], out var port)
        ? (Smtp[..colon], port)
        : (Smtp, MailPort);

    /// <summary>Reads the file; a missing file has no channels.</summary>
    /// <exception cref="FormatException">The file is wrong; the message says where and why.</exception>
    public static IReadOnlyDictionary<string, ChannelSettings> ReadFile(string path)
    {
        try
        {
            var channels = JsonSerializer.Deserialize(File.ReadAllBytes(path), AlertJson.Readable.DictionaryStringChannelSettings) ?? [];
            foreach (var (name, channel) in channels)
            {
                if (channel.FindFault(name) is { } fault)
                {
                    throw new FormatException($"{path}: channel {Display.Line(name)}: {fault}");
                }
            }

            return channels;
        }
        catch (Exception missing) when (missing is FileNotFoundException or DirectoryNotFoundException)
        {
            return new Dictionary<string, ChannelSettings>();
        }
        catch (Exception wrong) when (wrong is IOException or UnauthorizedAccessException)
        {
            throw new FormatException($"{path} cannot be read: {wrong.Message}", wrong);
        }
        catch (JsonException wrong)
        {
            // Without the exception's message, which may quote a part of a secret.
            throw new FormatException(
                $"{path} is not a JSON object of channels (line {wrong.LineNumber + 1}, {Display.Line(wrong.Path ?? "")})", wrong);
        }
    }

    private string? FindFault(string name) =>
        !WorkerRegistration.IsId(name) ? $"its name is wrong; expected {WorkerRegistration.ExpectedId}"
        : !Types.Contains(Type) ? $"type is \"{Display.Line(Type)}\"; expected one of {string.Join(", ", Types)}"
        : Type != Mail && !(Uri.TryCreate(Url, UriKind.Absolute, out var url) && url.Scheme is "http" or "https")
            ? "url is not an http or https URL"
        : Type == Mail && (Smtp.Length == 0 || From.Length == 0 || To.Count == 0) ? "expected smtp, from and to"
        : Type == Mail && Server.Port is < 1 or > 65535 ? $"smtp is \"{Display.Line(Smtp)}\"; expected a port from 1 to 65535"
        : !TlsWords.Contains(Tls) ? $"tls is \"{Display.Line(Tls)}\"; expected one of {string.Join(", ", TlsWords)}"
        : null;
}
