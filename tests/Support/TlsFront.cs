using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Cryptography.X509Certificates;

namespace Dts.Tests.Support;

/// <summary>A TLS front for a server without TLS.</summary>
internal sealed class TlsFront : IDisposable
{
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly X509Certificate2 _own;
    private readonly SslStreamCertificateContext _chain;
    private readonly string _host;

    public TlsFront(TlsFiles files, string host)
    {
        _own = X509Certificate2.CreateFromPemFile(files.ServerFile, files.ServerKeyFile);
        var sent = new X509Certificate2Collection();
        sent.ImportFromPemFile(files.ServerFile);
        _chain = SslStreamCertificateContext.Create(_own, sent, offline: true);
        _host = host;
        _listener.Start();
        _ = AcceptAsync();
    }

    public int Port => ((IPEndPoint)_listener.LocalEndpoint).Port;

    /// <summary>The last client's certificate.</summary>
    public string Client { get; private set; } = "";

    public void Dispose()
    {
        _listener.Dispose();
        _own.Dispose();
    }

    private async Task AcceptAsync()
    {
        try
        {
            while (true)
            {
                _ = ServeAsync(await _listener.AcceptTcpClientAsync());
            }
        }
        catch (Exception ended) when (ended is SocketException or InvalidOperationException)
        {
            // Disposed.
        }
    }

    private async Task ServeAsync(TcpClient client)
    {
        using var _ = client;
        using var behind = new TcpClient();
        try
        {
            await using var tls = new SslStream(client.GetStream());
            await tls.AuthenticateAsServerAsync(new SslServerAuthenticationOptions
            {
                ServerCertificateContext = _chain,
                ClientCertificateRequired = true,
                RemoteCertificateValidationCallback = (_, certificate, _, _) =>
                {
                    Client = certificate?.Subject ?? Client;
                    return certificate is null or { Subject: "CN=client" };
                },
            });
            await behind.ConnectAsync(IPEndPoint.Parse(_host));
            await Task.WhenAny(tls.CopyToAsync(behind.GetStream()), behind.GetStream().CopyToAsync(tls));
        }
        catch (Exception ended) when (ended is IOException or System.Security.Authentication.AuthenticationException or SocketException)
        {
            // The client does not trust us, or one side has disconnected.
        }
    }
}
