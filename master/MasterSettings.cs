using System.Globalization;
using System.Net;
using Dts.Common.Cron;
using Dts.Common.Etcd;
using Dts.Common.Hosting;
using Dts.Common.Jobs;
using Dts.Common.Logs;
using Dts.Master.Api;

namespace Dts.Master;

/// <param name="ReadTimeout">How long a request may take to arrive.</param>
/// <param name="WriteTimeout">How long an answer may take.</param>
/// <param name="ApiToken">The token that clients must send; empty = none, which is allowed on loopback only.</param>
/// <param name="AllowedOrigins">Web origins other than our own address whose pages may change jobs, e.g. https://dts.example.com.</param>
/// <param name="TrustedProxies">Addresses of proxies whose X-Forwarded-For and X-Forwarded-User are believed.</param>
/// <param name="AuditRetention">How long records of the audit trail are kept.</param>
/// <param name="AlertChannels">The file of the channels that alerts go to.</param>
/// <param name="PublicUrl">Where people reach the console, without a slash at the end; empty = messages have no link.</param>
/// <param name="DefaultZone">The zone of jobs that name none.</param>
internal sealed record MasterSettings(
    IPAddress Listen,
    int ApiPort,
    TimeSpan ReadTimeout,
    TimeSpan WriteTimeout,
    string ApiToken,
    IReadOnlyList<string> AllowedOrigins,
    IReadOnlyList<IPAddress> TrustedProxies,
    CronZone DefaultZone,
    EtcdOptions Etcd,
    Keys Keys,
    LogSettings Log,
    TimeSpan VersionRetention,
    string AlertChannels,
    string PublicUrl,
    TimeSpan AuditRetention,
    LogLevel LogLevel)
{
    private const int TokenLengthMin = 16;
    private const string OrToken = "; or make a token: dts-master token create --role admin --name NAME";

    /// <summary>The settings that a reload changes in a running master.</summary>
    public static string[] Reloadable { get; } = ["allowedOrigins", "logLevel"];

    public static MasterSettings Read(SettingsReader settings)
    {
        var listen = settings.Text("listen", "127.0.0.1", text => IPAddress.TryParse(text, out _), "an IP address");
        var token = settings.Secret("apiToken");
        if (token.Length is > 0 and < TokenLengthMin)
        {
            throw new SettingsException($"setting apiToken has {token.Length} characters; expected at least {TokenLengthMin}");
        }

        string[] origins = [.. settings.List("allowedOrigins", "").Select(text => OriginOf(text) ?? throw settings.Wrong(
            "allowedOrigins", text, "web origins such as https://dts.example.com, without a path"))];
        settings.Text("webroot", ""); // The original's: the console is built in.
        return new MasterSettings(
            IPAddress.Parse(listen),
            settings.Number("apiPort", 8070, 1, 65535),
            settings.Milliseconds("apiReadTimeout", 5000),
            settings.Milliseconds("apiWriteTimeout", 5000),
            token,
            origins,
            [.. settings.List("trustedProxies", "").Select(text => IPAddress.TryParse(text, out var proxy) ? proxy : throw settings.Wrong(
                "trustedProxies", text, "IP addresses"))],
            ZoneSetting.Read(settings),
            EtcdSettings.Read(settings),
            Keys.Read(settings),
            LogSettings.Read(settings),
            TimeSpan.FromDays(settings.Number("versionRetentionDays", 400, 1, 36_500)),
            settings.Text("alertChannels", "/etc/dts/alert-channels.json"),
            settings.Text("publicUrl", "", IsPublicUrl, "a URL such as https://dts.example.com").TrimEnd('/'),
            TimeSpan.FromDays(settings.Number("auditRetentionDays", 400, 1, 36_500)),
            LogLevelSetting.Read(settings));
    }

    /// <summary>Refuses an address that other hosts reach, and pages of other sites, unless callers must show who they are.</summary>
    /// <param name="hasRecords">There are people or tokens, so callers must.</param>
    /// <exception cref="SettingsException">The master would be open to everybody.</exception>
    public void ThrowIfOpenToOthers(SettingsReader reader, bool hasRecords)
    {
        if (hasRecords || ApiToken.Length > 0 || TrustedProxies.Count > 0)
        {
            return;
        }

        if (!IPAddress.IsLoopback(Listen))
        {
            throw reader.Wrong(
                "listen",
                $"{Listen}",
                $"a loopback address, or a setting apiToken: whoever reaches this port can run commands on every worker{OrToken}");
        }

        if (AllowedOrigins.FirstOrDefault(origin => !IsLoopback(origin)) is { } foreign)
        {
            throw reader.Wrong(
                "allowedOrigins",
                foreign,
                $"loopback origins only, or a setting apiToken: anyone who reaches that site could run commands on every worker{OrToken}");
        }
    }

    /// <summary>An origin as browsers send it: in lower case, without default port or final slash; null = it is not an origin.</summary>
    private static string? OriginOf(string text) =>
        Uri.TryCreate(text, UriKind.Absolute, out var page)
            && page is { Scheme: "http" or "https", PathAndQuery: "/", Fragment: "", UserInfo: "" }
                ? $"{page.Scheme}://{(page.HostNameType == UriHostNameType.IPv6 ? page.Host : page.IdnHost)}"
                    + (page.IsDefaultPort ? "" : string.Create(CultureInfo.InvariantCulture, $":{page.Port}"))
                : null;

    private static bool IsPublicUrl(string text) => text.Length == 0
        || (Uri.TryCreate(text, UriKind.Absolute, out var url)
            && url is { Scheme: "http" or "https", Query: "", Fragment: "", UserInfo: "" });

    internal static bool IsLoopback(string origin) =>
        Uri.TryCreate(origin, UriKind.Absolute, out var page) && RequestGuard.IsLoopback(page.DnsSafeHost);
}
