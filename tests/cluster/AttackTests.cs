using System.Runtime.Versioning;
using Dts.Tests.Support;
using Xunit;

namespace Dts.Tests.Cluster;

/// <summary>A job that attacks its worker and jobs of other users.</summary>
[SupportedOSPlatform("linux")]
public sealed class AttackTests
{
    private const string Never = "0 0 0 1 1 * 2099";
    private const UnixFileMode OpenToAll = (UnixFileMode)0b111_111_111;

    // Each line: an attack and its outcome. Arguments: the worker's pid, data folder and credentials, a process and an output of another
    // user, the log.
    private const string Attack = """
        set -- $ARGUMENTS
        try() { what=$1; shift; if "$@" >/dev/null 2>&1; then echo "$what: had"; else echo "$what: refused"; fi; }
        trace() {
            /usr/bin/python3 -c 'import ctypes,sys; libc=ctypes.CDLL(None); sys.exit(libc.ptrace(16, int(sys.argv[1]), 0, 0) and 1)' $1
        }
        talk() { /usr/bin/python3 -c 'import socket,sys; s=socket.socket(socket.AF_UNIX); s.settimeout(1); s.connect(sys.argv[1])' $1; }
        sleep 60 & try 'trace a process of its own' trace $!
        try 'list the sockets' ls $2/holders
        for socket in $SOCKETS; do try 'connect to a socket' talk $socket; done
        try 'read the launch journal' cat $2/launches
        try 'forge the launch journal' sh -c "echo launched x/y $1 1 >>$2/launches"
        try 'read the spool' sh -c "cat $2/spool/*"
        try 'read all outputs' sh -c "cat $2/output/*"
        try 'read an output of another user' cat $5
        try 'read the log' cat $6
        try "read the worker's environment" cat /proc/$1/environ
        try "read the worker's memory" head -c 1 /proc/$1/mem
        try "list the worker's descriptors" ls /proc/$1/fd/
        try 'read the credentials' cat $3
        try 'trace the worker' trace $1
        try 'signal the worker' kill -0 $1
        try 'trace what starts commands' trace $PPID
        try "read the environment of what starts commands" cat /proc/$PPID/environ
        try "list the descriptors of what starts commands" ls /proc/$PPID/fd/
        try 'signal a command of another user' kill -0 $4
        try 'read the environment of a command of another user' cat /proc/$4/environ
        """;

    [Theory]
    [InlineData("root")]
    [InlineData("daemon")] // With the capabilities that the shipped unit gives.
    public async Task A_job_cannot_reach_its_worker_or_jobs_of_other_users(string workerUser)
    {
        await using var cluster = await NativeCluster.StartAsync(workers: 0);
        File.SetUnixFileMode(cluster.Folder, OpenToAll);
        var (executable, log, credentials) = (
            Path.Combine(cluster.Folder, "dts-worker"),
            Path.Combine(cluster.Folder, "w1-log"),
            Path.Combine(cluster.Folder, "credentials"));
        await Tool.CopyProgramAsync(Path.Combine(NativeProcess.Folder, "dts-worker"), executable);
        File.WriteAllText(credentials, "secret");
        File.SetUnixFileMode(credentials, UnixFileMode.UserRead);
        await Tool.RunAsync("chown", workerUser, credentials);
        string[] front = workerUser == "root"
            ? []
            : ["env", "HOME=/", "setpriv", $"--reuid={workerUser}", $"--regid={workerUser}", "--init-groups",
                "--inh-caps=+setuid,+setgid", "--ambient-caps=+setuid,+setgid", "--"];
        var worker = await cluster.StartWorkerBehindAsync(
            [.. front, "sh", "-c", "umask 077; exec \"$0\" \"$@\""],
            executable,
            "w1",
            "--jobUser",
            "nobody",
            "--runAs",
            "games",
            "--logFile",
            log);
        var folder = Path.Combine(cluster.Folder, "w1");
        var command = Path.Combine(cluster.Folder, "command");
        await cluster.SaveAsync("other", $"echo $$ >{command}; echo begun; exec sleep 300", Never, new { user = "games" });
        await cluster.CallAsync("/api/v1/jobs/other/run");
        await Patience.Until(
            () => Directory.GetFiles(Path.Combine(folder, "output")).Any(file => new FileInfo(file).Length > 0), cluster.Describe);
        var sockets = Directory.GetFiles(Path.Combine(folder, "holders"), "*.sock");
        var arguments =
            $"{worker.Pid} {folder} {credentials} {File.ReadAllText(command).Trim()} "
                + $"{Directory.GetFiles(Path.Combine(folder, "output"))[0]} {log}";
        var result = Path.Combine(cluster.Folder, "result");

        await cluster.SaveAsync(
            "attack",
            $"(ARGUMENTS='{arguments}' SOCKETS='{string.Join(' ', sockets)}'; {Attack}\n) >{result}.new 2>&1; mv {result}.new {result}",
            Never);
        await cluster.CallAsync("/api/v1/jobs/attack/run");
        await Patience.Until(() => File.Exists(result), cluster.Describe);

        var lines = await File.ReadAllLinesAsync(result, TestContext.Current.CancellationToken);
        Assert.Equal(2, sockets.Length);
        Assert.Equal(19 + sockets.Length, lines.Length);
        Assert.Equal("trace a process of its own: had", lines[0]); // Proof that tracing works where it is allowed.
        Assert.All(lines[1..], line => Assert.EndsWith(": refused", line, StringComparison.Ordinal));
        Assert.DoesNotContain("this worker's own user", worker.ReadLog());
    }

    [Fact]
    public async Task A_worker_without_jobUser_warns_at_its_start_what_commands_can_reach()
    {
        await using var cluster = await NativeCluster.StartAsync(workers: 1);

        await cluster.Workers["w1"].LogsSoon(
            "jobs that name no user run as root, this worker's own user: their commands can read its settings, credentials, "
                + "spool and outputs, and can end it; set jobUser to run them as another user");
    }

    [Theory]
    [InlineData("no-such-user", "expected a user of this host")]
    [InlineData("root",         "expected a user other than root")]
    public async Task A_worker_with_an_unusable_jobUser_does_not_start(string jobUser, string reason)
    {
        await using var cluster = await NativeCluster.StartAsync(workers: 0);
        var log = Path.Combine(cluster.Folder, "refused.log");

        await using var worker = NativeProcess.Start(
            "dts-worker", log, ["--dataFolder", Path.Combine(cluster.Folder, "w9"), "--jobUser", jobUser, .. cluster.Common()]);

        Assert.Equal(78, await worker.WaitAsync());
        Assert.Contains($"jobUser is \"{jobUser}\"; {reason}", worker.ReadLog());
    }

    [Fact]
    public async Task A_worker_that_cannot_switch_to_its_jobUser_does_not_start()
    {
        await using var cluster = await NativeCluster.StartAsync(workers: 0);
        File.SetUnixFileMode(cluster.Folder, OpenToAll);
        var executable = Path.Combine(cluster.Folder, "dts-worker");
        await Tool.CopyProgramAsync(Path.Combine(NativeProcess.Folder, "dts-worker"), executable);
        var log = Path.Combine(cluster.Folder, "refused.log");

        await using var worker = NativeProcess.StartBehind(
            ["env", "HOME=/", "setpriv", "--reuid=daemon", "--regid=daemon", "--clear-groups", "--"],
            executable,
            log,
            ["--dataFolder", Path.Combine(cluster.Folder, "w9"), "--jobUser", "nobody", .. cluster.Common()]);

        Assert.Equal(78, await worker.WaitAsync());
        Assert.Contains(
            "jobUser is \"nobody\", but this worker cannot switch users: it is not root and lacks CAP_SETUID and CAP_SETGID",
            worker.ReadLog());
    }

    [Fact]
    public async Task A_worker_with_a_stalled_holder_records_its_starts_as_missed_and_others_take_over()
    {
        await using var cluster = await NativeCluster.StartAsync(workers: 2);
        for (var n = 1; n <= 8; n++)
        {
            await cluster.SaveAsync($"each-{n}", $"echo x >>{cluster.Witness}", "* * * * * *");
        }

        // No run is under way at that time.
        await Patience.Until(() => cluster.ReadWitness().Count > 16 && DateTime.UtcNow.Millisecond is > 500 and < 700, cluster.Describe);
        var (worker, other) = (cluster.Workers["w1"], cluster.Workers["w2"]);
        var holder = Assert.Single(Processes.Running($"hold {cluster.Folder}/w1/"));
        await Tool.RunAsync("kill", "-STOP", $"{holder}");
        await worker.LogsSoon(" s; its runs wait while they may, and this worker claims nothing until it answers");
        var before = other.CountInLog("started");
        // The other worker runs all fires, for some seconds.
        await Patience.Until(() => other.CountInLog("started") >= before + 30, cluster.Describe);
        await Tool.RunAsync("kill", "-CONT", $"{holder}");
        await worker.LogsSoon("the holder answers again");

        var records = new List<Common.Logs.RunRecord>();
        for (var n = 1; n <= 8; n++)
        {
            records.AddRange(await cluster.RecordsAsync($"each-{n}"));
        }

        Assert.All(
            records,
            record => Assert.True(
                record.Status is Dts.Common.Jobs.RunStatus.Succeeded
                    or Dts.Common.Jobs.RunStatus.Missed
                    or Dts.Common.Jobs.RunStatus.Skipped, // If a run was under way all the same.
                $"{record}"));
        Assert.Contains(
            records, record => record.Err.StartsWith("the holder did not answer within ", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("STOP")]
    [InlineData("KILL")]
    public async Task A_run_whose_holder_is_stalled_or_killed_when_its_time_comes_starts_late_and_once(string signal)
    {
        await using var cluster = await NativeCluster.StartAsync(workers: 1);
        var holder = Assert.Single(Processes.Running($"hold {cluster.Folder}/w1/"));
        await cluster.SaveAsync("once", $"echo x >>{cluster.Witness}", "@every 1h");

        await Tool.RunAsync("kill", "-" + signal, $"{holder}");
        await cluster.CallAsync("/api/v1/jobs/once/run");
        if (signal == "STOP")
        {
            await cluster.Workers["w1"].LogsSoon(" has not started and is tried again: the holder did not answer within 2 s");
            await Tool.RunAsync("kill", "-CONT", $"{holder}");
        }

        var record = Assert.Single(await cluster.RecordsSoon("once", records => records.Count > 0));
        Assert.Equal(Dts.Common.Jobs.RunStatus.Succeeded, record.Status);
        Assert.Single(cluster.ReadWitness());
    }

    [Fact]
    public async Task A_run_that_starts_beside_one_of_a_more_frequent_job_survives_a_stall_that_only_that_job_cannot_wait_for()
    {
        await using var cluster = await NativeCluster.StartAsync(workers: 1);
        await cluster.SaveAsync("frequent", "true", "* * * * * *");
        await cluster.SaveAsync("rare", "true", "*/10 * * * * *");
        await cluster.RecordsSoon("frequent", records => records.Count >= 2);
        var holder = Assert.Single(Processes.Running($"hold {cluster.Folder}/w1/"));

        DateTimeOffset now = default, planTime;
        while (true)
        {
            await Patience.Until(
                () => (now = DateTimeOffset.UtcNow) is { Second: var second, Millisecond: > 500 } && second % 10 == 9, cluster.Describe);
            planTime = DateTimeOffset.FromUnixTimeSeconds(now.ToUnixTimeSeconds() + 1);
            await Tool.RunAsync("kill", "-STOP", $"{holder}");
            if (DateTimeOffset.UtcNow < planTime)
            {
                break;
            }

            await Tool.RunAsync("kill", "-CONT", $"{holder}"); // It was stopped too late.
        }

        await Patience.Until(() => DateTimeOffset.UtcNow > planTime.AddSeconds(1.1), cluster.Describe);
        await Tool.RunAsync("kill", "-CONT", $"{holder}");

        await cluster.RecordsSoon("rare", records => records.Any(record => record.PlanTime == planTime.ToUnixTimeMilliseconds()));
        var run = Assert.Single(await cluster.RecordsAsync("rare"), record => record.PlanTime == planTime.ToUnixTimeMilliseconds());
        Assert.Equal(Dts.Common.Jobs.RunStatus.Succeeded, run.Status);
    }
}
