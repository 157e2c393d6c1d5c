using System.Globalization;
using System.Net;
using System.Net.Sockets;
using Dts.Common.Etcd;
using Microsoft.Extensions.Logging.Abstractions;

namespace Dts.Bench;

/// <summary>An etcd of one or more members on loopback ports of its own, in a folder that goes with it.</summary>
internal sealed class EtcdMembers : IDisposable
{
    private const int StartTries = 3; // A port that was free may be taken when etcd listens.

    private readonly string _folder = Directory.CreateTempSubdirectory("dts-bench-etcd-").FullName;
    private readonly List<ClusterProcess> _processes = [];
    private Uri[] _endpoints = [];

    private EtcdMembers()
    {
    }

    public static async Task<EtcdMembers> StartAsync(int members)
    {
        for (var attempt = 1; ; attempt++)
        {
            var etcd = new EtcdMembers();
            try
            {
                await etcd.StartAllAsync(members);
                return etcd;
            }
            catch (Exception failure)
            {
                etcd.Dispose();
                if (failure is not TimeoutException || attempt == StartTries)
                {
                    throw;
                }
            }
        }
    }

    public EtcdClient Connect() =>
        new(new EtcdOptions(_endpoints, TimeSpan.FromSeconds(30)), TimeProvider.System, NullLogger.Instance);

    public void Dispose()
    {
        _processes.ForEach(process => process.Dispose());
        Directory.Delete(_folder, recursive: true);
    }

    private async Task StartAllAsync(int members)
    {
        var ports = FindFreePorts(2 * members);
        _endpoints = [.. ports.Take(members).Select(UriOf)];
        Uri[] peers = [.. ports.Skip(members).Select(UriOf)];
        var cluster = string.Join(',', peers.Select((peer, n) => $"m{n}={Text(peer)}"));
        for (var n = 0; n < members; n++)
        {
            var (name, client, peer) = ($"m{n}", Text(_endpoints[n]), Text(peers[n]));
            _processes.Add(ClusterProcess.Start(
                Path.Combine(_folder, $"{name}.out"), null, "etcd", "--name", name, "--data-dir", Path.Combine(_folder, name),
                "--listen-client-urls", client, "--advertise-client-urls", client, "--listen-peer-urls", peer,
                "--initial-advertise-peer-urls", peer, "--initial-cluster", cluster));
        }

        foreach (var process in _processes)
        {
            await process.LogsAsync("ready to serve client requests");
        }
    }

    private static Uri UriOf(int port) => new($"http://127.0.0.1:{port.ToString(CultureInfo.InvariantCulture)}");

    private static string Text(Uri address) => address.GetLeftPart(UriPartial.Authority);

    private static List<int> FindFreePorts(int count)
    {
        List<Socket> probes =
        [
            .. Enumerable.Range(0, count).Select(_ => new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp)),
        ];
        probes.ForEach(probe => probe.Bind(new IPEndPoint(IPAddress.Loopback, 0)));
        List<int> ports = [.. probes.Select(probe => ((IPEndPoint)probe.LocalEndPoint!).Port)];
        probes.ForEach(probe => probe.Dispose());
        return ports;
    }
}
