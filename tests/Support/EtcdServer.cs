using System.Diagnostics;
using System.Globalization;
using System.Net;
using Dts.Common.Etcd;
using Microsoft.Extensions.Logging;
using Xunit;

namespace Dts.Tests.Support;

/// <summary>A real etcd on loopback ports of its own. Its data and ports stay through a stop and a start.</summary>
public sealed class EtcdServer : IAsyncLifetime
{
    /// <summary>Arguments for an etcd with a quota that a few values exhaust.</summary>
    internal static readonly string[] Small = ["--quota-backend-bytes", $"{8 << 20}"];

    private const string Ready = "ready to serve client requests";
    private const int StartTries = 5;

    private static readonly TimeSpan StartsWithin = TimeSpan.FromMinutes(2);

    private readonly ScratchFolder _folder = new();
    private readonly string _scheme;
    private readonly string[] _more;
    private Process? _process;
    private int _clientPort;
    private int _peerPort;

    public EtcdServer()
        : this("http")
    {
    }

    internal EtcdServer(string scheme, params string[] moreArguments) => (_scheme, _more) = (scheme, moreArguments);

    /// <summary>The address for clients; loopback unless other hosts have to reach it.</summary>
    internal IPAddress Host { get; init; } = IPAddress.Loopback;

    internal Uri Endpoint => new(ClientUrl);

    internal IPEndPoint Address => new(Host, _clientPort);

    private string ClientUrl => $"{_scheme}://{Host}:{_clientPort}";

    private string PeerUrl => $"http://127.0.0.1:{_peerPort}";

    private string LogFile => _folder.File("etcd.log");

    public async ValueTask InitializeAsync() => await StartAsync();

    public async ValueTask DisposeAsync()
    {
        await KillAsync();
        _folder.Dispose();
    }

    internal static async Task<EtcdServer> StartNewAsync(string scheme = "http", params string[] moreArguments)
    {
        var server = new EtcdServer(scheme, moreArguments);
        await server.StartAsync();
        return server;
    }

    /// <summary>Starts it, or restarts it at the same address.</summary>
    internal async Task StartAsync()
    {
        var isFirst = _clientPort == 0;
        for (var attempt = 1; ; attempt++)
        {
            if (isFirst)
            {
                (_clientPort, _peerPort) = (Tool.FindFreePort(), Tool.FindFreePort());
            }

            var before = File.Exists(LogFile) ? new FileInfo(LogFile).Length : 0;
            _process = Launch();
            await Patience.Until(
                () => _process.HasExited || ReadLog(before).Contains(Ready, StringComparison.Ordinal),
                () => ReadLog(before),
                StartsWithin);
            if (!_process.HasExited)
            {
                return;
            }

            Assert.True(isFirst && attempt < StartTries, $"etcd does not start: {ReadLog(before)}"); // Another process took a port.
        }
    }

    /// <summary>Stops it like systemd.</summary>
    internal Task StopAsync() => EndAsync(process => Tool.RunAsync("kill", "-TERM", $"{process.Id}"));

    /// <summary>Kills it, like a power cut.</summary>
    internal Task KillAsync() => EndAsync(process =>
    {
        process.Kill();
        return Task.CompletedTask;
    });

    /// <summary>Restarts it at the same address without its data.</summary>
    internal async Task WipeAsync()
    {
        await KillAsync();
        Directory.Delete(_folder.File("data"), recursive: true);
        await StartAsync();
    }

    /// <summary>Saves a snapshot and returns its file.</summary>
    internal async Task<string> SaveSnapshotAsync()
    {
        var file = _folder.File("snapshot.db");
        await RunCtlAsync("snapshot", "save", file);
        return file;
    }

    /// <summary>Restarts it at the same address with the data of a snapshot.</summary>
    internal async Task RestoreAsync(string snapshot)
    {
        await KillAsync();
        Directory.Delete(_folder.File("data"), recursive: true);
        await RunCtlAsync(
            "snapshot", "restore", snapshot, "--data-dir", _folder.File("data"),
            "--initial-cluster", $"default={PeerUrl}", "--initial-advertise-peer-urls", PeerUrl);
        await StartAsync();
    }

    /// <summary>The number of calls of a method since its start.</summary>
    internal async Task<long> CallsAsync(string method)
    {
        using var http = new HttpClient();
        var metrics = await http.GetStringAsync(new Uri(Endpoint, "/metrics"));
        var line = metrics
            .Split('\n')
            .Single(
                text => text.StartsWith("grpc_server_started_total", StringComparison.Ordinal)
                    && text.Contains($"grpc_method=\"{method}\"", StringComparison.Ordinal));
        return long.Parse(line[(line.LastIndexOf(' ') + 1)..], CultureInfo.InvariantCulture);
    }

    /// <summary>Writes values until an etcd with a small quota is out of space.</summary>
    internal static async Task FillAsync(EtcdClient etcd)
    {
        var failure = await Assert.ThrowsAsync<EtcdException>(async () =>
        {
            for (var n = 0; n < 1000; n++)
            {
                await etcd.PutAsync("/filling", new string('x', 1 << 20));
            }
        });
        Assert.Equal(EtcdError.Exhausted, failure.Error);
    }

    /// <summary>Frees space, as an operator would.</summary>
    internal async Task MakeSpaceAsync(EtcdClient etcd)
    {
        await CompactAsync((await etcd.StatusAsync()).Header.Revision);
        await RunCtlAsync("defrag");
        await RunCtlAsync("alarm", "disarm");
    }

    internal EtcdOptions Options(params Uri[] endpoints) => new(endpoints.Length > 0 ? endpoints : [Endpoint], TimeSpan.FromSeconds(5));

    /// <summary>A client of the test itself: it is patient.</summary>
    internal EtcdClient Connect(ILogger log) => new(Options() with { CallTimeout = Patience.Limit }, TimeProvider.System, log);

    internal Task<string> RunCtlAsync(params string[] arguments) =>
        Tool.RunAsync("etcdctl", ["--endpoints", ClientUrl, "--dial-timeout=25s", "--command-timeout=25s", .. arguments]);

    internal async Task CompactAsync(long revision) => await RunCtlAsync("compaction", $"{revision}");

    /// <summary>The end of its log, for a failed test.</summary>
    internal string LogTail() => string.Join('\n', ReadLog(0).Split('\n').TakeLast(40));

    private Process Launch()
    {
        string[] etcd =
        [
            "etcd",
            "--data-dir", _folder.File("data"),
            "--listen-client-urls", ClientUrl,
            "--advertise-client-urls", ClientUrl,
            "--listen-peer-urls", PeerUrl,
            "--initial-advertise-peer-urls", PeerUrl,
            "--initial-cluster", $"default={PeerUrl}",
            .. _more,
        ];
        return Process.Start(new ProcessStartInfo(
            "/bin/sh", ["-c", "log=$1; shift; exec \"$@\" >>\"$log\" 2>&1", "sh", LogFile, .. etcd]))!;
    }

    private async Task EndAsync(Func<Process, Task> end)
    {
        if (_process is { HasExited: false } process)
        {
            await end(process);
            await process.WaitForExitAsync().WaitAsync(Patience.Limit);
        }

        _process?.Dispose();
        _process = null;
    }

    private string ReadLog(long from)
    {
        if (!File.Exists(LogFile))
        {
            return "";
        }

        using var file = new FileStream(LogFile, FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
        file.Position = from;
        using var reader = new StreamReader(file);
        return reader.ReadToEnd();
    }
}
