using System.Runtime.Versioning;
using Dts.Common.Jobs;
using Dts.Common.Logs;
using Dts.Tests.Support;
using Xunit;

namespace Dts.Tests.Cluster;

[SupportedOSPlatform("linux")]
public sealed class RunAsUserTests
{
    private const string Never = "0 0 0 1 1 * 2099";
    private const string WhoAmI =
        "id -un; grep -E 'Cap(Prm|Eff|Amb)' /proc/self/status | cut -f 2 | sort -u; "
            + "setpriv --reuid=root true 2>/dev/null && echo became root; true";
    private const string NoCapability = "0000000000000000";

    /// <summary>With the rights that the shipped unit gives to a worker: AmbientCapabilities.</summary>
    private static readonly string[] AsTheUnitHasIt =
        [
            "env", "HOME=/", "setpriv", "--reuid=daemon", "--regid=daemon", "--init-groups",
            "--inh-caps=+setuid,+setgid", "--ambient-caps=+setuid,+setgid", "--",
        ];

    [Fact]
    public async Task A_worker_that_is_not_root_runs_jobs_as_the_users_it_allows_and_hands_on_none_of_its_rights()
    {
        await using var cluster = await NativeCluster.StartAsync(workers: 0);
        await StartWorkerAsDaemonAsync(cluster);
        await cluster.SaveAsync("as-nobody", WhoAmI, Never, new { user = "nobody" });
        await cluster.SaveAsync("as-itself", WhoAmI, Never);
        await cluster.SaveAsync("as-root", WhoAmI, Never, new { user = "root" });

        var asNobody = await RunAsync(cluster, "as-nobody");
        var asItself = await RunAsync(cluster, "as-itself");
        var asRoot = await RunAsync(cluster, "as-root");

        Assert.Equal(("", $"nobody\n{NoCapability}\n"), (asNobody.Err, asNobody.Output));
        Assert.Equal(("", $"daemon\n{NoCapability}\n"), (asItself.Err, asItself.Output));
        Assert.Equal(
            (RunStatus.Failed, "user \"root\" is not allowed on worker w1: its setting runAs is \"nobody\"; expected that it names root"),
            (asRoot.Status, asRoot.Err));
    }

    [Fact]
    public async Task A_kill_reaches_a_run_of_another_user_where_the_worker_is_not_root()
    {
        await using var cluster = await NativeCluster.StartAsync(workers: 0);
        await StartWorkerAsDaemonAsync(cluster);
        await cluster.SaveAsync(
            "stubborn",
            "trap '' TERM; (trap '' TERM; setsid sleep 300) & sleep 301; sleep 302",
            Never,
            new { user = "nobody", killGraceSeconds = 1 });

        await cluster.CallAsync("/api/v1/jobs/stubborn/run");
        await Patience.Until(() => cluster.CommandsAlive().Count >= 3, cluster.Describe);
        await cluster.CallAsync("/api/v1/jobs/stubborn/kill");
        var record = Assert.Single(await cluster.RecordsSoon("stubborn", records => records.Count == 1));

        Assert.Equal((RunStatus.Killed, 9), (record.Status, record.Signal));
        Assert.DoesNotContain("left behind", record.Err);
        Assert.Empty(cluster.CommandsAlive());
    }

    [Fact]
    public async Task A_run_of_another_user_that_lost_its_worker_and_its_holder_is_ended_by_the_next_worker()
    {
        await using var cluster = await NativeCluster.StartAsync(workers: 0);
        await StartWorkerAsDaemonAsync(cluster);
        await cluster.SaveAsync("left", "sleep 300 & sleep 301; sleep 302", Never, new { user = "nobody" });
        await cluster.CallAsync("/api/v1/jobs/left/run");
        await Patience.Until(() => cluster.CommandsAlive().Count >= 3, cluster.Describe);

        var holders = Processes.Running($"hold {cluster.Folder}");
        Assert.Equal(2, holders.Count); // The holders of the worker's user and of the user "nobody".
        await cluster.Workers["w1"].KillAsync();
        holders.ForEach(Processes.Kill);
        Assert.NotEmpty(cluster.CommandsAlive());
        await cluster.StartWorkerBehindAsync(AsTheUnitHasIt, Path.Combine(cluster.Folder, "dts-worker"), "w1", "--runAs", "nobody");

        await Patience.Until(() => cluster.CommandsAlive().Count == 0, cluster.Describe);
        Assert.Equal(RunStatus.Lost, Assert.Single(await cluster.RecordsSoon("left", records => records.Count == 1)).Status);
    }

    [Fact]
    public async Task A_job_that_kills_all_processes_of_its_user_loses_that_users_runs_alone_and_the_worker_goes_on()
    {
        await using var cluster = await NativeCluster.StartAsync(workers: 0);
        const string user = "irc"; // No other test has processes of this user.
        await StartWorkerAsDaemonAsync(cluster, runAs: user);
        await cluster.SaveAsync("victim", "sleep 300; true", Never, new { user });
        await cluster.SaveAsync("killer", "kill -9 -1; sleep 300; true", Never, new { user });
        await cluster.SaveAsync("stranger", "sleep 5; echo done", Never);
        await cluster.SaveAsync("next", "echo next", Never, new { user });
        await cluster.CallAsync("/api/v1/jobs/victim/run");
        await cluster.CallAsync("/api/v1/jobs/stranger/run");
        await cluster.Workers["w1"].LogsSoon("victim started");
        await cluster.Workers["w1"].LogsSoon("stranger started");

        var killer = await RunAsync(cluster, "killer");
        var victim = Assert.Single(await cluster.RecordsSoon("victim", records => records.Count == 1));
        var next = await RunAsync(cluster, "next");
        var stranger = Assert.Single(await cluster.RecordsSoon("stranger", records => records.Count == 1));

        Assert.Equal((RunStatus.Lost, RunStatus.Lost), (killer.Status, victim.Status));
        Assert.Matches("left of it, which (was|were) killed$", killer.Err);
        Assert.Equal(("next\n", "done\n"), (next.Output, stranger.Output));
        Assert.Equal(1, cluster.Workers["w1"].CountInLog("the holder of irc's commands was killed by SIGKILL"));
        Assert.Empty(cluster.CommandsAlive());
    }

    private static async Task StartWorkerAsDaemonAsync(NativeCluster cluster, string runAs = "nobody")
    {
        // A place where it may write and execute, and a log that it shares with us.
        const UnixFileMode everything = (UnixFileMode)0b111_111_111;
        File.SetUnixFileMode(cluster.Folder, everything);
        var log = Path.Combine(cluster.Folder, "log.db");
        File.WriteAllText(log, "");
        File.SetUnixFileMode(log, everything);
        var executable = Path.Combine(cluster.Folder, "dts-worker");
        await Tool.CopyProgramAsync(Path.Combine(NativeProcess.Folder, "dts-worker"), executable);
        await cluster.StartWorkerBehindAsync(AsTheUnitHasIt, executable, "w1", "--runAs", runAs);
    }

    private static async Task<RunRecord> RunAsync(NativeCluster cluster, string job)
    {
        await cluster.CallAsync($"/api/v1/jobs/{job}/run");
        return Assert.Single(await cluster.RecordsSoon(job, records => records.Count == 1));
    }
}
