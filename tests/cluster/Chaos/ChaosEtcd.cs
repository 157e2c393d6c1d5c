using System.Diagnostics;
using System.Security.Cryptography;
using Dts.Common.Etcd;
using Dts.Tests.Support;

namespace Dts.Tests.Cluster.Chaos;

/// <summary>
/// Whether etcd has users, and the kind of its tokens: simple (kept by the members) or signed (JWT). Both last five seconds.
/// </summary>
internal enum EtcdTokens
{
    None,
    Simple,
    Signed,
}

/// <summary>Three etcd members, each on a host of its own.</summary>
internal sealed class ChaosEtcd(ChaosNetwork network, EtcdTokens tokens, ScratchFolder folder) : IAsyncDisposable
{
    public const int Members = 3;

    private const string User = "dts";
    private const string WorkersUser = "dts-worker";
    private const string Password = "secret";

    private readonly Dictionary<string, Process> _processes = [];
    private readonly Dictionary<string, string> _addresses = [];

    public string Endpoints => string.Join(',', Enumerable.Range(0, Members).Select(n => $"{_addresses[NameOf(n)]}:2379"));

    public EtcdOptions Options => new(
        [.. Endpoints.Split(',').Select(endpoint => new Uri($"http://{endpoint}"))],
        TimeSpan.FromSeconds(3),
        tokens == EtcdTokens.None ? null : User,
        tokens == EtcdTokens.None ? null : Password);

    /// <summary>The environment of a master that signs in, where etcd has users.</summary>
    public string[] AsMaster => As(User);

    /// <summary>The same of a worker, whose user has no rights but those that docs/security.md names.</summary>
    public string[] AsWorker => As(WorkersUser);

    private string[] AsRoot => tokens == EtcdTokens.None ? [] : ["--user", $"root:{Password}"];

    public static string NameOf(int n) => $"e{n + 1}";

    /// <summary>What a worker may read and write, by docs/security.md.</summary>
    private static IEnumerable<string> DocumentedPrefixes()
    {
        const string begin = "grant them ";
        var line = File.ReadLines(Tool.InRepository("../docs/security.md")).Single(line => line.Contains(begin, StringComparison.Ordinal));
        return line[line.IndexOf(begin, StringComparison.Ordinal)..].Split('`').Where(word => word.EndsWith('/'));
    }

    private string[] As(string user) => tokens == EtcdTokens.None ? [] : [$"DTS_ETCDUSER={user}", $"DTS_ETCDPASSWORD={Password}"];

    /// <summary>Makes the hosts, starts the members, and adds the users.</summary>
    public async Task StartAsync()
    {
        if (tokens == EtcdTokens.Signed)
        {
            using var key = RSA.Create(2048);
            File.WriteAllText(KeyFile("key"), key.ExportRSAPrivateKeyPem());
            File.WriteAllText(KeyFile("pub"), key.ExportSubjectPublicKeyInfoPem());
        }

        for (var n = 0; n < Members; n++)
        {
            _addresses[NameOf(n)] = await network.AddAsync(NameOf(n));
        }

        for (var n = 0; n < Members; n++)
        {
            Start(n);
        }

        string[] anonymous = ["5", "etcdctl", "--endpoints", Endpoints];
        await Patience.Until(
            () => Tool.RunAsync("timeout", [.. anonymous, "endpoint", "health"])
                .ContinueWith(health => health.IsCompletedSuccessfully)
                .Result,
            () => "etcd does not come up");
        string[][] users =
        [
            ["user", "add", $"root:{Password}"], ["user", "grant-role", "root", "root"],
            ["user", "add", $"{User}:{Password}"], ["role", "add", "cron"],
            ["role", "grant-permission", "cron", "--prefix=true", "readwrite", "/cron/"],
            ["user", "grant-role", User, "cron"],
            ["user", "add", $"{WorkersUser}:{Password}"], ["role", "add", "workers"], ["user", "grant-role", WorkersUser, "workers"],
            .. DocumentedPrefixes().Select(prefix =>
                (string[])["role", "grant-permission", "workers", "--prefix=true", "readwrite", $"/cron/{prefix}"]),
            ["auth", "enable"],
        ];
        foreach (var command in tokens == EtcdTokens.None ? [] : users)
        {
            await Tool.RunAsync("timeout", [.. anonymous, .. command]);
        }
    }

    public void Start(int n)
    {
        var (name, address) = (NameOf(n), _addresses[NameOf(n)]);
        var all = string.Join(',', Enumerable.Range(0, Members).Select(m => $"{NameOf(m)}=http://{_addresses[NameOf(m)]}:2380"));
        string[] etcd =
        [
            .. network.On(name), "etcd", "--name", name, "--data-dir", folder.File(name), "--log-level", "error",
            "--listen-client-urls", $"http://{address}:2379", "--advertise-client-urls", $"http://{address}:2379",
            "--listen-peer-urls", $"http://{address}:2380", "--initial-advertise-peer-urls", $"http://{address}:2380",
            "--initial-cluster", all,
            .. tokens switch
            {
                EtcdTokens.Simple => ["--bcrypt-cost", "4", "--auth-token", "simple", "--auth-token-ttl", "5"],
                EtcdTokens.Signed =>
                [
                    "--bcrypt-cost", "4",
                    "--auth-token", $"jwt,pub-key={KeyFile("pub")},priv-key={KeyFile("key")},sign-method=RS256,ttl=5s",
                ],
                _ => Array.Empty<string>(),
            },
        ];
        _processes[name] = Process.Start(new ProcessStartInfo(
            "/bin/sh", ["-c", "log=$1; shift; exec \"$@\" >>\"$log\" 2>&1", "sh", folder.File($"{name}.log"), .. etcd]))!;
    }

    /// <summary>Stops a member, as on a stalled host, or lets it continue.</summary>
    public void Signal(int n, string signal) => Processes.Signal(_processes[NameOf(n)].Id, signal);

    public async Task KillAsync(int n)
    {
        _processes[NameOf(n)].Kill();
        await _processes[NameOf(n)].WaitForExitAsync();
    }

    /// <summary>The member that leads, if one does and answers.</summary>
    public async Task<int?> FindLeaderAsync()
    {
        for (var n = 0; n < Members; n++)
        {
            try
            {
                var status = await Tool.RunAsync(
                    "timeout", "3", "etcdctl", "--endpoints", $"{_addresses[NameOf(n)]}:2379", "endpoint", "status", "-w", "fields");
                var fields = status
                    .Split('\n')
                    .Select(line => line.Split(" : "))
                    .Where(pair => pair.Length == 2)
                    .DistinctBy(pair => pair[0])
                    .ToDictionary(pair => pair[0].Trim('"'), pair => pair[1]);
                if (fields["Leader"] == fields["MemberID"])
                {
                    return n;
                }
            }
            catch (Exception unreachable) when (unreachable is InvalidOperationException or Xunit.Sdk.XunitException
                or KeyNotFoundException)
            {
                // It is cut off, or down.
            }
        }

        return null;
    }

    public Task<string> CtlAsync(params string[] arguments) =>
        Tool.RunAsync("timeout", ["5", "etcdctl", "--endpoints", Endpoints, .. AsRoot, .. arguments]);

    public async ValueTask DisposeAsync()
    {
        foreach (var etcd in _processes.Values)
        {
            etcd.Kill();
            await etcd.WaitForExitAsync();
            etcd.Dispose();
        }
    }

    private string KeyFile(string kind) => folder.File($"token.{kind}");
}
