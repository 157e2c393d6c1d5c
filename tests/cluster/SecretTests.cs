using System.Runtime.Versioning;
using System.Security.Cryptography;
using System.Text;
using Dts.Common.Etcd;
using Dts.Common.Jobs;
using Dts.Tests.Support;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace Dts.Tests.Cluster;

/// <summary>A secret of a job is where its command reads it, and nowhere else.</summary>
[SupportedOSPlatform("linux")]
public sealed class SecretTests
{
    private const string Never = "0 0 0 1 1 * 2099";
    private const UnixFileMode OpenToAll = (UnixFileMode)0b111_111_111;
    private const UnixFileMode OfOwner = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;

    /// <summary>With the rights that the shipped unit gives to a worker: AmbientCapabilities.</summary>
    private static readonly string[] AsTheUnitHasIt =
        [
            "env", "HOME=/", "setpriv", "--reuid=daemon", "--regid=daemon", "--init-groups",
            "--inh-caps=+setuid,+setgid", "--ambient-caps=+setuid,+setgid", "--",
        ];

    [Fact]
    public async Task Only_the_command_and_its_user_find_a_secret()
    {
        await using var cluster = await NativeCluster.StartAsync(workers: 0);
        var secret = RandomNumberGenerator.GetHexString(64);
        var runtime = await StartWorkerAsync(cluster, secret);
        await cluster.SaveAsync(
            "with-secret",
            "umask 077; echo begun; test $(wc -c <$DTS_SECRETS/db) = 64; echo $?; stat -c '%a %U' $DTS_SECRETS $DTS_SECRETS/db; sleep 4714",
            Never,
            new { user = "nobody", secrets = new[] { "db" } });
        var runId = await cluster.RunAsync("with-secret");
        await Patience.Until(() => Processes.Running("sleep 4714").Count > 0, cluster.Describe);
        var folder = Assert.Single(Directory.GetDirectories(runtime));
        Assert.Equal(secret, await File.ReadAllTextAsync(Path.Combine(folder, "db"), TestContext.Current.CancellationToken));

        var places = await SearchAsync(cluster, secret, runtime);
        var control = await SearchAsync(cluster, Path.GetFileName(folder), runtime); // The search finds: this is in the environment.
        var strangers = await Task.WhenAll(new[] { "games", "daemon" }.Select(user => Tool.RunAsync(
            "sh", "-c", $"setpriv --reuid={user} --regid={user} --init-groups cat {folder}/db 2>/dev/null || echo refused")));
        await cluster.CallAsync("/api/v1/jobs/with-secret/kill");
        var record = Assert.Single(await cluster.RecordsSoon("with-secret", records => records.Count == 1));
        await Patience.Until(() => Directory.GetDirectories(runtime).Length == 0, () => folder);

        Assert.Equal("begun\n0\n500 nobody\n400 nobody\n", record.Output);
        Assert.Contains(control, place => place.EndsWith("/environ", StringComparison.Ordinal));
        Assert.Contains(await SearchAsync(cluster, "with-secret", runtime), place => place.StartsWith("etcd ", StringComparison.Ordinal));
        Assert.Contains(await SearchAsync(cluster, "with-secret", runtime), place => place.Contains("log.db", StringComparison.Ordinal));
        Assert.Empty(places);
        Assert.Empty(await SearchAsync(cluster, secret, runtime));
        Assert.All(strangers, answer => Assert.Equal("refused", answer.Trim()));
        Assert.Equal(RunStatus.Killed, record.Status);
        Assert.NotNull(runId);
    }

    [Fact]
    public async Task A_command_finds_all_of_twenty_secrets()
    {
        await using var cluster = await NativeCluster.StartAsync(workers: 0);
        await StartWorkerAsync(cluster, "the secret");
        var names = Enumerable.Range(1, 20).Select(n => $"secret-{n:00}").ToArray();
        foreach (var name in names)
        {
            var file = Path.Combine(cluster.Folder, "secrets", name);
            await File.WriteAllTextAsync(file, $"of {name}\n", TestContext.Current.CancellationToken);
            await Tool.RunAsync("chown", "daemon", file);
        }

        await cluster.SaveAsync("many", "cat $DTS_SECRETS/*", Never, new { user = "nobody", secrets = names });
        await cluster.RunAsync("many");
        var record = Assert.Single(await cluster.RecordsSoon("many", records => records.Count == 1));

        Assert.Equal((RunStatus.Succeeded, string.Concat(names.Select(name => $"of {name}\n"))), (record.Status, record.Output));
    }

    [Fact]
    public async Task A_run_whose_secret_is_missing_does_not_start_and_says_where_the_worker_looked()
    {
        await using var cluster = await NativeCluster.StartAsync(workers: 0);
        await StartWorkerAsync(cluster, "secret");
        await cluster.SaveAsync("without", $"touch {cluster.Witness}", Never, new { secrets = new[] { "absent" } });

        await cluster.RunAsync("without");
        var record = Assert.Single(await cluster.RecordsSoon("without", records => records.Count == 1));

        Assert.Equal(
            (RunStatus.Failed, $"secret \"absent\" is missing on worker w1: there is no file {cluster.Folder}/secrets/absent"),
            (record.Status, record.Err));
        Assert.False(File.Exists(cluster.Witness));
    }

    [Fact]
    public async Task A_secret_that_worker_and_holder_left_when_they_were_killed_goes_with_the_next_start()
    {
        await using var cluster = await NativeCluster.StartAsync(workers: 0);
        var runtime = await StartWorkerAsync(cluster, "secret");
        await cluster.SaveAsync("left", "sleep 4714; true", Never, new { user = "nobody", secrets = new[] { "db" } });
        await cluster.RunAsync("left");
        await Patience.Until(() => cluster.CommandsAlive().Count >= 2, cluster.Describe);

        var holders = Processes.Running($"hold {cluster.Folder}");
        await cluster.Workers["w1"].KillAsync();
        holders.ForEach(Processes.Kill);
        Assert.Single(Directory.GetDirectories(runtime));
        await StartWorkerAsync(cluster, "secret");

        await Patience.Until(() => Directory.GetDirectories(runtime).Length == 0, cluster.Describe);
    }

    [Fact]
    public async Task A_command_that_outlives_its_worker_keeps_its_secrets_until_it_ends()
    {
        await using var cluster = await NativeCluster.StartAsync(workers: 0);
        var runtime = await StartWorkerAsync(cluster, "secret");
        await cluster.SaveAsync(
            "goes-on",
            $"until test -e {cluster.Witness}; do sleep 0.1; done; cat $DTS_SECRETS/db | tr a-z A-Z",
            Never,
            new { user = "nobody", secrets = new[] { "db" } });
        await cluster.RunAsync("goes-on");
        await cluster.Workers["w1"].LogsSoon("goes-on started"); // A process alone may be of a start that was given up.

        Assert.Equal(0, await cluster.Workers["w1"].StopAsync());
        await StartWorkerAsync(cluster, "secret");
        await File.WriteAllTextAsync(cluster.Witness, "", TestContext.Current.CancellationToken);
        var record = Assert.Single(await cluster.RecordsSoon("goes-on", records => records.Count == 1));

        Assert.Equal((RunStatus.Succeeded, "", "SECRET"), (record.Status, record.Err, record.Output));
        await Patience.Until(() => Directory.GetDirectories(runtime).Length == 0, cluster.Describe);
    }

    /// <summary>Starts a worker as the unit does, and returns the folder where it keeps what runs get.</summary>
    private static async Task<string> StartWorkerAsync(NativeCluster cluster, string secret)
    {
        var (secrets, run, log, executable) = (
            Path.Combine(cluster.Folder, "secrets"),
            Path.Combine(cluster.Folder, "run"),
            Path.Combine(cluster.Folder, "log.db"),
            Path.Combine(cluster.Folder, "dts-worker"));
        if (!File.Exists(executable))
        {
            File.SetUnixFileMode(cluster.Folder, OpenToAll);
            await File.WriteAllTextAsync(log, "");
            File.SetUnixFileMode(log, OpenToAll);
            await Tool.CopyProgramAsync(Path.Combine(NativeProcess.Folder, "dts-worker"), executable);
            Directory.CreateDirectory(secrets, OfOwner);
            Directory.CreateDirectory(run, OfOwner | UnixFileMode.GroupExecute | UnixFileMode.OtherExecute);
            await File.WriteAllTextAsync(Path.Combine(secrets, "db"), secret);
            await Tool.RunAsync("chown", "-R", "daemon", secrets, run);
        }

        string[] front = [AsTheUnitHasIt[0], $"RUNTIME_DIRECTORY={run}", .. AsTheUnitHasIt[1..]];
        await cluster.StartWorkerBehindAsync(front, executable, "w1", "--runAs", "nobody", "--secretsFolder", secrets);
        return Path.Combine(run, "secrets");
    }

    /// <summary>Every place where a secret must not be, and is.</summary>
    private static async Task<List<string>> SearchAsync(NativeCluster cluster, string secret, string runtime)
    {
        var wanted = Encoding.UTF8.GetBytes(secret);
        var found = new List<string>();
        using var etcd = new EtcdClient(cluster.Etcd.Options(), TimeProvider.System, NullLogger.Instance);
        foreach (var pair in await etcd.ListAsync("/"))
        {
            Look($"etcd {pair.Key.ToStringUtf8()}", [.. pair.Key.Span, .. pair.Value.Span]);
        }

        using var http = new HttpClient { BaseAddress = cluster.MasterUri };
        foreach (var path in (string[])[
            "/job/list", "/worker/list", "/api/v1/jobs", "/api/v1/jobs/with-secret", "/api/v1/jobs/with-secret/versions",
            "/api/v1/runs", "/api/v1/now", "/api/v1/workers", "/api/v1/ledger"])
        {
            Look(path, await http.GetByteArrayAsync(path));
        }

        // Records, spool, outputs, launch journal, journal lines.
        foreach (var file in Directory.EnumerateFiles(cluster.Folder, "*", SearchOption.AllDirectories)
            .Where(file => !file.StartsWith(Path.Combine(cluster.Folder, "secrets"), StringComparison.Ordinal)
                && !file.StartsWith(runtime, StringComparison.Ordinal)
                && !file.EndsWith("dts-worker", StringComparison.Ordinal)))
        {
            TryLook(file);
        }

        foreach (var process in Directory.EnumerateDirectories("/proc").Where(process => char.IsAsciiDigit(Path.GetFileName(process)[0])))
        {
            TryLook($"{process}/cmdline");
            TryLook($"{process}/environ");
        }

        return found;

        void TryLook(string file)
        {
            try
            {
                Look(file, File.ReadAllBytes(file));
            }
            catch (Exception gone) when (gone is IOException or UnauthorizedAccessException)
            {
                // A process or a file that has gone meanwhile, or a socket.
            }
        }

        void Look(string place, byte[] bytes)
        {
            if (bytes.AsSpan().IndexOf(wanted) >= 0)
            {
                found.Add(place);
            }
        }
    }
}
