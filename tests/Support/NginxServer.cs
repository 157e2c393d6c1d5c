using System.Diagnostics;
using System.Net;
using System.Net.Sockets;

namespace Dts.Tests.Support;

/// <summary>An nginx in front of masters, configured as for operators: streams are not buffered.</summary>
internal sealed class NginxServer : IAsyncDisposable
{
    /// <summary>The site's name in tests: it resolves to the loopback, and the test certificates have it.</summary>
    public const string SiteName = "localhost";

    private readonly ScratchFolder _folder = new();
    private readonly Process _process;

    private NginxServer(int port, string site)
    {
        Port = port;
        File.WriteAllText(_folder.File("nginx.conf"), $$"""
            daemon off;
            user root; # As who runs the tests: it reads the files of this folder.
            worker_processes 1;
            pid {{_folder.File("pid")}};
            error_log {{_folder.File("error.log")}};
            events { }
            http {
                access_log off;
                client_body_temp_path {{_folder.File("body")}};
                proxy_temp_path {{_folder.File("proxy")}};
                fastcgi_temp_path {{_folder.File("fastcgi")}};
                uwsgi_temp_path {{_folder.File("uwsgi")}};
                scgi_temp_path {{_folder.File("scgi")}};
                {{site}}
            }
            """);
        _process = Process.Start(new ProcessStartInfo(
            "nginx", ["-c", _folder.File("nginx.conf"), "-p", _folder.Path, "-e", _folder.File("error.log")]))!;
    }

    public int Port { get; }

    public static Task<NginxServer> StartAsync(Uri target)
    {
        var port = Tool.FindFreePort();
        return StartAsync(port, $$"""
            server {
                listen 127.0.0.1:{{port}};
                proxy_buffering off;
                proxy_http_version 1.1;
                proxy_set_header Connection "";
                proxy_read_timeout 1h;
                location / { proxy_pass http://{{target.Authority}}; }
            }
            """);
    }

    /// <summary>The site of nginx/dts.conf, with the test's ports, masters and certificate.</summary>
    public static Task<NginxServer> StartSiteAsync(string[] masters, TlsFiles tls, out int plainPort)
    {
        var port = Tool.FindFreePort();
        plainPort = Tool.FindFreePort();
        var site = File.ReadAllText(Tool.InRepository("nginx/dts.conf"))
            .Replace("listen 80", $"listen 127.0.0.1:{plainPort}")
            .Replace("listen 443", $"listen 127.0.0.1:{port}")
            .Replace("dts.example.com", SiteName)
            .Replace("127.0.0.1:8070", masters[0]).Replace("127.0.0.1:8071", masters[1])
            .Replace("/etc/nginx/dts.crt", tls.ServerFile).Replace("/etc/nginx/dts.key", tls.ServerKeyFile);
        return StartAsync(port, site);
    }

    public async ValueTask DisposeAsync()
    {
        await Tool.RunAsync("kill", "-TERM", $"{_process.Id}");
        await _process.WaitForExitAsync().WaitAsync(Patience.Limit);
        _process.Dispose();
        _folder.Dispose();
    }

    private static async Task<NginxServer> StartAsync(int port, string site)
    {
        var server = new NginxServer(port, site);
        await Patience.Until(
            server.Listens, () => File.Exists(server._folder.File("error.log")) ? File.ReadAllText(server._folder.File("error.log")) : "");
        return server;
    }

    private bool Listens()
    {
        using var probe = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        try
        {
            probe.Connect(IPAddress.Loopback, Port);
            return true;
        }
        catch (SocketException)
        {
            return false;
        }
    }
}
