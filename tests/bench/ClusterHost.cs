using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Http.Headers;
using System.Net.Sockets;
using System.Text.Json.Nodes;
using Dts.Common.Etcd;
using Dts.Common.Jobs;
using Etcdserverpb;
using Microsoft.Extensions.Logging.Abstractions;

namespace Dts.Bench;

/// <summary>An etcd of its own, and the published executables on it, in a folder that goes with them.</summary>
internal sealed class ClusterHost : IDisposable
{
    private const int PutsInTxn = 100; // etcd takes 128.
    private const int StartTries = 3; // A port that was free may be taken when etcd listens.
    private const int PutsInFlight = 8;

    private readonly string _folder = Directory.CreateTempSubdirectory("dts-bench-").FullName;
    private readonly HttpClient _http = new();
    private readonly List<ClusterProcess> _processes = [];
    private readonly int _etcdPort = FindFreePort();
    private readonly int _peerPort = FindFreePort();
    private Uri? _address; // of the master that was started last

    private ClusterHost()
    {
    }

    /// <summary>The commands that a worker runs at a time.</summary>
    private int Slots { get; init; }

    /// <summary>Where <c>make publish</c> puts the executables.</summary>
    public static string Bin { get; } = Environment.GetEnvironmentVariable("DTS_BIN") is { Length: > 0 } folder
        ? folder
        : throw new InvalidOperationException("DTS_BIN is not set: these figures are of the native executables; take them with make bench");

    public static async Task<ClusterHost> StartAsync(int slots = 100)
    {
        for (var attempt = 1; ; attempt++)
        {
            var host = new ClusterHost { Slots = slots };
            try
            {
                var (client, peer) = ($"http://127.0.0.1:{host._etcdPort}", $"http://127.0.0.1:{host._peerPort}");
                await host.Add(
                    "etcd", "etcd", "--data-dir", host.PathOf("etcd"), "--listen-client-urls", client, "--advertise-client-urls", client,
                    "--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer, "--initial-cluster", $"default={peer}")
                    .LogsAsync("ready to serve client requests");
                return host;
            }
            catch (Exception failure)
            {
                host.Dispose();
                if (failure is not TimeoutException || attempt == StartTries)
                {
                    throw;
                }
            }
        }
    }

    public string LogFile => PathOf("log.db");

    public IPEndPoint Etcd => new(IPAddress.Loopback, _etcdPort);

    public ClusterProcess EtcdProcess => _processes[0];

    /// <summary>Of the master that was started last.</summary>
    public Uri Address => _address!;

    public async Task<(ClusterProcess Master, TimeSpan Ready)> StartMasterAsync()
    {
        var port = FindFreePort();
        var master = Add("master", Path.Combine(Bin, "dts-master"), ["--apiPort", Text(port), .. Common()]);
        var ready = await master.LogsAsync("listening on");
        _address = new Uri($"http://127.0.0.1:{port}");
        return (master, ready);
    }

    public async Task<(ClusterProcess Worker, TimeSpan Ready)> StartWorkerAsync(string id, params string[] more)
    {
        var worker = AddWith(
            $"hold {PathOf(id)}/",
            id,
            Path.Combine(Bin, "dts-worker"),
            ["--workerId", id, "--dataFolder", PathOf(id), "--slots", Text(Slots), .. Common(), .. more]);
        return (worker, await worker.LogsAsync("ready, "));
    }

    public async Task SaveAsync(string name, string command)
    {
        var job = new JsonObject { ["name"] = name, ["command"] = command, ["cronExpr"] = "* * * * * *" };
        using var form = new FormUrlEncodedContent([new("job", job.ToJsonString())]);
        using var response = await _http.PostAsync(new Uri(_address!, "/job/save"), form);
        var answer = await response.Content.ReadAsStringAsync();
        if ((int)JsonNode.Parse(answer)!["errno"]! != 0)
        {
            throw new InvalidOperationException(answer);
        }
    }

    public async Task<JsonArray> ReadLogAsync(string job) =>
        JsonNode.Parse(await _http.GetStringAsync(new Uri(_address!, $"/job/log?name={job}&limit=1000")))!["data"]!.AsArray();

    /// <summary>How long it takes to get the list of all jobs.</summary>
    public async Task<TimeSpan> ListJobsAsync()
    {
        var watch = Stopwatch.StartNew();
        await _http.GetByteArrayAsync(new Uri(_address!, "/job/list"));
        return watch.Elapsed;
    }

    /// <summary>The master's answer to a path.</summary>
    public Task<string> GetAsync(string path, string? token = null) => AskAsync(HttpMethod.Get, path, null, token);

    /// <summary>The same to a path with a body of JSON.</summary>
    public Task<string> PostAsync(string path, string body, string? token = null) => AskAsync(HttpMethod.Post, path, body, token);

    public Task<Stream> StreamAsync(string path) => _http.GetStreamAsync(new Uri(_address!, path));

    public async Task<string> PostAsync(string path, string body)
    {
        using var content = new StringContent(body);
        using var response = await _http.PostAsync(new Uri(_address!, path), content);
        var answer = await response.Content.ReadAsStringAsync();
        return response.IsSuccessStatusCode ? answer : throw new InvalidOperationException(answer);
    }

    /// <summary>Processor time of all that runs here, children included.</summary>
    public double ReadCpu() => _processes.Select(process => process.ReadCpu()).Sum(cpu => cpu.Own + cpu.Children);

    public void End(ClusterProcess process)
    {
        _processes.Remove(process);
        process.Dispose();
    }

    /// <summary>Hourly jobs, in all minutes but those in which these figures are taken.</summary>
    public async Task FillAsync(int jobs)
    {
        var now = DateTime.UtcNow.Minute;
        await PutJobsAsync(
            Enumerable.Range(0, jobs).Select(number => ($"hourly-{number}", "true", $"{(now + 10 + (number % 45)) % 60} * * * *")));
    }

    /// <summary>Puts jobs into etcd, many with one request, as a script of an operator would.</summary>
    public async Task PutJobsAsync(IEnumerable<(string Name, string Command, string CronExpr)> jobs, string overlap = "forbid")
    {
        using var etcd = ConnectEtcd();
        var keys = new Keys(Keys.DefaultPrefix);
        var inFlight = new ParallelOptions { MaxDegreeOfParallelism = PutsInFlight };
        await Parallel.ForEachAsync(jobs.Chunk(PutsInTxn), inFlight, async (some, cancel) => await etcd.TxnAsync(
            Txn.All(some.Select(job => Txn.Put(
                keys.Job(JobName.Parse(job.Name)),
                new JsonObject
                {
                    ["name"] = job.Name, ["command"] = job.Command, ["cronExpr"] = job.CronExpr, ["overlap"] = overlap,
                }.ToJsonString()))),
            cancel: cancel));
    }

    /// <summary>Deletes all jobs, with one request.</summary>
    public async Task DeleteJobsAsync()
    {
        using var etcd = ConnectEtcd();
        var jobs = new Keys(Keys.DefaultPrefix).Jobs;
        await etcd.TxnAsync(Txn.All(
            [new() { RequestDeleteRange = new DeleteRangeRequest { Key = Txn.Bytes(jobs), RangeEnd = Txn.EndOf(jobs) } }]));
    }

    public EtcdClient ConnectEtcd() => new(
        new EtcdOptions([new Uri($"http://127.0.0.1:{_etcdPort}")], TimeSpan.FromMinutes(1)), TimeProvider.System, NullLogger.Instance);

    /// <summary>The sum of one of etcd's own metrics.</summary>
    public async Task<double> ReadEtcdMetricAsync(string name)
    {
        var lines = await _http.GetStringAsync(new Uri($"http://127.0.0.1:{_etcdPort}/metrics"));
        return lines.Split('\n')
            .Where(line => line.StartsWith($"{name} ", StringComparison.Ordinal) || line.StartsWith($"{name}{{", StringComparison.Ordinal))
            .Sum(line => double.Parse(line.Split(' ')[^1], CultureInfo.InvariantCulture));
    }

    public void Dispose()
    {
        _processes.Reverse();
        _processes.ForEach(process => process.Dispose());
        _http.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    private async Task<string> AskAsync(HttpMethod method, string path, string? body, string? token)
    {
        using var request = new HttpRequestMessage(method, new Uri(_address!, path));
        request.Headers.Authorization = token is null ? null : new AuthenticationHeaderValue("Bearer", token);
        request.Content = body is null ? null : new StringContent(body, new MediaTypeHeaderValue("application/json"));
        using var answer = await _http.SendAsync(request);
        return await answer.EnsureSuccessStatusCode().Content.ReadAsStringAsync();
    }

    private static string Text(int number) => number.ToString(CultureInfo.InvariantCulture);

    private static int FindFreePort()
    {
        using var probe = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        probe.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        return ((IPEndPoint)probe.LocalEndPoint!).Port;
    }

    private string[] Common() => ["--etcdEndpoints", $"127.0.0.1:{_etcdPort}", "--logFile", LogFile];

    private string PathOf(string name) => Path.Combine(_folder, name);

    private ClusterProcess Add(string name, string program, params string[] arguments) => AddWith(null, name, program, arguments);

    private ClusterProcess AddWith(string? beside, string name, string program, params string[] arguments)
    {
        var process = ClusterProcess.Start(PathOf($"{name}.out"), beside, program, arguments);
        _processes.Add(process);
        return process;
    }
}
