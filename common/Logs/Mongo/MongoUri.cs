using System.Net.Security;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text.RegularExpressions;
using DnsClient;
using MongoDB.Bson.IO;
using MongoDB.Driver;
using MongoDB.Driver.Core.Configuration;

namespace Dts.Common.Logs.Mongo;

/// <summary>Reads the setting mongodbUri, with the options for TLS that the driver does not know.</summary>
internal static partial class MongoUri
{
    private static readonly TimeSpan AnswersWithin = TimeSpan.FromSeconds(60); // After that the connection is closed.

    /// <summary>The hosts, without user and password.</summary>
    public static string HostsOf(string uri) =>
        HostsPattern().Match(uri) is { Success: true } match ? match.Groups[1].Value : "an unknown host";

    /// <exception cref="LogStoreException">The name of a mongodb+srv URI cannot be looked up now.</exception>
    /// <exception cref="FormatException">
    /// The text is not a MongoDB URI, or has an option that is not supported; the message has no password.
    /// </exception>
    public static MongoClientSettings Read(string uri, TimeSpan connectTimeout)
    {
        var options = OptionPattern().Matches(uri).GroupBy(option => option.Groups[1].Value, StringComparer.OrdinalIgnoreCase)
            .ToDictionary(same => same.Key, same => Uri.UnescapeDataString(same.First().Groups[2].Value), StringComparer.OrdinalIgnoreCase);
        Check(uri, options);
        var settings = Parse(uri);
        settings.ApplicationName ??= "dts";
        settings.ConnectTimeout = options.ContainsKey("connectTimeoutMS") ? settings.ConnectTimeout : connectTimeout;
        settings.ServerSelectionTimeout = options.ContainsKey("serverSelectionTimeoutMS")
            ? settings.ServerSelectionTimeout
            : connectTimeout;
        settings.WaitQueueTimeout = options.ContainsKey("waitQueueTimeoutMS") ? settings.WaitQueueTimeout : connectTimeout;
        settings.SocketTimeout = options.ContainsKey("socketTimeoutMS") ? settings.SocketTimeout : AnswersWithin;
        settings.WriteConcern = options.ContainsKey("w")
            ? settings.WriteConcern
            : settings.WriteConcern.With(w: (WriteConcern.WValue)"majority");
        settings.ReadPreference = ReadPreference.Primary; // A process reads at once what another has written.
        settings.ReadEncoding = settings.WriteEncoding = Utf8Encodings.Lenient;
        var isOneServer = settings.Scheme == ConnectionStringScheme.MongoDB
            && settings.Servers.Count() == 1
            && settings.ReplicaSetName is null
            && !settings.LoadBalanced;
        // A replica set may announce its members by names that this host does not know.
        settings.DirectConnection = options.ContainsKey("directConnection") ? settings.DirectConnection : isOneServer;

        ReadTls(settings, options);
        return settings;
    }

    private static void Check(string uri, Dictionary<string, string> options)
    {
        if (HostsOf(uri).Contains("%2F", StringComparison.OrdinalIgnoreCase))
        {
            throw new FormatException("a Unix socket as host is not supported; expected host:port");
        }

        if (options.GetValueOrDefault("authMechanism") is { } mechanism && mechanism.ToUpperInvariant() is "GSSAPI" or "MONGODB-AWS")
        {
            throw new FormatException(
                $"option authMechanism: \"{mechanism}\" is not supported; expected SCRAM-SHA-256, SCRAM-SHA-1, MONGODB-X509 or PLAIN");
        }

        if (options.GetValueOrDefault("w") is "0")
        {
            throw new FormatException("option w: \"0\" would lose records; expected w=majority or a number from 1");
        }
    }

    private static MongoClientSettings Parse(string uri)
    {
        try
        {
            return MongoClientSettings.FromConnectionString(uri);
        }
        catch (DnsResponseException failure)
        {
            throw new LogStoreException($"MongoDB at {HostsOf(uri)}: {failure.Message}", failure);
        }
        catch (Exception wrong) when (wrong is MongoConfigurationException or ArgumentException or FormatException or OverflowException
            or NotSupportedException)
        {
            // The driver's message may contain the whole URI.
            var isSecret = wrong.Message.Contains("://", StringComparison.Ordinal)
                || (UserPattern().Match(uri) is { Success: true } user
                    && wrong.Message.Contains(user.Groups[1].Value, StringComparison.Ordinal));
            throw new FormatException(
                isSecret ? "expected mongodb://user:password@host:port/?option=value" : wrong.Message.ReplaceLineEndings(" "));
        }
    }

    private static void ReadTls(MongoClientSettings settings, Dictionary<string, string> options)
    {
        var authorities = ReadFile(options, "tlsCAFile", "sslCertificateAuthorityFile", file =>
        {
            var read = new X509Certificate2Collection();
            read.ImportFromPemFile(file);
            return read.Count > 0 ? read : throw new CryptographicException($"{file} has no certificate");
        });
        var password = options.GetValueOrDefault("tlsCertificateKeyFilePassword")
            ?? options.GetValueOrDefault("sslClientCertificateKeyPassword");
        var own = ReadFile(options, "tlsCertificateKeyFile", "sslClientCertificateKeyFile", file =>
            password is null ? X509Certificate2.CreateFromPemFile(file) : X509Certificate2.CreateFromEncryptedPemFile(file, password));
        var anyCertificate = IsOn("tlsAllowInvalidCertificates") || IsOn("sslAllowInvalidCertificates") || IsOn("tlsInsecure");
        var anyHost = IsOn("tlsAllowInvalidHostnames") || IsOn("sslAllowInvalidHostnames");
        if (authorities is null && own is null && !anyCertificate && !anyHost)
        {
            return;
        }

        settings.UseTls = true; // These options imply TLS.
        if (options.GetValueOrDefault("tls") is "false" || options.GetValueOrDefault("ssl") is "false")
        {
            throw new FormatException("option tls: \"false\", beside an option that needs TLS; expected tls=true");
        }

        settings.SslSettings = new SslSettings
        {
            ClientCertificates = own is null ? null : [own],
            CheckCertificateRevocation = options.GetValueOrDefault("tlsDisableCertificateRevocationCheck") is "false",
            ServerCertificateValidationCallback = (_, certificate, sent, errors) =>
                anyCertificate || IsTrusted(certificate, sent, errors, authorities, anyHost),
        };

        bool IsOn(string option) => options.GetValueOrDefault(option) is "true";
    }

    /// <param name="sent">The chain as checked against the system's authorities; it has the certificates that the server sent.</param>
    private static bool IsTrusted(
        X509Certificate? certificate, X509Chain? sent, SslPolicyErrors errors, X509Certificate2Collection? authorities, bool anyHost)
    {
        errors = anyHost ? errors & ~SslPolicyErrors.RemoteCertificateNameMismatch : errors;
        if (authorities is null || certificate is null)
        {
            return errors == SslPolicyErrors.None;
        }

        using var chain = new X509Chain();
        chain.ChainPolicy.TrustMode = X509ChainTrustMode.CustomRootTrust; // Only these authorities.
        chain.ChainPolicy.CustomTrustStore.AddRange(authorities);
        chain.ChainPolicy.ExtraStore.AddRange(sent?.ChainPolicy.ExtraStore ?? []);
        chain.ChainPolicy.RevocationMode = sent?.ChainPolicy.RevocationMode ?? X509RevocationMode.NoCheck;
        return (errors & ~SslPolicyErrors.RemoteCertificateChainErrors) == SslPolicyErrors.None
            && chain.Build(new X509Certificate2(certificate));
    }

    private static T? ReadFile<T>(Dictionary<string, string> options, string option, string older, Func<string, T> read)
        where T : class
    {
        if ((options.GetValueOrDefault(option) ?? options.GetValueOrDefault(older)) is not { } file)
        {
            return null;
        }

        try
        {
            return read(file);
        }
        catch (Exception wrong) when (wrong is IOException or UnauthorizedAccessException or CryptographicException)
        {
            throw new FormatException($"option {option}: \"{file}\" cannot be read: {wrong.Message}");
        }
    }

    [GeneratedRegex(@"^mongodb(?:\+srv)?://(?:[^/?]*@)?([^/?@]+)")]
    private static partial Regex HostsPattern();

    [GeneratedRegex(@"://([^/?]+)@")]
    private static partial Regex UserPattern();

    [GeneratedRegex(@"[?&;](\w+)=([^&;]*)")]
    private static partial Regex OptionPattern();
}
