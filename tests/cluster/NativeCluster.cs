using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using Dts.Common.Jobs;
using Dts.Common.Logs;
using Dts.Tests.Support;
using Dts.Worker.Commands;
using Microsoft.Extensions.Logging.Abstractions;

namespace Dts.Tests.Cluster;

/// <summary>etcd, a master and workers, as an operator has them: the published executables, spoken to over HTTP.</summary>
internal sealed class NativeCluster : IAsyncDisposable
{
    private const int StartTries = 5; // Another process may take the port.

    private readonly ScratchFolder _folder = new();
    private readonly HttpClient _http = new();
    private readonly List<NativeProcess> _processes = [];
    private readonly ILogStore _log;
    private readonly string _mongodbUri;
    private string[] _workerArguments = [];
    private string[] _front = [];

    private NativeCluster(string mongodbUri, string? ownUri = null) => (_mongodbUri, _log) = (
        ownUri ?? mongodbUri,
        mongodbUri.Length > 0
            ? new MongoLogStore(mongodbUri, TimeSpan.FromSeconds(5), NullLogger.Instance)
            : new SqliteLogStore(_folder.File("log.db")));

    public EtcdServer Etcd { get; } = new();

    public NativeProcess Master { get; private set; } = null!;

    public Dictionary<string, NativeProcess> Workers { get; } = [];

    public Uri MasterUri => _http.BaseAddress!;

    /// <summary>A file to which the commands of a test append: what really started, whatever our records say.</summary>
    public string Witness => _folder.File("witness");

    public string Folder => _folder.Path;

    private string Mark => _folder.Path;

    /// <summary>The processes of commands of this cluster, whatever has become of their worker.</summary>
    public List<int> CommandsAlive() => Processes.With($"MARK={Mark}");

    public static Task<NativeCluster> StartAsync(int workers, params string[] workerArguments) =>
        StartWithAsync("", workers, workerArguments);

    /// <param name="mongodbUri">Where the log is; empty = in the embedded store.</param>
    public static Task<NativeCluster> StartWithAsync(string mongodbUri, int workers, params string[] workerArguments) =>
        StartAsync(new NativeCluster(mongodbUri) { _workerArguments = workerArguments }, workers);

    /// <summary>Starts executables that find the log by a URI of their own.</summary>
    /// <param name="front">A command that executes another, and its arguments.</param>
    /// <param name="mongodbUri">Where the test itself finds the log.</param>
    public static Task<NativeCluster> StartBehindAsync(string[] front, string mongodbUri, string ownUri, int workers) =>
        StartAsync(new NativeCluster(mongodbUri, ownUri) { _front = front }, workers);

    private static async Task<NativeCluster> StartAsync(NativeCluster cluster, int workers)
    {
        try
        {
            await cluster.Etcd.InitializeAsync();
            (cluster.Master, cluster._http.BaseAddress) = await cluster.StartMasterAsync();
            for (var n = 1; n <= workers; n++)
            {
                await cluster.StartWorkerAsync($"w{n}");
            }

            return cluster;
        }
        catch (Exception)
        {
            await cluster.DisposeAsync(); // Or it would outlive the test.
            throw;
        }
    }

    public Task<NativeProcess> StartWorkerAsync(string id, params string[] more) => StartWorkerBehindAsync([], "dts-worker", id, more);

    /// <param name="front">A command that executes another, and its arguments.</param>
    /// <param name="executable">Its path, or its name where the executables are.</param>
    public async Task<NativeProcess> StartWorkerBehindAsync(IEnumerable<string> front, string executable, string id, params string[] more)
    {
        string[] all = ["env", $"DTS_TEST_CLOCK={ClockOf(id)}", .. _front, .. front];
        var worker = Add(NativeProcess.StartBehind(all, executable, _folder.File($"{id}-{_processes.Count}.log"), [
            "--workerId",
            id,
            "--dataFolder",
            _folder.File(id),
            "--jobLogCommitTimeout",
            "100",
            .. Common(),
            .. _workerArguments,
            .. more]));
        Workers[id] = worker;
        await worker.LogsSoon("ready, ");
        return worker;
    }

    /// <summary>Steps the clock of a worker: by so much it differs from the true one from now on.</summary>
    public void StepClock(string id, TimeSpan offset) => File.WriteAllText(ClockOf(id), $"{(long)offset.TotalMilliseconds}");

    /// <summary>Posts to the API and returns what it answers as data; fails the test if it refuses.</summary>
    public async Task<JsonNode> CallAsync(string path, object? body = null)
    {
        var json = body is null ? "" : JsonSerializer.Serialize(body);
        using var content = new StringContent(json, System.Text.Encoding.UTF8, "application/json");
        using var response = await _http.PostAsync(path, content);
        var answer = await response.Content.ReadAsStringAsync();
        Xunit.Assert.True(response.IsSuccessStatusCode, $"{path}: {answer}");
        return JsonNode.Parse(answer)!;
    }

    /// <summary>Asks for a run of a job now and returns its id.</summary>
    public async Task<string> RunAsync(string job, object? body = null) =>
        (string)(await CallAsync($"/api/v1/jobs/{job}/run", body))["runId"]!;

    /// <summary>Saves a job and fails the test if it is refused.</summary>
    public async Task SaveAsync(string name, string command, string cronExpr, object? more = null)
    {
        var job = more is null ? [] : JsonSerializer.SerializeToNode(more)!.AsObject();
        job["name"] = name;
        job["command"] = command;
        job["cronExpr"] = cronExpr;
        job["env"] = new JsonObject { ["MARK"] = Mark };
        var answer = await PostAsync("/job/save", "job", job.ToJsonString());
        Xunit.Assert.True((int)answer["errno"]! == 0, $"{answer}");
    }

    public async Task<JsonNode> PostAsync(string path, string field, string value)
    {
        using var form = new FormUrlEncodedContent([new(field, value)]);
        using var response = await _http.PostAsync(path, form);
        return JsonNode.Parse(await response.Content.ReadAsStringAsync())!;
    }

    /// <summary>
    /// Fetches bytes, waiting until there are so many: what is still on its way to the store comes with the next second, and until a run
    /// that was asked for begins there is nothing.
    /// </summary>
    public async Task<byte[]> BytesAsync(string path, int count)
    {
        byte[] bytes = [];
        await Patience.Until(() => (bytes = Read().Result).Length >= count, () => $"{path}: {bytes.Length} bytes");
        return bytes;

        async Task<byte[]> Read()
        {
            using var answer = await _http.GetAsync(path);
            return answer.IsSuccessStatusCode ? await answer.Content.ReadAsByteArrayAsync() : [];
        }
    }

    public Task<HttpResponseMessage> DeleteAsync(string path) => _http.DeleteAsync(path);

    public async Task<JsonNode> GetAsync(string path) => JsonNode.Parse(await _http.GetStringAsync(path))!;

    public Task<IReadOnlyList<RunRecord>> RecordsAsync(string job) =>
        _log.ListAsync(JobName.Parse(job), 0, 100_000, CancellationToken.None);

    /// <summary>Takes a record out of the log behind the product's back.</summary>
    public async Task ForgetAsync(string recordId)
    {
        await using var file = new Microsoft.Data.Sqlite.SqliteConnection($"Data Source={_folder.File("log.db")};Pooling=False");
        await file.OpenAsync();
        await using var command = file.CreateCommand();
        command.CommandText = "delete from log where _id = $id";
        command.Parameters.AddWithValue("$id", recordId);
        Xunit.Assert.Equal(1, await command.ExecuteNonQueryAsync());
    }

    /// <summary>Waits until the records of a job are as they should be, and returns them.</summary>
    public async Task<IReadOnlyList<RunRecord>> RecordsSoon(string job, Func<IReadOnlyList<RunRecord>, bool> isEnough)
    {
        IReadOnlyList<RunRecord> records = [];
        using var timer = new PeriodicTimer(TimeSpan.FromMilliseconds(50));
        var deadline = Environment.TickCount64 + (long)Patience.Limit.TotalMilliseconds;
        while (!isEnough(records = await TryReadAsync(job) ?? records))
        {
            if (Environment.TickCount64 >= deadline)
            {
                Xunit.Assert.Fail($"records of {job}: {string.Join('\n', records)}\n{Describe()}");
            }

            await timer.WaitForNextTickAsync();
        }

        return records;
    }

    /// <summary>Null = the store is away.</summary>
    private async Task<IReadOnlyList<RunRecord>?> TryReadAsync(string job)
    {
        try
        {
            return await RecordsAsync(job);
        }
        catch (LogStoreException)
        {
            return null;
        }
    }

    /// <summary>The witness's lines, split into words.</summary>
    public IReadOnlyList<string[]> ReadWitness() =>
        File.Exists(Witness) ? [.. File.ReadAllLines(Witness).Select(line => line.Split(' '))] : [];

    public string Describe() => string.Join('\n', Workers.Select(worker => $"--- {worker.Key}\n{worker.Value.ReadLog()}"));

    public async ValueTask DisposeAsync()
    {
        foreach (var process in _processes)
        {
            await process.DisposeAsync();
        }

        // Also those of jobs that were saved without the mark: they would go on with their holder.
        var holders = Processes.Running($"hold {_folder.Path}");
        var held = ProcessTable.List().Where(process => holders.Contains(process.Parent)).Select(process => process.Pid);
        foreach (var pid in CommandsAlive().Union(held).ToList())
        {
            Processes.Kill(pid);
        }

        await Etcd.DisposeAsync();
        _log.Dispose();
        _http.Dispose();
        _folder.Dispose();
    }

    /// <summary>Starts another master and returns its address.</summary>
    public async Task<(NativeProcess Master, Uri Uri)> StartMasterAsync(params string[] more)
    {
        for (var tries = 1; ; tries++)
        {
            var port = Tool.FindFreePort();
            var master = Add(NativeProcess.StartBehind(
                _front,
                "dts-master",
                _folder.File($"master-{_processes.Count}.log"),
                ["--apiPort", port.ToString(CultureInfo.InvariantCulture), .. Common(), .. more]));
            await Patience.Until(
                () => master.HasExited || master.ReadLog().Contains("listening on", StringComparison.Ordinal), master.ReadLog);
            if (!master.HasExited)
            {
                return (master, new Uri($"http://127.0.0.1:{port}"));
            }

            Xunit.Assert.True(tries < StartTries && master.CountInLog("cannot listen on") > 0, master.ReadLog());
        }
    }

    private string ClockOf(string id) => _folder.File($"{id}.clock");

    public string[] Common() =>
        ["--etcdEndpoints", Etcd.Endpoint.Authority, "--logFile", _folder.File("log.db"), "--mongodbUri", _mongodbUri];

    private NativeProcess Add(NativeProcess process)
    {
        _processes.Add(process);
        return process;
    }
}
