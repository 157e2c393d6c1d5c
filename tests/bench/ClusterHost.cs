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

    private readonly string _folder = Directory.CreateTempSubdirectory("dts-bench-").FullName;
    private readonly HttpClient _http = new();
    private readonly List<ClusterProcess> _processes = [];
    private readonly int _etcdPort = FindFreePort();
    private readonly int _peerPort = FindFreePort();
    private Uri? _address; // of the master that was started last

    private ClusterHost()
    {
    }

    /// <summary>Where <c>make publish</c> puts the executables.</summary>
    public static string Bin { get; } = Environment.GetEnvironmentVariable("DTS_BIN") is { Length: > 0 } folder
        ? folder
        : throw new InvalidOperationException("DTS_BIN is not set: these figures are of the native executables; take them with make bench");

    public static async Task<ClusterHost> StartAsync()
    {
        var host = new ClusterHost();
        try
        {
            var (client, peer) = ($"http://127.0.0.1:{host._etcdPort}", $"http://127.0.0.1:{host._peerPort}");
            await host.Add(
                "etcd", "etcd", "--data-dir", host.PathOf("etcd"), "--listen-client-urls", client, "--advertise-client-urls", client,
                "--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer, "--initial-cluster", $"default={peer}")
                .LogsAsync("ready to serve client requests");
            return host;
        }
        catch
        {
            host.Dispose();
            throw;
        }
    }

    public string LogFile => PathOf("log.db");

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
            ["--workerId", id, "--dataFolder", PathOf(id), "--slots", "100", .. Common(), .. more]);
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

    /// <summary>Hourly jobs, put as they are, in all minutes but those in which these figures are taken.</summary>
    public async Task FillAsync(int jobs)
    {
        using var etcd = ConnectEtcd();
        var keys = new Keys(Keys.DefaultPrefix);
        foreach (var numbers in Enumerable.Range(0, jobs).Chunk(PutsInTxn))
        {
            await etcd.TxnAsync(Txn.All(numbers.Select(Put)));
        }

        RequestOp Put(int number)
        {
            var minute = (DateTime.UtcNow.Minute + 10 + (number % 45)) % 60;
            var job = new JsonObject { ["name"] = $"hourly-{number}", ["command"] = "true", ["cronExpr"] = $"{minute} * * * *" };
            return Txn.Put(keys.Job(JobName.Parse($"hourly-{number}")), job.ToJsonString());
        }
    }

    public EtcdClient ConnectEtcd() => new(
        new EtcdOptions([new Uri($"http://127.0.0.1:{_etcdPort}")], TimeSpan.FromSeconds(10)), TimeProvider.System, NullLogger.Instance);

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
