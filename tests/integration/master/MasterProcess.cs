using System.Diagnostics;
using System.Net;
using Dts.Common.Etcd;
using Dts.Common.Jobs;
using Dts.Tests.Support;
using Xunit;

namespace Dts.Tests.Integration.Master;

/// <summary>The master as it is built, with an etcd and a log file of its own.</summary>
public sealed class MasterProcess : IAsyncLifetime
{
    private const int StartTries = 5;

    private readonly ScratchFolder _scratch = new();
    private readonly RecordedLog _log = new();
    private readonly List<string> _said = [];
    private Process? _process;

    internal EtcdServer Server { get; init; } = new();

    /// <summary>Another master, whose etcd and log file this one shares.</summary>
    internal MasterProcess? Beside
    {
        get;
        init
        {
            field = value;
            Server = value!.Server;
        }
    }

    /// <summary>Settings besides those that every test needs.</summary>
    internal string[] Settings { get; init; } = [];

    internal string Executable { get; init; } = Path.Combine(AppContext.BaseDirectory, "dts-master");

    internal int Pid => _process!.Id;

    internal EtcdClient Etcd { get; private set; } = null!;

    internal Keys Keys { get; } = new(Keys.DefaultPrefix);

    internal SqliteLogStore LogStore { get; private set; } = null!;

    internal bool IsRunning => _process is { HasExited: false };

    internal string LogFile => Beside?.LogFile ?? _scratch.File("log.db");

    internal HttpClient Http { get; } = new() { Timeout = Patience.Limit };

    public async ValueTask InitializeAsync()
    {
        if (Beside is null)
        {
            await Server.StartAsync();
        }

        Etcd = Server.Connect(_log);
        LogStore = new SqliteLogStore(LogFile);
        await StartAsync(isFirst: true);
    }

    /// <summary>Kills it and starts it again on its port.</summary>
    internal async Task RestartAsync()
    {
        await KillAsync();
        lock (_said)
        {
            _said.Add("--- starts again");
            _said.RemoveAll(line => line.Contains("listening on", StringComparison.Ordinal));
        }

        await StartAsync();
    }

    internal async Task KillAsync()
    {
        if (_process is { HasExited: false })
        {
            _process.Kill();
            await _process.WaitForExitAsync().WaitAsync(Patience.Limit);
        }

        _process?.Dispose();
        _process = null;
    }

    public async ValueTask DisposeAsync()
    {
        await KillAsync();
        Http.Dispose();
        LogStore.Dispose();
        Etcd.Dispose();
        if (Beside is null)
        {
            await Server.DisposeAsync();
        }

        _scratch.Dispose();
    }

    internal string Said()
    {
        lock (_said)
        {
            return string.Join('\n', _said);
        }
    }

    private async Task StartAsync(bool isFirst = false)
    {
        for (var tries = 1; ; tries++)
        {
            if (isFirst)
            {
                Http.BaseAddress = new Uri($"http://127.0.0.1:{Tool.FindFreePort()}");
            }

            var process = _process = Start();
            await Patience.Until(() => process.HasExited || Said().Contains("listening on", StringComparison.Ordinal), Said);
            if (!process.HasExited)
            {
                break;
            }

            await process.WaitForExitAsync().WaitAsync(Patience.Limit); // For the rest of what it says.
            var isPortTaken = Said().Contains("cannot listen on", StringComparison.Ordinal);
            Assert.True(isFirst && isPortTaken && tries < StartTries, Said());
            await KillAsync();
        }

        await Patience.Until(AnswersListsAsync, Said);
    }

    /// <summary>Whether people, tokens and the view are read.</summary>
    private async Task<bool> AnswersListsAsync()
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, "/api/v1/workers");
        if (Array.IndexOf(Settings, "--apiToken") is >= 0 and var at)
        {
            request.Headers.Authorization = new("Bearer", Settings[at + 1]);
        }

        try
        {
            using var answer = await Http.SendAsync(request);
            return answer.StatusCode != HttpStatusCode.ServiceUnavailable;
        }
        catch (HttpRequestException)
        {
            return false; // Over a connection to the process before this one.
        }
    }

    private Process Start()
    {
        string[] settings =
        [
            "--etcdEndpoints", (Beside?.Server ?? Server).Endpoint.Authority,
            "--etcdDialTimeout", "15000",
            "--apiPort", $"{Http.BaseAddress!.Port}",
            "--logFile", LogFile,
            .. Settings,
        ];
        var process = new Process
        {
            StartInfo = new ProcessStartInfo(Executable, settings)
            {
                RedirectStandardOutput = true,
                RedirectStandardError = true,
                WorkingDirectory = _scratch.Path,
            },
        };
        process.OutputDataReceived += Note;
        process.ErrorDataReceived += Note;
        process.Start();
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
        return process;
    }

    private void Note(object sender, DataReceivedEventArgs line)
    {
        lock (_said)
        {
            _said.Add(line.Data ?? "");
        }
    }
}
