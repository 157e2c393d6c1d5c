using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Dts.Common.Etcd;

/// <summary>How to reach etcd.</summary>
/// <param name="CallTimeout">How long one call may take, failover included. A renewal of the token starts it again.</param>
/// <param name="AuthorityFile">PEM file of the authorities to trust; null = the system's.</param>
/// <param name="CertificateFile">PEM file of our own certificate; null = none is shown.</param>
public sealed record EtcdOptions(
    IReadOnlyList<Uri> Endpoints,
    TimeSpan CallTimeout,
    string? User = null,
    string? Password = null,
    string? AuthorityFile = null,
    string? CertificateFile = null,
    string? KeyFile = null)
{
    internal static readonly TimeSpan PingAfter = TimeSpan.FromSeconds(6);
    internal static readonly TimeSpan PingWithin = TimeSpan.FromSeconds(4);

    internal SocketsHttpHandler CreateHandler()
    {
        var handler = new SocketsHttpHandler
        {
            ConnectTimeout = CallTimeout,
            EnableMultipleHttp2Connections = true,
            PooledConnectionIdleTimeout = Timeout.InfiniteTimeSpan,
            UseProxy = false,
            AllowAutoRedirect = false, // etcd does not redirect, and the password is for etcd alone.
            UseCookies = false,

            // They find a peer that vanished silently; etcd refuses pings more often than every 5 s.
            KeepAlivePingDelay = PingAfter,
            KeepAlivePingTimeout = PingWithin,
            KeepAlivePingPolicy = HttpKeepAlivePingPolicy.WithActiveRequests,
        };

        if (CertificateFile is not null)
        {
            handler.SslOptions.ClientCertificates = [X509Certificate2.CreateFromPemFile(CertificateFile, KeyFile)];
        }

        if (AuthorityFile is not null)
        {
            var authorities = new X509Certificate2Collection();
            authorities.ImportFromPemFile(AuthorityFile);
            if (authorities.Count == 0)
            {
                throw new CryptographicException($"{AuthorityFile} has no certificate in PEM form");
            }

            handler.SslOptions.CertificateChainPolicy = new X509ChainPolicy
            {
                TrustMode = X509ChainTrustMode.CustomRootTrust,
                RevocationMode = X509RevocationMode.NoCheck,
            };
            handler.SslOptions.CertificateChainPolicy.CustomTrustStore.AddRange(authorities);
        }

        return handler;
    }
}

/// <summary>An etcd lease. The default, 0, is no lease.</summary>
public readonly record struct LeaseId(long Value)
{
    /// <summary>As etcdctl prints it.</summary>
    public override string ToString() => Value.ToString("x");
}
