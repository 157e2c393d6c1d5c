using System.Diagnostics;
using System.Runtime.InteropServices;
using Dts.Tests.Support;
using Dts.Worker.Commands;
using Dts.Worker.Commands.Holders;
using Dts.Worker.Native;
using Xunit;

namespace Dts.Tests.Unit.Worker.Commands;

public sealed class CommandRunnerTests : IDisposable
{
    private readonly CommandRunner _runner = new();
    private readonly ScratchFolder _scratch = new();

    public void Dispose()
    {
        _runner.Dispose();
        _scratch.Dispose();
    }

    [Fact]
    public async Task Both_outputs_are_kept_in_the_order_of_writing()
    {
        var before = DateTimeOffset.UtcNow;
        var ending = await Run("echo one; echo two >&2; echo three; printf four");

        Assert.Equal("one\ntwo\nthree\nfour", ending.Output);
        Assert.Equal(("", 0, null), (ending.Error, ending.ExitCode, ending.Signal));
        Assert.Equal(new CommandOutcome.Exited(0), ending.Outcome);
        Assert.Equal((18, false), (ending.OutputBytes, ending.OutputTruncated));
        Assert.Empty(ending.Leftovers);
        Assert.True(before <= ending.StartedAt && ending.StartedAt <= ending.EndedAt && ending.EndedAt <= DateTimeOffset.UtcNow);
    }

    [Theory]
    [InlineData("exit 3",            "exit status 3",       3,    null)]
    [InlineData("no-such-program",   "exit status 127",     127,  null)]
    [InlineData("kill -KILL $$",     "killed by SIGKILL",   null, 9)]
    [InlineData("kill -SEGV $$",     "killed by SIGSEGV",   null, 11)]
    [InlineData("kill -40 $$",       "killed by signal 40", null, 40)]
    public async Task A_failure_says_how_it_failed(string script, string error, int? exitCode, int? signal)
    {
        var ending = await Run(script);

        Assert.Equal((error, exitCode, signal), (ending.Error, ending.ExitCode, ending.Signal));
    }

    [Theory]
    [InlineData("/bin/bash", "-x",       "-x: command not found")]
    [InlineData("/bin/bash", "+x; true", "+x: command not found")]
    [InlineData("/bin/bash", "--",       "--: command not found")]
    [InlineData("/bin/dash", "-x",       "-x: not found")]
    [InlineData("/bin/dash", "+e",       "+e: not found")]
    public async Task A_command_that_begins_like_an_option_of_the_shell_is_a_command(string shell, string script, string said)
    {
        var ending = await Start(Command(script) with { Shell = shell }).Ended.Soon();

        Assert.Contains(said, ending.Output);
    }

    [Theory]
    [InlineData("/no/such/shell", null,           "cannot start: shell \"/no/such/shell\": No such file or directory")]
    [InlineData("/etc/passwd",    null,           "cannot start: shell \"/etc/passwd\": Permission denied")]
    [InlineData("/bin/bash",      "/no/such/dir", "cannot start: cwd \"/no/such/dir\": No such file or directory")]
    [InlineData("/bin/bash",      "/etc/passwd",  "cannot start: cwd \"/etc/passwd\": Not a directory")]
    public async Task A_command_that_cannot_start_ends_with_one_line_that_names_the_cause(string shell, string? cwd, string error)
    {
        var running = Start(Command("echo hi") with { Shell = shell, Cwd = cwd });
        var ending = await running.Ended.Soon();

        Assert.Equal(error, ending.Error);
        Assert.Equal((0, 0L), (running.Pid, running.StartTicks));
        Assert.Equal((null, null, ""), (ending.ExitCode, ending.Signal, ending.Output));
        running.Kill("too late, and harmless");
    }

    [Fact]
    public async Task A_home_that_cannot_be_entered_is_named_as_such()
    {
        var home = new Dictionary<string, string> { ["HOME"] = "/no/such/home" };
        var ending = await Start(Command("echo hi") with { Environment = home, Cwd = "/no/such/home" }).Ended.Soon();

        Assert.Equal("cannot start: HOME \"/no/such/home\": No such file or directory", ending.Error);
    }

    [Fact]
    public async Task A_script_that_no_process_can_get_ends_with_one_line_too()
    {
        var tooLong = await Run($": {new string('x', 200_000)}");
        var zero = await Run("echo a\0b");
        var environment = await Start(Command("true") with { Environment = new Dictionary<string, string> { ["A=B"] = "" } }).Ended.Soon();

        Assert.Equal("cannot start: shell \"/bin/bash\": Argument list too long", tooLong.Error);
        Assert.StartsWith("cannot start: a zero character", zero.Error, StringComparison.Ordinal);
        Assert.StartsWith("cannot start: environment variable \"A=B\"", environment.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task It_sees_the_environment_it_was_given_and_nothing_else()
    {
        var given = new Dictionary<string, string> { ["PATH"] = "/usr/bin:/bin", ["NAME"] = "备份 \"x\"\ny" };
        var ending = await Start(Command("cat /proc/$$/environ; :") with { Environment = given }).Ended.Soon();

        Assert.Equal("PATH=/usr/bin:/bin\0NAME=备份 \"x\"\ny\0", ending.Output);
    }

    [Fact]
    public async Task The_clean_environment_is_that_of_crontab()
    {
        var clean = CommandEnvironment.Clean();
        var ending = await Start(Command("echo $SHELL; cd; pwd; command -v cat") with { Environment = clean }).Ended.Soon();

        Assert.Equal(["HOME", "LANG", "LOGNAME", "PATH", "SHELL", "USER"], clean.Keys.Order());
        Assert.Equal("", ending.Error);
        Assert.StartsWith($"/bin/bash\n{clean["HOME"]}\n/", ending.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Its_input_is_empty_and_it_inherits_no_descriptor()
    {
        var forgotten = dup(2); // as a library might open one, without O_CLOEXEC
        var ending = await Run("cat; readlink /proc/self/fd/0; cd /proc/self/fd; for i in [0-9]*; do [ -e $i ] && echo $i; done");

        FileDescriptors.Close(forgotten);
        Assert.Equal("/dev/null\n0\n1\n2\n", ending.Output);
    }

    [Fact]
    public async Task It_has_a_session_and_a_group_of_its_own()
    {
        var running = Start(Command("set -- $(cat /proc/$$/stat); echo $5 $6 ${22}"));
        var ending = await running.Ended.Soon();

        Assert.Equal($"{running.Pid} {running.Pid} {running.StartTicks}\n", ending.Output);
    }

    [Fact]
    public async Task Its_signals_are_those_of_a_login_shell()
    {
        var ending = await Run("grep -E 'Sig(Ign|Blk)' /proc/self/status; yes | head -1");

        // 32 and 33 are glibc's own: it sets them up anew in each program.
        Assert.Matches("^SigBlk:\t0{16}\nSigIgn:\t0{7}[01][08]0{7}\ny\n$", ending.Output);
    }

    [Fact]
    public async Task A_command_started_with_real_time_priority_runs_with_ordinary_priority()
    {
        // Once the shell's policy is ordinary: of the shell and of a child of it, nice, real-time priority and policy (proc(5), stat).
        const string script = "for n in {1..400}; do [ \"$(cut -d' ' -f41 /proc/$$/stat)\" = 0 ] && break; sleep 0.05; done; "
            + "for i in $$ self; do set -- $(cat /proc/$i/stat); echo ${19} ${40} ${41}; done";
        var own = File.ReadAllText($"/proc/{Environment.ProcessId}/stat").Split(") ")[^1].Split(' ');
        var fromThread = new TaskCompletionSource<RunningCommand>();
        new Thread(() =>
        {
            _ = CommandRunner.TryMakeThreadRealTime();
            fromThread.SetResult(Start(Command(script)));
        }).Start();

        var hurried = await (await fromThread.Task).Ended.Soon();
        var ordinary = await Run(script);

        Assert.Equal($"{own[16]} 0 0\n{own[16]} 0 0\n", hurried.Output);
        Assert.Equal(hurried.Output, ordinary.Output);
    }

    [Fact]
    public async Task It_runs_in_its_directory()
    {
        var elsewhere = await Start(Command("pwd") with { Cwd = _scratch.Path }).Ended.Soon();
        var here = await Run("pwd");

        Assert.Equal(_scratch.Path + "\n", elsewhere.Output);
        Assert.Equal(Environment.CurrentDirectory + "\n", here.Output);
    }

    [Fact]
    public async Task Twenty_megabytes_of_output_are_counted_and_cut()
    {
        var ending = await Start(
            Command("head -c 20000000 /dev/zero | tr '\\0' x; echo end") with { OutputLimitBytes = 10_000 }).Ended.Soon();

        Assert.Equal((20_000_004, true), (ending.OutputBytes, ending.OutputTruncated));
        Assert.InRange(ending.Output.Length, 9_900, 10_000);
        Assert.EndsWith("xend\n", ending.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_background_child_that_keeps_the_pipe_delays_nothing_and_is_left_alone()
    {
        var ending = await Run("sleep 300 & echo $!");

        var pid = int.Parse(ending.Output, null);
        Assert.True(Processes.IsAlive(pid));
        Processes.Kill(pid);
        await Patience.Until(() => !Directory.Exists($"/proc/{pid}"), () => $"{pid} was not reaped");
    }

    [Fact]
    public async Task A_background_child_that_writes_on_and_on_delays_nothing_either()
    {
        var pidFile = _scratch.File("pid");
        _ = await Run($"yes & echo $! > {pidFile}");

        var pid = int.Parse(await File.ReadAllTextAsync(pidFile, TestContext.Current.CancellationToken), null);
        Assert.True(Processes.IsAlive(pid));
        Processes.Kill(pid);
    }

    [Fact]
    public async Task Later_output_of_a_background_child_is_discarded_and_does_not_end_it()
    {
        var ending = await Run(
            $"(while [ ! -e {_scratch.File("go")} ]; do sleep 0.02; done; echo late; echo late >&2; "
                + $"touch {_scratch.File("survived")}) & echo now");
        await File.WriteAllTextAsync(_scratch.File("go"), "", TestContext.Current.CancellationToken);

        await _scratch.FileSoon("survived");
        Assert.Equal("now\n", ending.Output);
    }

    [Fact]
    public async Task Orphans_that_end_are_reaped()
    {
        var ending = await Run("(setsid sleep 0.1 & echo $!)");

        var pid = int.Parse(ending.Output, null);
        await Patience.Until(() => !Directory.Exists($"/proc/{pid}"), () => File.ReadAllText($"/proc/{pid}/stat"));
    }

    [Fact]
    public async Task Hundreds_of_commands_at_once_each_have_their_own_ending()
    {
        using var other = new CommandRunner();
        var commands = Enumerable.Range(0, 300)
            .Select(i => (i, (i % 2 == 0 ? _runner : other).Start(_runner.Prepare(Command($"echo {i}; exit {i % 100}")))))
            .ToList();

        foreach (var (i, running) in commands)
        {
            var ending = await running.Ended.Soon();
            Assert.Equal(($"{i}\n", i % 100), (ending.Output, ending.ExitCode));
        }
    }

    [Fact]
    public async Task A_child_that_other_code_started_is_not_reaped()
    {
        for (var i = 0; i < 20; i++)
        {
            using var foreign = Process.Start("/bin/sh", ["-c", "exit 7"]);
            _ = await Run("true");
            await foreign.WaitForExitAsync(TestContext.Current.CancellationToken);

            Assert.Equal(7, foreign.ExitCode);
        }
    }

    [Fact]
    public async Task A_command_prepared_and_never_started_leaves_nothing_behind()
    {
        // Two descriptors each: if they leaked, there would be no more long before the end.
        for (var i = 0; i < 50_000; i++)
        {
            _runner.Prepare(Command("true")).Dispose();
        }

        using var unstarted = _runner.Prepare(Command("true"));
        var prepared = _runner.Prepare(Command("echo started"));
        var ending = await _runner.Start(prepared).Ended.Soon();

        Assert.Equal("started\n", ending.Output);
        Assert.Throws<ObjectDisposedException>(() => _runner.Start(prepared));
    }

    [Fact]
    public async Task Commands_that_run_when_the_runner_ends_are_left_alone()
    {
        var runner = new CommandRunner();
        var script = $"while [ ! -e {_scratch.File("go")} ]; do sleep 0.02; done; touch {_scratch.File("survived")}";
        var running = runner.Start(runner.Prepare(Command(script)));

        runner.Dispose();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => running.Ended.Soon());
        await File.WriteAllTextAsync(_scratch.File("go"), "", TestContext.Current.CancellationToken);
        await _scratch.FileSoon("survived");
    }

    [DllImport("libc")]
    private static extern int dup(int fd);

    private static ShellCommand Command(string script) => new() { Script = script, Environment = CommandEnvironment.Clean() };

    private RunningCommand Start(ShellCommand command) => _runner.Start(_runner.Prepare(command));

    private Task<CommandEnding> Run(string script) => Start(Command(script)).Ended.Soon();
}
