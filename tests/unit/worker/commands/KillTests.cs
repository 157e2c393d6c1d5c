using Dts.Common.Logs;
using Dts.Tests.Support;
using Dts.Worker.Commands;
using Dts.Worker.Commands.Holders;
using Xunit;

namespace Dts.Tests.Unit.Worker.Commands;

public sealed class KillTests : IDisposable
{
    private static readonly TimeSpan NoGrace = TimeSpan.Zero;
    private static readonly TimeSpan ShortGrace = TimeSpan.FromMilliseconds(100);
    private static readonly TimeSpan SomeGrace = TimeSpan.FromSeconds(2); // enough for a command that ends on SIGTERM
    private static readonly TimeSpan LongGrace = TimeSpan.FromHours(1); // a test that waits for it does not end

    private readonly CommandRunner _runner = new();
    private readonly ScratchFolder _scratch = new();
    private readonly string _runId = Guid.NewGuid().ToString();

    private string Ready => _scratch.File("ready");

    public void Dispose()
    {
        _runner.Dispose();
        _scratch.Dispose();
        Processes.With($"DTS_RUN_ID={_runId}").ForEach(Processes.Kill);
    }

    [Theory]
    // Each is ready only after the last fork: bash blocks SIGTERM before it forks, and a child of that moment would miss it.
    // plain, in the background, and in a group of its own (job control)
    [InlineData("sh -c 'touch $READY; exec sleep 300'; true")]
    [InlineData("sleep 300 | sh -c 'touch $READY; exec cat'")]
    [InlineData("sleep 300 & sleep 301 & touch $READY; wait")]
    [InlineData("set -m; (sleep 300 | sh -c 'touch $READY; exec cat') & wait")]
    // what hides: a new session; a daemon, forked twice; one of those that starts others; with its environment gone
    [InlineData("setsid sh -c 'touch $READY; exec sleep 300' & wait")]
    [InlineData("sleep 300 & (setsid bash -c 'sleep 300 & touch $READY; wait' &) ; wait")]
    [InlineData("sleep 300 & (setsid bash -c 'setsid sleep 301 & setsid sleep 302 & touch $READY; wait' &) ; wait")]
    [InlineData("setsid bash -c 'env -i setsid sleep 300 & touch $READY; wait' & wait")]
    [InlineData("bash -c 'set -m; env -i sleep 300 &'; sleep 300 & touch $READY; wait")]
    public async Task A_kill_leaves_nothing_behind(string script)
    {
        var running = Start($"echo before; {script}", LongGrace);
        await _scratch.FileSoon("ready");
        running.Kill("asked by a test");
        var ending = await running.Ended.Soon(State);

        Assert.Equal(new CommandOutcome.Killed("asked by a test"), ending.Outcome);
        Assert.Equal("killed: asked by a test", ending.Error);
        Assert.Equal(("before\n", 15), (ending.Output, ending.Signal));
        Assert.Empty(ending.Leftovers);
        Assert.Empty(Processes.With($"DTS_RUN_ID={_runId}"));
        Assert.DoesNotContain(ProcessTable.List(), process => process.IsAlive && process.Session == running.Pid);
        await Patience.Until( // An orphan that has just ended may not be reaped yet.
            () => ProcessTable.List().TrueForAll(process => process.Session != running.Pid),
            () => string.Join('\n', ProcessTable.List().Where(process => process.Session == running.Pid)));
    }

    [Theory]
    [InlineData("trap '' TERM; touch $READY; while :; do sleep 0.1; done")]
    [InlineData("trap '' TERM; (setsid bash -c 'touch $READY; while :; do sleep 0.1; done' &) ; while :; do sleep 0.1; done")]
    [InlineData("trap 'setsid sleep 300 & setsid sleep 300 &' TERM; touch $READY; while :; do sleep 0.1; done")]
    public async Task A_process_that_ignores_sigterm_is_killed_after_the_grace(string script)
    {
        var running = Start(script, ShortGrace);
        await _scratch.FileSoon("ready");
        running.Kill("asked by a test");
        var ending = await running.Ended.Soon(State);

        Assert.Equal("killed: asked by a test", ending.Error);
        Assert.Equal((null, 9), (ending.ExitCode, ending.Signal));
        Assert.Empty(ending.Leftovers);
        Assert.Empty(Processes.With($"DTS_RUN_ID={_runId}"));
    }

    [Theory]
    [InlineData("setsid bash -c 'trap \"\" TERM; touch $READY; while :; do sleep 0.1; done' & wait")]
    // an orphan only from then on, with nothing of ours in its environment
    [InlineData("setsid bash -c 'env -i READY=$READY setsid bash -c "
        + "\"trap : TERM; touch \\$READY; while :; do sleep 0.1; done\" & wait' & wait")]
    public async Task A_kill_waits_for_the_daemon_of_a_shell_that_has_ended(string script)
    {
        var running = Start(script, SomeGrace);
        await _scratch.FileSoon("ready");
        running.Kill("asked by a test");
        var ending = await running.Ended.Soon(State);

        Assert.Equal(15, ending.Signal);
        Assert.Empty(Processes.With($"READY={Ready}"));
    }

    [Fact]
    public void A_kill_goes_on_while_the_cgroup_has_a_process_that_the_table_lacks()
    {
        const int NobodysPid = 4194305; // Above the kernel's greatest.
        using var folder = new ScratchFolder();
        File.WriteAllText(folder.File("cgroup.procs"), $"{NobodysPid + 1}\n");
        var command = new ShellCommand
        {
            Script = "",
            Environment = new Dictionary<string, string>(),
            Cgroup = new RunCgroup(folder.Path, mustHold: false),
        };
        var files = CommandFiles.Open(command);
        var running = new RunningCommand(NobodysPid, 1, DateTimeOffset.UtcNow, (_, _, _) => { });
        var child = new Child(running, command, pidFd: -1, input: -1, files);
        var kill = new KillSequence(child, new CommandOutcome.Killed("asked by a test"), TimeSpan.Zero);

        KillSequence.Begin([kill], new ProcessSnapshots(), nowMs: 0);
        Assert.NotNull(kill.Look([], hasEnded: true, nowMs: 1));
        File.WriteAllText(folder.File("cgroup.procs"), "");
        Assert.Null(kill.Look([], hasEnded: true, nowMs: 2));
        files.Close();
    }

    [Fact]
    public async Task A_command_that_cleans_up_on_sigterm_is_over_when_it_has_cleaned_up()
    {
        var running = Start("trap 'echo bye; exit 4' TERM; touch $READY; while :; do sleep 0.05; done", LongGrace);
        await _scratch.FileSoon("ready");
        running.Kill("asked by a test");
        var ending = await running.Ended.Soon(State);

        Assert.Equal(("killed: asked by a test", 4, null), (ending.Error, ending.ExitCode, ending.Signal));
        Assert.EndsWith("bye\n", ending.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_kill_waits_for_descendants_that_clean_up()
    {
        var running = Start(
            "setsid bash -c \"trap 'sleep 0.2; echo child done; exit' TERM; touch $READY; while :; do sleep 0.05; done\" & wait",
            LongGrace);
        await _scratch.FileSoon("ready");
        running.Kill("asked by a test");
        var ending = await running.Ended.Soon(State);

        Assert.EndsWith("child done\n", ending.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_stopped_command_gets_sigterm_too()
    {
        var running = Start("trap 'echo bye; exit' TERM; kill -STOP $$", LongGrace);
        await Patience.Until(() => Processes.StateOf(running.Pid) == "T", () => Processes.StateOf(running.Pid) ?? "gone");
        running.Kill("asked by a test");
        var ending = await running.Ended.Soon(State);

        Assert.Equal("bye\n", ending.Output);
    }

    [Fact]
    public async Task With_no_grace_it_is_killed_at_once()
    {
        var running = Start("trap '' TERM; touch $READY; while :; do sleep 0.1; done", NoGrace);
        await _scratch.FileSoon("ready");
        running.Kill("asked by a test");

        Assert.Equal(9, (await running.Ended.Soon(State)).Signal);
    }

    [Fact]
    public async Task A_timeout_kills_it_with_another_ending()
    {
        var grace = TimeSpan.FromSeconds(10); // Used up only if the timeout comes just before a fork.
        var running = Start("(setsid sleep 300 &); sleep 300", grace, timeout: TimeSpan.FromMilliseconds(300));
        var ending = await running.Ended.Soon(State);

        Assert.Equal(new CommandOutcome.TimedOut(TimeSpan.FromMilliseconds(300)), ending.Outcome);
        Assert.Equal(("timed out after 0.3 s", 15), (ending.Error, ending.Signal));
        Assert.NotNull(ending.Processes);
        Assert.True(ending.EndedAt - ending.StartedAt >= TimeSpan.FromMilliseconds(300));
        Assert.Empty(Processes.With($"DTS_RUN_ID={_runId}"));
    }

    [Fact]
    public async Task A_kill_lists_the_processes_just_before_the_first_signal()
    {
        var (pid, sleeping, processes) = await KillAndList(
            "sleep 300 & setsid sleep 301 & trap 'echo bye; exit' TERM; wait", sleeps: 2, WaitsForChildren);

        Assert.Equal((pid, Environment.ProcessId), (processes[0].Pid, processes[0].Parent));
        Assert.Contains("sleep 300 & setsid sleep 301", processes[0].Command);
        Assert.Equal(sleeping.Keys.ToHashSet(), processes.Skip(1).Select(process => process.Pid).ToHashSet());
        Assert.All(processes.Skip(1), process => Assert.Equal(pid, process.Parent));
        Assert.Equal(["sleep 300", "sleep 301"], processes.Skip(1).Select(process => process.Command).Order());
        Assert.All(processes, process => Assert.Equal("S", process.State));
        Assert.All(processes, process => Assert.InRange(process.RssKb, 100, 1 << 20));
    }

    [Fact]
    public async Task A_kill_lists_the_processes_that_used_the_processor_or_waited_in_the_kernel()
    {
        const int ticks = 15; // 150 ms
        var (_, sleeping, processes) = await KillAndList("sleep 300 & while :; do :; done", sleeps: 1, pid => TicksOf(pid) >= ticks);

        var (busy, asleep) = (processes[0], processes[1]);
        Assert.True(busy.CpuMs > 100 && asleep.CpuMs < 100, $"{busy} {asleep}");
        var waitsIn = sleeping[asleep.Pid];
        Assert.Equal(("S", waitsIn == "0" ? "" : waitsIn), (asleep.State, asleep.WaitsIn));
    }

    [Fact]
    public async Task A_command_that_ends_by_itself_lists_no_processes()
    {
        var ending = await Start("sleep 0.1", LongGrace).Ended.Soon(State);

        Assert.Null(ending.Processes);
    }

    [Fact]
    public async Task The_first_kill_counts_and_a_late_one_does_nothing()
    {
        var running = Start("touch $READY; exec sleep 300", LongGrace, timeout: TimeSpan.FromMinutes(10));
        await _scratch.FileSoon("ready");
        running.Kill("first");
        running.Kill("second");
        var ending = await running.Ended.Soon(State);
        running.Kill("third");

        Assert.Equal("killed: first", ending.Error);
    }

    [Fact]
    public async Task Another_run_of_the_same_moment_is_not_touched()
    {
        const string daemon = "sleep 300 & (setsid sleep 300 & echo $! > $READY.new; mv $READY.new $READY) ; wait";
        var ours = Start(daemon, LongGrace, job: "ours");
        await _scratch.FileSoon("ready");
        File.Delete(Ready);
        var theirs = Start(daemon, LongGrace, job: "theirs");
        await _scratch.FileSoon("ready");
        var theirDaemon = int.Parse(await File.ReadAllTextAsync(Ready, TestContext.Current.CancellationToken), null);
        ours.Kill("asked by a test");
        _ = await ours.Ended.Soon(State);

        Assert.Empty(Processes.With("DTS_JOB=ours").Intersect(Processes.With($"DTS_RUN_ID={_runId}")));
        Assert.True(Processes.IsAlive(theirDaemon));
        Assert.True(Processes.IsAlive(theirs.Pid));
        Assert.False(theirs.Ended.IsCompleted);
        theirs.Kill("the test is over");
        _ = await theirs.Ended.Soon(State);
    }

    [Fact]
    public async Task Many_kills_at_once_all_come_to_an_end()
    {
        var commands = Enumerable.Range(0, 40).Select(_ => Start("sleep 300 | cat", SomeGrace)).ToList();

        commands.ForEach(running => running.Kill("asked by a test"));

        foreach (var running in commands)
        {
            Assert.Empty((await running.Ended.Soon(State)).Leftovers);
        }

        Assert.Empty(Processes.With($"DTS_RUN_ID={_runId}"));
    }

    private RunningCommand Start(string script, TimeSpan grace, TimeSpan timeout = default, string job = "test")
    {
        var environment = CommandEnvironment.Clean();
        environment["DTS_JOB"] = job;
        environment["DTS_RUN_ID"] = _runId;
        environment["READY"] = Ready;
        return _runner.Start(_runner.Prepare(new ShellCommand
        {
            Script = script,
            Environment = environment,
            KillGrace = grace,
            Timeout = timeout,
        }));
    }

    /// <summary>
    /// Starts a script, kills it once it is ready, and returns which of its processes slept, each with the kernel function it slept in,
    /// and what the kill lists. On a busy host a text may come too late for the list: then all is done again.
    /// </summary>
    /// <param name="isReady">Of the shell's pid.</param>
    private async Task<(int Pid, Dictionary<int, string> Sleeping, IReadOnlyList<RunProcess> Listed)> KillAndList(
        string script, int sleeps, Func<int, bool> isReady)
    {
        const int triesMax = 5;
        for (var tries = 1; ; tries++)
        {
            var running = Start(script, LongGrace);
            await Patience.Until(() => FindSleeping().Count == sleeps && isReady(running.Pid), State);
            var sleeping = FindSleeping().ToDictionary(pid => pid, pid => File.ReadAllText($"/proc/{pid}/wchan"));
            running.Kill("asked by a test");
            var listed = (await running.Ended.Soon(State)).Processes!;
            if (listed.All(process => process.Command.Length > 0) || tries == triesMax)
            {
                return (running.Pid, sleeping, listed);
            }
        }
    }

    /// <summary>The processor time of a process, in the kernel's ticks (proc(5), stat).</summary>
    private static long TicksOf(int pid)
    {
        var fromThird = File.ReadAllText($"/proc/{pid}/stat").Split(") ")[^1].Split(' ');
        return long.Parse(fromThird[14 - 3], null) + long.Parse(fromThird[15 - 3], null);
    }

    /// <summary>The processes of this test that are sleep(1) by now.</summary>
    private HashSet<int> FindSleeping() =>
        [.. Processes.With($"DTS_RUN_ID={_runId}").Where(pid => IsAsleep(pid, Processes.Describe(pid)))];

    /// <summary>Whether a process is `sleep`, and has begun to: just after exec it still runs.</summary>
    private static bool IsAsleep(int pid, string state) =>
        state.StartsWith($"{pid} Name: sleep State: S ", StringComparison.Ordinal) && WaitsIn(state, "nanosleep");

    /// <summary>Whether a shell has come to its `wait`, and sleeps there.</summary>
    private static bool WaitsForChildren(int pid) =>
        Processes.Describe(pid) is var state && state.Contains(" State: S ", StringComparison.Ordinal) && WaitsIn(state, "do_wait");

    /// <summary>Whether a process waits in such a function of the kernel. Some hosts do not tell: there it is always 0.</summary>
    private static bool WaitsIn(string state, string name) =>
        state.Split(" waits in ")[^1] is var function && (function == "0" || function.Contains(name, StringComparison.Ordinal));

    private string State()
    {
        var left = Processes.With($"DTS_RUN_ID={_runId}");
        return $"left: {string.Join("; ", left.Select(Processes.Describe))}";
    }
}
