using System.Diagnostics;
using System.Runtime.CompilerServices;
using Xunit;

namespace Dts.Tests.Support;

/// <summary>
/// A server for MongoDB's drivers: the one in MONGODB_URI, a mongod, or DocumentDB behind a gateway (see
/// .ci/documentdb).
/// </summary>
public sealed class DocumentServer : IAsyncLifetime
{
    private static readonly TimeSpan StartsWithin = TimeSpan.FromMinutes(2);

    private readonly ScratchFolder _folder = new();
    private DocumentGateway? _gateway;
    private Process? _mongod;
    private string _root = "";
    private string _data = "";
    private int _port;

    public string Uri { get; private set; } = "";

    /// <summary>MONGODB_URI, mongod or DocumentDB.</summary>
    public string Kind { get; private set; } = "";

    public async ValueTask InitializeAsync()
    {
        _root = (await Tool.RunAsync("bash", Script())).Trim();
        switch (_root)
        {
            case "uri":
                (Kind, Uri) = ("MONGODB_URI", Environment.GetEnvironmentVariable("MONGODB_URI")!);
                break;
            case "mongod":
                _port = Tool.FindFreePort();
                Kind = "mongod";
                Uri = $"mongodb://127.0.0.1:{_port}/?directConnection=true";
                _mongod = Process.Start("mongod", ["--dbpath", _folder.Path, "--port", $"{_port}", "--bind_ip", "127.0.0.1", "--quiet"]);
                break;
            default:
                await StartDocumentDbAsync();
                Kind = "DocumentDB";
                break;
        }

        TestContext.Current.SendDiagnosticMessage($"document database: {Kind} at {Uri}");
    }

    /// <summary>
    /// Whether DocumentDB builds requested indexes. That is a job of pg_cron, off by default, because it would disturb tests that drop a
    /// collection.
    /// </summary>
    public bool BuildsIndexes { get; init; }

    /// <summary>
    /// Takes the right to these commands from all users; an empty list gives it back (DocumentDB only; false = unsupported).
    /// </summary>
    public bool TryRefuse(params string[] commands)
    {
        _gateway?.Refuses = commands;
        return _gateway is not null;
    }

    /// <summary>
    /// Refuses documents with this text from now on, like a validator; empty = none (DocumentDB only; false = unsupported).
    /// </summary>
    public bool TryReject(string text)
    {
        _gateway?.Rejects = text;
        return _gateway is not null;
    }

    /// <summary>Refuses the next insert as a primary that has stepped down (DocumentDB only; false = unsupported).</summary>
    public bool TryStepDown()
    {
        _gateway?.StepsDown = true;
        return _gateway is not null;
    }

    /// <summary>The compressors of received messages (DocumentDB only).</summary>
    internal IReadOnlyCollection<string> Compressors => _gateway?.Compressors ?? [];

    /// <summary>Crashes the server (DocumentDB and mongod only).</summary>
    public async Task StopAsync()
    {
        if (_gateway is not null)
        {
            await PostgresAsync("stop -m immediate");
        }
        else if (_mongod is not null)
        {
            _mongod.Kill();
            await _mongod.WaitForExitAsync();
        }
    }

    public async Task StartAgainAsync()
    {
        if (_gateway is not null)
        {
            await StartPostgresAsync();
        }
    }

    public async ValueTask DisposeAsync()
    {
        if (_gateway is not null)
        {
            await _gateway.DisposeAsync();
            await PostgresAsync("-m immediate -w stop");
            await Tool.RunAsync("rm", "-rf", _root + _data);
        }

        if (_mongod is not null)
        {
            _mongod.Kill();
            await _mongod.WaitForExitAsync();
            _mongod.Dispose();
        }

        _folder.Dispose();
    }

    private async Task StartDocumentDbAsync()
    {
        _data = $"/pg/{Guid.NewGuid():N}";
        await Tool.RunAsync(StartsWithin, "cp", "-a", $"{_root}/pg/template", _root + _data);
        _port = Tool.FindFreePort();
        await StartPostgresAsync();
        _gateway = new DocumentGateway($"Host=127.0.0.1;Port={_port};Username=postgres;Database=postgres;Maximum Pool Size=90");
        Uri = _gateway.Uri;
    }

    private Task<string> StartPostgresAsync()
    {
        var settings = BuildsIndexes ? " -c cron.use_background_workers=on -c max_worker_processes=24" : "";
        return PostgresAsync($"-o '-p {_port}{settings}' -l {_data}/log -w -t {StartsWithin.TotalSeconds:0} start");
    }

    private Task<string> PostgresAsync(string what) =>
        Tool.RunAsync(
            StartsWithin,
            "chroot",
            _root,
            "su",
            "postgres",
            "-s",
            "/bin/sh",
            "-c",
            $"/usr/lib/postgresql/18/bin/pg_ctl -D {_data} {what} >/dev/null 2>&1 </dev/null");

    private static string Script([CallerFilePath] string here = "") => Path.Combine(Path.GetDirectoryName(here)!, "../../.ci/documentdb");
}
