using System.Diagnostics;
using System.Net;
using System.Net.Sockets;

namespace Dts.Tests.Support;

/// <summary>An nginx in front of a master, as operators have it: streams are not buffered.</summary>
internal sealed class NginxServer : IAsyncDisposable
{
    private readonly ScratchFolder _folder = new();
    private readonly Process _process;

    private NginxServer(Uri target)
    {
        Port = FindFreePort();
        File.WriteAllText(_folder.File("nginx.conf"), $$"""
            daemon off;
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
                server {
                    listen 127.0.0.1:{{Port}};
                    location / { proxy_pass http://{{target.Authority}}; proxy_buffering off; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_read_timeout 1h; }
                }
            }
            """);
        _process = Process.Start(new ProcessStartInfo("nginx", ["-c", _folder.File("nginx.conf"), "-p", _folder.Path, "-e", _folder.File("error.log")]))!;
    }

    public int Port { get; }

    public static async Task<NginxServer> StartAsync(Uri target)
    {
        var server = new NginxServer(target);
        await Patience.Until(server.Listens, () => File.Exists(server._folder.File("error.log")) ? File.ReadAllText(server._folder.File("error.log")) : "");
        return server;
    }

    public async ValueTask DisposeAsync()
    {
        await Tool.RunAsync("kill", "-TERM", $"{_process.Id}");
        await _process.WaitForExitAsync().WaitAsync(Patience.Limit);
        _process.Dispose();
        _folder.Dispose();
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

    private static int FindFreePort()
    {
        using var probe = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        probe.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        return ((IPEndPoint)probe.LocalEndPoint!).Port;
    }
}
