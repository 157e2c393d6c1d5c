using System.Security.Cryptography;
using Dts.Common.Hosting;

namespace Dts.Common.Etcd;

/// <summary>The settings that both services need to reach etcd.</summary>
public static class EtcdSettings
{
    public static readonly TimeSpan DefaultCallTimeout = TimeSpan.FromSeconds(5);

    public static EtcdOptions Read(SettingsReader settings)
    {
        var tls = new
        {
            Authority = settings.Text("etcdCaFile", "", IsFileOrEmpty, "a PEM file that exists"),
            Certificate = settings.Text("etcdCertFile", "", IsFileOrEmpty, "a PEM file that exists"),
            Key = settings.Text("etcdKeyFile", "", IsFileOrEmpty, "a PEM file that exists"),
        };
        var scheme = tls.Authority.Length + tls.Certificate.Length > 0 ? "https" : "http";
        var endpoints = settings.List("etcdEndpoints", "127.0.0.1:2379").Select(text => ParseEndpoint(settings, text, scheme)).ToArray();
        if (endpoints.Length == 0)
        {
            throw settings.Wrong("etcdEndpoints", "", "at least one host:port");
        }

        var user = settings.Text("etcdUser", "");
        var password = settings.Secret("etcdPassword");
        if ((user.Length > 0) != (password.Length > 0))
        {
            throw new SettingsException("settings etcdUser and etcdPassword: only one of them is set; expected both or neither");
        }

        if ((tls.Certificate.Length > 0) != (tls.Key.Length > 0))
        {
            throw new SettingsException("settings etcdCertFile and etcdKeyFile: only one of them is set; expected both or neither");
        }

        return Try(new EtcdOptions(
            endpoints,
            settings.Milliseconds("etcdDialTimeout", (int)DefaultCallTimeout.TotalMilliseconds, min: 100),
            User: NullIfEmpty(user),
            Password: NullIfEmpty(password),
            AuthorityFile: NullIfEmpty(tls.Authority),
            CertificateFile: NullIfEmpty(tls.Certificate),
            KeyFile: NullIfEmpty(tls.Key)));
    }

    /// <summary>Reads the files once, so that a fault in them is reported at the start.</summary>
    private static EtcdOptions Try(EtcdOptions options)
    {
        try
        {
            options.CreateHandler().Dispose();
            return options;
        }
        catch (Exception wrong) when (wrong is CryptographicException or IOException or UnauthorizedAccessException)
        {
            throw StartFailure.Of(
                wrong, $"settings etcdCaFile, etcdCertFile, etcdKeyFile: {Display.Line(wrong.Message)}; expected readable PEM files");
        }
    }

    private static Uri ParseEndpoint(SettingsReader settings, string text, string scheme)
    {
        var absolute = text.Contains("://", StringComparison.Ordinal) ? text : $"{scheme}://{text}";
        return Uri.TryCreate(absolute, UriKind.Absolute, out var uri)
            && uri.Scheme is "http" or "https"
            && HasPort(text)
            && uri.PathAndQuery == "/"
            ? uri
            : throw settings.Wrong("etcdEndpoints", text, "host:port, or a list of them");
    }

    /// <summary>Looks at the text, because a URI without a port has the default port of its scheme.</summary>
    private static bool HasPort(string text) => text.TrimEnd('/') is var address
        && address.LastIndexOf(':') is >= 0 and var colon
        && ushort.TryParse(address[(colon + 1)..], out var port)
        && port > 0;

    private static bool IsFileOrEmpty(string path) => path.Length == 0 || File.Exists(path);

    private static string? NullIfEmpty(string text) => text.Length > 0 ? text : null;
}
