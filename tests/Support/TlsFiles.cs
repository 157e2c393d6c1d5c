using System.Net;
using System.Net.Security;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Dts.Tests.Support;

/// <summary>A certificate authority of a test's own, and the certificates it has issued, as PEM files.</summary>
internal sealed class TlsFiles : IDisposable
{
    private readonly ScratchFolder _scratch = new();
    private readonly ECDsa _authorityKey = ECDsa.Create(ECCurve.NamedCurves.nistP256);
    private readonly X509Certificate2 _authority;
    private readonly X509Certificate2? _intermediate;

    /// <param name="hasIntermediate">
    /// The authority certifies an intermediate one, which issues the certificates; the server's file then has that certificate, too.
    /// </param>
    public TlsFiles(bool hasIntermediate = false)
    {
        var now = DateTimeOffset.UtcNow;
        _authority = Authority("test authority", _authorityKey).CreateSelfSigned(now.AddDays(-1), now.AddDays(1));
        File.WriteAllText(AuthorityFile, _authority.ExportCertificatePem());
        if (hasIntermediate)
        {
            using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
            using var certified = Authority("test intermediate", key)
                .Create(_authority, now.AddHours(-2), now.AddHours(21), RandomNumberGenerator.GetBytes(8));
            _intermediate = certified.CopyWithPrivateKey(key);
        }

        Certify("server");
        Certify("client");
        if (_intermediate is not null)
        {
            File.AppendAllText(ServerFile, "\n" + _intermediate.ExportCertificatePem());
        }
    }

    public string AuthorityFile => _scratch.File("ca.pem");

    public string ServerFile => _scratch.File("server.pem");

    public string ServerKeyFile => _scratch.File("server.key");

    public string ClientFile => _scratch.File("client.pem");

    public string ClientKeyFile => _scratch.File("client.key");

    public void Dispose()
    {
        _intermediate?.Dispose();
        _authority.Dispose();
        _authorityKey.Dispose();
        _scratch.Dispose();
    }

    /// <summary>A client that trusts only this authority and follows no redirect.</summary>
    public HttpClient Connect(Uri server)
    {
        var ours = new X509ChainPolicy { TrustMode = X509ChainTrustMode.CustomRootTrust, RevocationMode = X509RevocationMode.NoCheck };
        ours.CustomTrustStore.ImportFromPemFile(AuthorityFile);
        var connection = new SocketsHttpHandler
        {
            AllowAutoRedirect = false,
            SslOptions = new SslClientAuthenticationOptions { CertificateChainPolicy = ours },
        };
        return new HttpClient(connection) { BaseAddress = server };
    }

    private static CertificateRequest Authority(string name, ECDsa key)
    {
        var request = new CertificateRequest($"CN={name}", key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(certificateAuthority: true, false, 0, critical: true));
        request.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.KeyCertSign, critical: true));
        return request;
    }

    private void Certify(string name)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest($"CN={name}", key, HashAlgorithmName.SHA256);
        var names = new SubjectAlternativeNameBuilder();
        names.AddIpAddress(IPAddress.Loopback);
        names.AddDnsName("localhost");
        request.CertificateExtensions.Add(names.Build());
        request.CertificateExtensions.Add(new X509EnhancedKeyUsageExtension(
            [new Oid("1.3.6.1.5.5.7.3.1"), new Oid("1.3.6.1.5.5.7.3.2")], critical: false));
        using var certificate = request.Create(
            _intermediate ?? _authority,
            DateTimeOffset.UtcNow.AddHours(-1),
            DateTimeOffset.UtcNow.AddHours(20),
            RandomNumberGenerator.GetBytes(8));
        File.WriteAllText(_scratch.File($"{name}.pem"), certificate.ExportCertificatePem());
        File.WriteAllText(_scratch.File($"{name}.key"), key.ExportPkcs8PrivateKeyPem());
    }
}
