using System.Globalization;
using System.Net;
using System.Text.Json;
using System.Text.Json.Nodes;
using Dts.Common.Jobs;
using Dts.Common.Logs;
using Dts.Master.Api;
using Dts.Master.Jobs;
using Dts.Tests.Support;
using Microsoft.Data.Sqlite;

namespace Dts.Tests.Cluster.Chaos;

/// <summary>Three etcd members and five workers, each on a host of its own, two masters, and the means to harm them.</summary>
internal sealed class ChaosCluster : IAsyncDisposable
{
    public const int Workers = 5;
    public const int Masters = 2;

    private readonly ScratchFolder _folder = new();
    private readonly int[] _masterPorts = [.. Enumerable.Range(0, Masters).Select(_ => Tool.FindFreePort())];
    private readonly Dictionary<string, NativeProcess> _processes = [];
    private readonly Dictionary<string, string> _installed = []; // The folders of executables, where they differ from the first.
    private readonly string _firstInstalled;
    private readonly HttpClient _http = new() { Timeout = TimeSpan.FromSeconds(15) };
    private readonly ChaosNetwork _network;
    private readonly SqliteLogStore _log;
    private LostRunsSeen? _lost;
    private int _starts;
    private int _asked;

    private ChaosCluster(ChaosNetwork network, EtcdTokens tokens, string folder)
    {
        (_network, _firstInstalled, _log) = (network, folder, new SqliteLogStore(_folder.File("log.db")));
        Etcd = new ChaosEtcd(network, tokens, _folder);
    }

    /// <summary>The folder in which each worker has its own executable, where it is not the published one.</summary>
    public static string? WorkerExecutable { get; } = Environment.GetEnvironmentVariable("CHAOS_WORKER");

    public string Witnesses => _folder.File("witness");

    public string Counters => _folder.File("counters");

    public ChaosNetwork Network => _network;

    public ChaosEtcd Etcd { get; }

    public static string Worker(int n) => $"w{n + 1}";

    public static string Master(int n) => $"m{n + 1}";

    /// <param name="folder">The folder of the executables.</param>
    public static async Task<ChaosCluster> StartAsync(EtcdTokens tokens, string folder)
    {
        var cluster = new ChaosCluster(await ChaosNetwork.CreateAsync(), tokens, folder);
        try
        {
            Directory.CreateDirectory(cluster.Witnesses);
            Directory.CreateDirectory(cluster.Counters);
            foreach (var worker in Enumerable.Range(0, Workers).Select(Worker))
            {
                await cluster._network.AddAsync(worker);
            }

            await cluster.Etcd.StartAsync();
            cluster._lost = new LostRunsSeen(cluster.Etcd.Options);
            await Task.WhenAll([
                .. Enumerable.Range(0, Masters).Select(n => cluster.StartMaster(n).LogsSoon(ReadyOf(Master(n)))),
                .. Enumerable.Range(0, Workers).Select(n => cluster.StartWorker(n).LogsSoon(ReadyOf(Worker(n))))]);
            return cluster;
        }
        catch (Exception)
        {
            await cluster.DisposeAsync();
            throw;
        }
    }

    public NativeProcess ProcessOf(string name) => _processes[name];

    /// <summary>The words of a master or a worker that is ready.</summary>
    public static string ReadyOf(string name) => name.StartsWith('w') ? "ready, " : "listening on";

    /// <summary>Replaces the executable of a master or a worker; its next start uses it.</summary>
    public void Install(string name, string folder) => _installed[name] = folder;

    public NativeProcess StartAgain(string name) =>
        name.StartsWith('w') ? StartWorker(NumberOf(name)) : StartMaster(NumberOf(name));

    public NativeProcess StartWorker(int n) => Start(
        Worker(n),
        ["env", $"DTS_TEST_CLOCK={ClockOf(n)}", .. _network.On(Worker(n))],
        WorkerExecutable ?? Installed(Worker(n), "dts-worker"),
        "--workerId", Worker(n), "--dataFolder", _folder.File(Worker(n)), "--sessionTtl", "5", "--drainTimeout", "3",
        "--jobLogCommitTimeout", "200", "--slots", "40");

    public NativeProcess StartMaster(int n) =>
        Start(Master(n), [], Installed(Master(n), "dts-master"), "--apiPort", _masterPorts[n].ToString(CultureInfo.InvariantCulture));

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
        var first = Interlocked.Increment(ref _asked);
        for (var attempt = 0; ; attempt++)
        {
            try
            {
                var port = _masterPorts[(first + attempt) % Masters];
                using var request = new HttpRequestMessage(method ?? HttpMethod.Post, $"http://127.0.0.1:{port}{path}");
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
            using var from = new FileStream(file, FileMode.Open, FileAccess.Read, FileShare.ReadWrite); // Commands still write to some.
            using var to = File.Create(Path.Combine(path, Path.GetFileName(file)));
            from.CopyTo(to);
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

        await Etcd.DisposeAsync();
        await _network.DisposeAsync();
        _log.Dispose();
        _http.Dispose();
        _folder.Dispose();
    }

    private static int NumberOf(string name) => int.Parse(name.AsSpan(1), CultureInfo.InvariantCulture) - 1;

    private string Installed(string name, string executable) =>
        Path.Combine(_installed.GetValueOrDefault(name, _firstInstalled), executable);

    private string ClockOf(int n) => _folder.File($"{Worker(n)}.clock");

    private NativeProcess Start(string name, string[] front, string executable, params string[] arguments)
    {
        string[] all =
        [
            .. arguments, "--etcdEndpoints", Etcd.Endpoints, "--etcdDialTimeout", "3000", "--logFile", _folder.File("log.db"),
        ];
        var log = _folder.File($"{name}-{_starts++:D3}.log");
        var user = executable.EndsWith("dts-worker", StringComparison.Ordinal) ? Etcd.AsWorker : Etcd.AsMaster;
        var process = NativeProcess.StartBehind(["env", .. user, .. front], executable, log, all);
        _processes[name] = process;
        return process;
    }
}
