using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Security.Cryptography;
using System.Text.Json;
using System.Text.Json.Nodes;
using Dts.Common.Etcd;
using Dts.Common.Jobs;
using Dts.Common.Logs;
using Dts.Master.Api;
using Dts.Master.Jobs;
using Dts.Tests.Support;
using Microsoft.Data.Sqlite;

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

/// <summary>Three etcd members and five workers, each on a host of its own, two masters, and the means to harm them.</summary>
internal sealed class ChaosCluster : IAsyncDisposable
{
    public const int Workers = 5;
    public const int Members = 3;

    private const string User = "dts";
    private const string Password = "secret";

    private readonly ScratchFolder _folder = new();
    private readonly Dictionary<string, NativeProcess> _processes = [];
    private readonly Dictionary<string, Process> _etcds = [];
    private readonly Dictionary<string, string> _addresses = [];
    private readonly HttpClient _http = new() { Timeout = TimeSpan.FromSeconds(15) };
    private readonly ChaosNetwork _network;
    private readonly SqliteLogStore _log;
    private readonly EtcdTokens _tokens;
    private LostRunsSeen? _lost;
    private int _starts;

    private ChaosCluster(ChaosNetwork network, EtcdTokens tokens) =>
        (_network, _tokens, _log) = (network, tokens, new SqliteLogStore(_folder.File("log.db")));

    /// <summary>The folder in which each worker has its own executable, where it is not the published one.</summary>
    public static string? WorkerExecutable { get; } = Environment.GetEnvironmentVariable("CHAOS_WORKER");

    public string Witnesses => _folder.File("witness");

    public string Counters => _folder.File("counters");

    public ChaosNetwork Network => _network;

    private string Endpoints => string.Join(',', Enumerable.Range(0, Members).Select(n => $"{_addresses[Member(n)]}:2379"));

    private int MasterPort(int n) => 20_000 + (2 * _network.Number) + n;

    private string[] AsRoot => _tokens == EtcdTokens.None ? [] : ["--user", $"root:{Password}"];

    private string[] AsOurUser => _tokens == EtcdTokens.None ? [] : [$"DTS_ETCDUSER={User}", $"DTS_ETCDPASSWORD={Password}"];

    public static string Worker(int n) => $"w{n + 1}";

    public static string Member(int n) => $"e{n + 1}";

    public static string Master(int n) => $"m{n + 1}";

    public static async Task<ChaosCluster> StartAsync(EtcdTokens tokens)
    {
        var cluster = new ChaosCluster(await ChaosNetwork.CreateAsync(), tokens);
        try
        {
            Directory.CreateDirectory(cluster.Witnesses);
            Directory.CreateDirectory(cluster.Counters);
            foreach (var host in Enumerable.Range(0, Members).Select(Member).Concat(Enumerable.Range(0, Workers).Select(Worker)))
            {
                cluster._addresses[host] = await cluster._network.AddAsync(host);
            }

            await cluster.MembersUpAsync();
            cluster._lost = new LostRunsSeen(new EtcdOptions(
                [.. cluster.Endpoints.Split(',').Select(endpoint => new Uri($"http://{endpoint}"))],
                TimeSpan.FromSeconds(3),
                tokens == EtcdTokens.None ? null : User,
                tokens == EtcdTokens.None ? null : Password));
            await Task.WhenAll([
                .. Enumerable.Range(0, 2).Select(n => cluster.StartMaster(n).LogsSoon("listening on")),
                .. Enumerable.Range(0, Workers).Select(n => cluster.StartWorker(n).LogsSoon("ready, "))]);
            return cluster;
        }
        catch (Exception)
        {
            await cluster.DisposeAsync();
            throw;
        }
    }

    public NativeProcess ProcessOf(string name) => _processes[name];

    public NativeProcess StartWorker(int n) => Start(
        Worker(n), ["env", $"DTS_TEST_CLOCK={ClockOf(n)}", .. _network.On(Worker(n))], WorkerExecutable ?? "dts-worker",
        "--workerId", Worker(n), "--dataFolder", _folder.File(Worker(n)), "--sessionTtl", "5", "--drainTimeout", "3",
        "--jobLogCommitTimeout", "200", "--slots", "40");

    public NativeProcess StartMaster(int n) =>
        Start(Master(n), [], "dts-master", "--apiPort", MasterPort(n).ToString(CultureInfo.InvariantCulture));

    public void StartMember(int n)
    {
        var (name, address) = (Member(n), _addresses[Member(n)]);
        var all = string.Join(',', Enumerable.Range(0, Members).Select(m => $"{Member(m)}=http://{_addresses[Member(m)]}:2380"));
        string[] etcd =
        [
            .. _network.On(name), "etcd", "--name", name, "--data-dir", _folder.File(name), "--log-level", "error",
            "--listen-client-urls", $"http://{address}:2379", "--advertise-client-urls", $"http://{address}:2379",
            "--listen-peer-urls", $"http://{address}:2380", "--initial-advertise-peer-urls", $"http://{address}:2380",
            "--initial-cluster", all,
            .. _tokens switch
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
        _etcds[name] = Process.Start(new ProcessStartInfo(
            "/bin/sh", ["-c", "log=$1; shift; exec \"$@\" >>\"$log\" 2>&1", "sh", _folder.File($"{name}.log"), .. etcd]))!;
    }

    /// <summary>Stops a member, as on a stalled host, or lets it continue.</summary>
    public void SignalMember(int n, string signal) => Processes.Signal(_etcds[Member(n)].Id, signal);

    public async Task KillMemberAsync(int n)
    {
        _etcds[Member(n)].Kill();
        await _etcds[Member(n)].WaitForExitAsync();
    }

    /// <summary>The member that leads, if one does and answers.</summary>
    public async Task<int?> FindLeaderAsync()
    {
        for (var n = 0; n < Members; n++)
        {
            try
            {
                var status = await Tool.RunAsync(
                    "timeout", "3", "etcdctl", "--endpoints", $"{_addresses[Member(n)]}:2379", "endpoint", "status", "-w", "fields");
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

    /// <summary>The processes that hold a worker's commands.</summary>
    public List<int> HoldersOf(int n) => Processes.Running($"dts-worker hold {_folder.File(Worker(n))}/");

    public void StepClock(int n, TimeSpan offset) =>
        File.WriteAllText(ClockOf(n), ((long)offset.TotalMilliseconds).ToString(CultureInfo.InvariantCulture));

    /// <summary>Keeps all others from the log store for a while.</summary>
    public async Task HoldStoreAsync(TimeSpan time)
    {
        await using var file = new SqliteConnection($"Data Source={_folder.File("log.db")};Pooling=False;Default Timeout=30");
        await file.OpenAsync();
        await using var hold = file.BeginTransaction(deferred: false);
        await Task.Delay(time);
    }

    public Task SaveAsync(Job job) => AskAsync("/job/save", new FormUrlEncodedContent([new("job", JobJson.ToJson(job))]));

    public async Task<JsonNode?> AskAsync(string path, HttpContent? content = null, HttpMethod? method = null)
    {
        // From either master, as through a proxy in front of them. A request takes its content with it when it fails.
        var body = content is null ? [] : await content.ReadAsByteArrayAsync();
        for (var attempt = 0; ; attempt++)
        {
            try
            {
                using var request = new HttpRequestMessage(method ?? HttpMethod.Post, $"http://127.0.0.1:{MasterPort(attempt % 2)}{path}");
                if (content is not null)
                {
                    request.Content = new ByteArrayContent(body) { Headers = { ContentType = content.Headers.ContentType } };
                }

                using var response = await _http.SendAsync(request);
                var answer = JsonNode.Parse(await response.Content.ReadAsStringAsync())!;
                var isEnvelope = path.StartsWith("/job/", StringComparison.Ordinal);
                var isGone = method == HttpMethod.Delete && response.StatusCode == HttpStatusCode.NotFound;
                var isWell = isEnvelope ? (int)answer["errno"]! == 0 : response.IsSuccessStatusCode || isGone;
                return isWell
                    ? (isEnvelope ? answer["data"] : answer)
                    : throw new HttpRequestException($"{path}: {answer[isEnvelope ? "msg" : "detail"]}");
            }
            catch (Exception failure) when (failure is HttpRequestException or TaskCanceledException && attempt < 1)
            {
                // The other one.
            }
        }
    }

    public async Task<IReadOnlyList<LedgerLine>> LedgerAsync(string job, DateTimeOffset from, DateTimeOffset to)
    {
        var url = $"/api/v1/jobs/{job}/ledger?from={Cursor.Text(from)}&to={Cursor.Text(to)}&limit=10000";
        var lines = new List<LedgerLine>();
        for (var after = ""; ;)
        {
            var page = (await AskAsync($"{url}{after}", method: HttpMethod.Get))!;
            lines.AddRange(page["lines"].Deserialize(ApiJson.Readable.IReadOnlyListLedgerLine)!);
            if ((string?)page["next"] is not { } next)
            {
                return lines;
            }

            after = $"&after={Uri.EscapeDataString(next)}";
        }
    }

    public Task<IReadOnlyList<RunRecord>> RecordsAsync(string job) =>
        _log.ListAsync(JobName.Parse(job), 0, 1_000_000, CancellationToken.None);

    public IReadOnlyList<Start> ReadWitness() => Judge.ReadMarks(Directory.EnumerateFiles(Witnesses).SelectMany(File.ReadAllLines));

    public IReadOnlyList<Count> ReadCounters() =>
        [.. Directory.EnumerateFiles(Counters).SelectMany(file => Judge.ReadCounts(Path.GetFileName(file), File.ReadAllLines(file)))];

    /// <summary>The runs ("job/runId") that were declared lost, even if their records say otherwise.</summary>
    public IReadOnlySet<string> LostRuns => _lost!.Ids;

    public List<int> CommandsAlive() => Processes.With($"MARK={_folder.Path}");

    public string Mark => _folder.Path;

    public string LogOf(string name) =>
        string.Join('\n', Directory.EnumerateFiles(_folder.Path, $"{name}-*.log").Order().Select(File.ReadAllText));

    /// <summary>Keeps what was said and written for who wants to know why.</summary>
    public void KeepAt(string path)
    {
        Directory.CreateDirectory(path);
        foreach (var file in Directory.EnumerateFiles(_folder.Path, "*.log")
            .Concat(Directory.EnumerateFiles(_folder.Path, "log.db*"))
            .Concat(Directory.EnumerateFiles(Witnesses))
            .Concat(Directory.EnumerateFiles(Counters)))
        {
            File.Copy(file, Path.Combine(path, Path.GetFileName(file)), overwrite: true);
        }
    }

    public async ValueTask DisposeAsync()
    {
        if (_lost is { } lost)
        {
            await lost.DisposeAsync();
        }

        foreach (var pid in Enumerable.Range(0, Workers).SelectMany(HoldersOf))
        {
            Processes.Signal(pid, "CONT");
        }

        foreach (var process in _processes.Values)
        {
            process.Signal("CONT");
            await process.DisposeAsync();
        }

        foreach (var pid in CommandsAlive())
        {
            Processes.Kill(pid);
        }

        foreach (var etcd in _etcds.Values)
        {
            etcd.Kill();
            await etcd.WaitForExitAsync();
            etcd.Dispose();
        }

        await _network.DisposeAsync();
        _log.Dispose();
        _http.Dispose();
        _folder.Dispose();
    }

    private string KeyFile(string kind) => _folder.File($"token.{kind}");

    private async Task MembersUpAsync()
    {
        if (_tokens == EtcdTokens.Signed)
        {
            using var key = RSA.Create(2048);
            File.WriteAllText(KeyFile("key"), key.ExportRSAPrivateKeyPem());
            File.WriteAllText(KeyFile("pub"), key.ExportSubjectPublicKeyInfoPem());
        }

        for (var n = 0; n < Members; n++)
        {
            StartMember(n);
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
            ["user", "grant-role", User, "cron"], ["auth", "enable"],
        ];
        foreach (var command in _tokens == EtcdTokens.None ? [] : users)
        {
            await Tool.RunAsync("timeout", [.. anonymous, .. command]);
        }
    }

    private string ClockOf(int n) => _folder.File($"{Worker(n)}.clock");

    private NativeProcess Start(string name, string[] front, string executable, params string[] arguments)
    {
        var process = NativeProcess.StartBehind(["env", .. AsOurUser, .. front], executable, _folder.File($"{name}-{_starts++:D3}.log"), [
            .. arguments, "--etcdEndpoints", Endpoints, "--etcdDialTimeout", "3000", "--logFile", _folder.File("log.db")]);
        _processes[name] = process;
        return process;
    }
}
