using System.Diagnostics;
using System.Runtime.Versioning;
using Dts.Tests.Support;
using Dts.Worker.Commands;
using Dts.Worker.Commands.Holders;
using Xunit;

namespace Dts.Tests.Cluster;

/// <summary>These tests run as root.</summary>
[SupportedOSPlatform("linux")]
public sealed class UserSwitchTests : IDisposable
{
    private static readonly UserAccount Nobody = UserAccount.Find("nobody")!;

    private const UnixFileMode OpenToAll = (UnixFileMode)0b111_101_101;

    private readonly ScratchFolder _scratch = new();
    private HeldCommands? _commands;

    public void Dispose()
    {
        _commands?.Dispose();
        _scratch.Dispose();
    }

    [Fact]
    public async Task It_runs_as_that_user_with_the_users_groups_and_no_capability()
    {
        var ending = await RunAsync(
            "id -un; id -u; id -G; grep -E 'Cap(Inh|Prm|Eff|Amb)' /proc/self/status | cut -f 2 | sort -u; pwd; "
                + "echo $HOME $USER $LOGNAME $SHELL");

        Assert.Equal($"nobody\n{Nobody.Uid}\n{Nobody.Gid}\n0000000000000000\n/\n/ nobody nobody /bin/bash\n", ending.Output);
        Assert.Equal("", ending.Error);
    }

    [Fact]
    public async Task Only_the_command_gets_its_variables_and_no_program_before_it()
    {
        var environment = new Dictionary<string, string>
        {
            ["DTS_RUN_ID"] = "1",
            ["LD_PRELOAD"] = "/no/such.so",
            ["A"] = "b=c d\n\"e\"",
            ["PATH"] = "/usr/bin",
        };

        var ending = await RunAsync("tr '\\0' '\\n' < /proc/$$/environ | sort", environment);

        // The loader complains for each program whose preload is missing: for the user's programs and for no others.
        var complaints = ending.Output.Split('\n').Where(line => line.StartsWith("ERROR: ld.so", StringComparison.Ordinal)).ToList();
        Assert.NotEmpty(complaints);
        Assert.InRange(complaints.Count, 1, 3); // bash, tr, sort
        Assert.Equal(
            ["\"e\"", "A=b=c d", "DTS_RUN_ID=1", "LD_PRELOAD=/no/such.so", "PATH=/usr/bin", ""],
            ending.Output.Split('\n').Except(complaints));
    }

    [Fact]
    public async Task Its_directory_is_entered_as_that_user()
    {
        var closed = Directory.CreateDirectory(
            _scratch.File("closed"), UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute).FullName;

        var ending = await RunAsync("echo never", cwd: closed);

        Assert.Equal($"cannot start: cwd \"{closed}\": Permission denied", ending.Error);
    }

    [Fact]
    public async Task It_may_write_to_its_output_by_name()
    {
        var ending = await RunAsync("echo one > /dev/stdout; echo two > /dev/stderr; echo three | tee /dev/fd/2 >/dev/null");

        Assert.Equal("one\ntwo\nthree\n", ending.Output);
    }

    [Fact]
    public async Task A_kill_reaches_its_descendants()
    {
        var environment = CommandEnvironment.Clean(account: Nobody);
        environment["DTS_RUN_ID"] = $"{Guid.NewGuid()}";
        var running = await StartAsync("trap '' TERM; setsid sleep 300 & wait; sleep 300", environment, null);
        await Patience.Until(() => Processes.With($"DTS_RUN_ID={environment["DTS_RUN_ID"]}").Count >= 2, () => "not started");

        running.Kill("asked by a test", TimeSpan.FromMilliseconds(100));
        var ending = await running.Ended.Soon();

        Assert.Equal("killed: asked by a test", ending.Error);
        Assert.Empty(ending.Leftovers);
        Assert.Empty(Processes.With($"DTS_RUN_ID={environment["DTS_RUN_ID"]}"));
    }

    [Fact]
    public async Task It_enters_a_cgroup_that_it_may_neither_read_nor_write_and_a_kill_of_the_cgroup_reaches_it()
    {
        using var folder = new CgroupFolder();
        File.SetUnixFileMode(folder.Path, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute); // The units' umask
        var cgroup = new RunCgroup(folder.Path, mustHold: true);
        var running = await StartAsync(
            "id -un; grep ^0:: /proc/self/cgroup; (env -i setsid sleep 300 &); sleep 301",
            CommandEnvironment.Clean(account: Nobody),
            "/",
            cgroup);
        await Patience.Until(() => CgroupFolder.PidsIn(folder.Path).Count(IsSleep) == 2, () => "not started");

        running.Kill("asked by a test", TimeSpan.FromMilliseconds(100));
        var ending = await running.Ended.Soon();

        Assert.Equal($"nobody\n0::/{Path.GetFileName(folder.Path)}\n", ending.Output);
        Assert.Equal("killed: asked by a test", ending.Error);
        Assert.Empty(ending.Leftovers);
        Assert.Empty(CgroupFolder.PidsIn(folder.Path).Select(Processes.Describe));

        // The shell's own text names them, too.
        bool IsSleep(int pid) =>
            Processes.Describe(pid) is var what
                && what.Contains("sleep 30", StringComparison.Ordinal)
                && !what.Contains("id -un", StringComparison.Ordinal);
    }

    [Fact]
    public async Task Its_output_goes_to_a_file_that_it_can_neither_read_nor_write_by_name()
    {
        var output = new OutputTarget(_scratch.File("1.out"), "a/1", 1000);

        var running = await StartAsync(
            $"echo one; sleep 2; cat {output.Path}; echo x >{output.Path}; ls -l /proc/self/fd",
            CommandEnvironment.Clean(account: Nobody),
            "/",
            output: output);
        var ending = await running.Ended.Soon();

        Assert.DoesNotContain("1.out", ending.Output.Replace($"{output.Path}: Permission denied", "refused"));
        using var stored = StoredOutput.TryOpen(output.Path);
        Assert.Equal(ending.OutputBytes, stored!.Length);
    }

    [Fact]
    public async Task The_process_that_starts_commands_accepts_only_the_worker_and_root()
    {
        using (var first = await OpenAsync())
        {
            await first.PrepareAndStartAsync(
                "a/1", new ShellCommand { Script = "sleep 300", Environment = CommandEnvironment.Clean(account: Nobody), User = Nobody });
        }

        // Not even a user who can enter the folder, which is normally closed.
        File.SetUnixFileMode(_scratch.File("holders"), OpenToAll);
        var socket = Directory.GetFiles(_scratch.File("holders"), "*.sock").Single();
        File.SetUnixFileMode(socket, OpenToAll | UnixFileMode.GroupWrite | UnixFileMode.OtherWrite);
        var heard = Ask("daemon") + Ask("nobody") + Ask("root");
        using var second = await OpenAsync();
        Assert.Single(second.TakeFormer()).Running.Kill("the test is over", TimeSpan.Zero);

        Assert.Equal("daemon: 0\nnobody: 0\nroot: 1\n", heard);

        string Ask(string user)
        {
            const string Connect =
                "import socket,sys; s=socket.socket(socket.AF_UNIX); s.settimeout(20); s.connect(sys.argv[1]); "
                    + "print('%s: %d' % (sys.argv[2], len(s.recv(1))))";
            string[] arguments = [$"--reuid={user}", "--clear-groups", "/usr/bin/python3", "-c", Connect, socket, user];
            using var asking = Process.Start(new ProcessStartInfo("setpriv", arguments) { RedirectStandardOutput = true })!;
            return asking.StandardOutput.ReadToEnd();
        }
    }

    [Fact]
    public async Task Each_user_has_one_holder_which_has_no_capabilities_and_hides_its_memory()
    {
        var daemon = UserAccount.Find("daemon")!;
        _commands = await OpenAsync();

        var running = await _commands.PrepareAndStartAsync(("a/1", LookOf(Nobody)), ("b/2", LookOf(daemon)), ("c/3", LookOf(Nobody)));
        var endings = await Task.WhenAll(running.Select(one => one.Ended.Soon()));

        Assert.All(
            endings,
            ending => Assert.Matches(
                "^(nobody|daemon)\n0000000000000000\ncat: /proc/[0-9]+/environ: Permission denied\nroot\n[0-9]+\n0022\n$", ending.Output));
        Assert.Equal(["nobody", "daemon", "nobody"], endings.Select(ending => ending.Output.Split('\n')[0]));
        Assert.Equal(endings[0].Output, endings[2].Output);
        Assert.Equal(2, endings.Select(ending => ending.Output).Distinct().Count());

        static ShellCommand LookOf(UserAccount user) => new()
        {
            Script =
                "id -un; grep Cap[PE] /proc/$PPID/status | cut -f 2 | sort -u; cat /proc/$PPID/environ; "
                    + "stat -c %U /proc/$PPID/environ; echo $PPID >&2; umask",
            Environment = CommandEnvironment.Clean(account: user),
            User = user,
        };
    }

    [Theory]
    [InlineData("nobody", "dts-starts dts-worker")]
    [InlineData(null, "dts-worker")] // Root's: the thread that hears the worker starts commands, too.
    public async Task The_holder_has_real_time_priority_like_the_worker_and_no_command_has(
        string? user, string hurried)
    {
        // Real-time priority and policy (proc(5), stat) of each thread of the holder; nice and these of the shell and of a child of it.
        const string Script = """
            for i in /proc/$PPID/task/*; do set -- $(sed 's/.*) /1 2 /' $i/stat); echo ${40} ${41} $(cat $i/comm); done |
                sort | grep -v '^0 0 '
            sleep 0.1; for i in $$ self; do set -- $(cat /proc/$i/stat); echo ${19} ${40} ${41}; done; ulimit -r; ulimit -Hr
            """;
        var account = user is null ? null : Nobody;
        var own = File.ReadAllText($"/proc/{Environment.ProcessId}/stat").Split(") ")[^1].Split(' ');
        _commands = await OpenAsync();

        var running = await _commands.PrepareAndStartAsync(
            "a/1", new ShellCommand { Script = Script, Environment = CommandEnvironment.Clean(account: account), User = account });
        var ending = await running.Ended.Soon();

        using var may = Process.Start("chrt", ["--rr", "1", "true"])!;
        await may.WaitForExitAsync(TestContext.Current.CancellationToken);
        var expected = string.Concat((may.ExitCode == 0 ? hurried.Split(' ') : []).Select(thread => $"1 2 {thread}\n"));
        Assert.Equal($"{expected}{own[16]} 0 0\n{own[16]} 0 0\n0\n0\n", ending.Output);
    }

    [Fact]
    public async Task Commands_whose_holder_has_no_room_for_its_socket_say_so_and_others_run()
    {
        _commands = await OpenAsync();
        Directory.Move(_scratch.File("holders"), _scratch.File("away")); // As a full or broken disk: no file can be made there.
        var root = new ShellCommand { Script = "echo one", Environment = CommandEnvironment.Clean() };

        var started = await _commands.PrepareAndStartAsync(("a/1", root), ("b/2", root with { Script = "echo two", User = Nobody }));
        var endings = await Task.WhenAll(started.Select(running => running.Ended.Soon()));

        Assert.Matches(
            "^this user's holder does not run: .*/holders: No such file or directory$",
            Assert.IsType<CommandOutcome.NotStarted>(endings[0].Outcome).Why);
        Assert.Equal("two\n", endings[1].Output);
    }

    [Fact]
    public async Task Commands_of_a_user_whose_holder_cannot_start_say_so_and_others_run()
    {
        _commands = await OpenAsync();
        var stranger = new UserAccount("no-such-user", 4711, 4711, "/");

        var started = await _commands.PrepareAndStartAsync(
            ("a/1", new ShellCommand { Script = "echo one", Environment = CommandEnvironment.Clean(), User = stranger }),
            ("b/2", new ShellCommand { Script = "echo two", Environment = CommandEnvironment.Clean(), User = Nobody }));
        var endings = await Task.WhenAll(started.Select(running => running.Ended.Soon()));

        Assert.Equal(
            "cannot start: this user's holder does not run: it ended before it answered", endings[0].Error);
        Assert.Equal("two\n", endings[1].Output);
    }

    [Fact]
    public async Task A_command_that_kills_all_processes_of_its_user_ends_only_their_runs()
    {
        var (news, daemon) = (UserAccount.Find("news")!, UserAccount.Find("daemon")!); // No other test has processes of news.
        var log = new RecordedLog();
        _commands = await OpenAsync(log, user: news);
        var last = Of("d/4", "echo four", news);
        _commands.Prepare("d/4", "", last);

        var running = await _commands.PrepareAndStartAsync(
            ("a/1", Of("a/1", "setsid sleep 300 & sleep 301; sleep 302", news)),
            ("b/2", Of("b/2", "kill -9 -1; sleep 303", news)),
            ("c/3", Of("c/3", "sleep 2; echo three", daemon)));
        var lost = await Task.WhenAll(running[0].Ended.Soon(), running[1].Ended.Soon());
        var killed = await _commands.KillLeftAsync(
            news, new Dictionary<string, string> { ["DTS_RUN_ID"] = "b/2" }, running[1].Pid, running[1].StartTicks);
        var started = await _commands.StartSurelyAsync(["d/4"], id => _commands!.Prepare(id, "", last));
        var next = await started[0].Ended.Soon();

        Assert.All(
            lost,
            ending => Assert.StartsWith(
                "the process that held its command is gone", Assert.IsType<CommandOutcome.Lost>(ending.Outcome).Why));
        Assert.Equal("three\n", (await running[2].Ended.Soon()).Output);
        Assert.Equal("four\n", next.Output); // It was prepared in the holder that died.
        Assert.NotNull(killed);
        await Patience.Until(() => Processes.With("DTS_RUN_ID=b/2").Count == 0, () => "it lives");
        Assert.Equal(1, log.CountOf("the holder of news's commands"));
        Assert.Equal(0, log.CountOf("the holder of daemon's commands"));
        Assert.Equal(2, Directory.GetFiles(_scratch.File("holders"), "*.sock").Length);

        static ShellCommand Of(string id, string script, UserAccount user)
        {
            var environment = CommandEnvironment.Clean(account: user);
            environment["DTS_RUN_ID"] = id;
            return new ShellCommand { Script = script, Environment = environment, User = user };
        }
    }

    [Fact]
    public async Task Holders_that_die_at_once_are_started_at_most_ten_times_in_ten_seconds()
    {
        var uucp = UserAccount.Find("uucp")!; // No other test has processes of this user.
        var log = new RecordedLog();
        _commands = await OpenAsync(log, user: uucp);
        var before = Environment.TickCount64;
        for (var i = 1; i <= 30; i++)
        {
            _commands.Prepare(
                $"a/{i}",
                "",
                new ShellCommand { Script = "kill -9 -1", Environment = CommandEnvironment.Clean(account: uucp), User = uucp });
            var ending = await Assert.Single(await _commands.StartAsync([$"a/{i}"], TimeSpan.FromMinutes(1))).Ended.Soon();
            Assert.True(ending.Outcome is CommandOutcome.Lost or CommandOutcome.NotStarted { TooLate: true }, ending.Error);
        }

        var seconds = (Environment.TickCount64 - before) / 1000;
        Assert.InRange(log.CountOf("the holder of uucp's commands"), 1, 11 + (int)seconds);
    }

    [Fact]
    public async Task A_stopped_holder_of_a_former_worker_is_killed_as_its_user_and_delays_no_start()
    {
        var log = new RecordedLog();
        var environment = CommandEnvironment.Clean(account: Nobody);
        environment["DTS_RUN_ID"] = $"{Guid.NewGuid()}";
        using (var first = await OpenAsync())
        {
            await first.PrepareAndStartAsync(
                "a/1", new ShellCommand { Script = "exec sleep 300", Environment = environment, User = Nobody });
        }

        var holder = Assert.Single(Processes.Running($"hold {_scratch.File("holders")}"));
        Processes.Signal(holder, "STOP");
        // What a silent one gets.
        _commands = await OpenAsync(log).WaitAsync(TimeSpan.FromSeconds(10), TestContext.Current.CancellationToken);

        Assert.Empty(_commands.TakeFormer());
        Assert.False(Processes.IsAlive(holder));
        Assert.Contains(
            log.Lines,
            line => line.Contains(
                $"holder {holder}, left by the worker's previous process, does not answer (a signal stopped it)",
                StringComparison.Ordinal));
        Assert.Single(Directory.GetFiles(_scratch.File("holders"), "*.sock"));
        Assert.Equal(
            1, await _commands.KillLeftAsync(Nobody, new Dictionary<string, string> { ["DTS_RUN_ID"] = environment["DTS_RUN_ID"] }, 0, 0));
    }

    [Fact]
    public async Task An_idle_user_s_holder_ends_after_a_while_and_that_of_jobUser_stays()
    {
        var daemon = UserAccount.Find("daemon")!;
        _commands = await OpenAsync(idlesFor: TimeSpan.FromSeconds(1));
        foreach (var (id, script) in new[] { ("a/1", "echo one"), ("b/2", "read x; echo two") })
        {
            var running = await _commands.PrepareAndStartAsync(
                id, new ShellCommand { Script = script, Environment = CommandEnvironment.Clean(account: daemon), User = daemon });
            await running.Ended.Soon();
            await Patience.Until(() => Holders().Count == 2, () => string.Join(' ', Holders()));
            _commands.Forget(id);

            await Patience.Until(() => Holders().Count == 1, () => string.Join(' ', Holders()));
        }

        Assert.Equal("nobody", UserAccount.Find(ProcessTable.UidOf(Assert.Single(Holders()))!.Value)!.Name);
        await Patience.Until(
            () => Directory.GetFiles(_scratch.File("holders")).Length == 2,
            () => string.Join(' ', Directory.GetFiles(_scratch.File("holders"))));

        List<int> Holders() => Processes.Running($"hold {_scratch.File("holders")}");
    }

    [Fact]
    public async Task Holders_that_cannot_start_leave_no_files_behind()
    {
        _commands = await OpenAsync();
        var stranger = new UserAccount("no-such-user", 4711, 4711, "/");
        foreach (var id in (string[])["a/1", "a/2", "a/3"])
        {
            var running = await _commands.PrepareAndStartAsync(
                id, new ShellCommand { Script = "true", Environment = CommandEnvironment.Clean(), User = stranger });
            await running.Ended.Soon();
        }

        Assert.Single(Directory.GetFiles(_scratch.File("holders"), "*.sock")); // The worker's own.
        Assert.Single(Directory.GetFiles(_scratch.File("holders"), "*.ended"));
    }

    private async Task<HeldCommands> OpenAsync(RecordedLog? log = null, TimeSpan? idlesFor = null, UserAccount? user = null)
    {
        var worker = _scratch.File("dts-worker"); // A path where that user may execute it.
        if (!File.Exists(worker))
        {
            File.SetUnixFileMode(_scratch.Path, OpenToAll);
            await Tool.CopyProgramAsync(Path.Combine(NativeProcess.Folder, "dts-worker"), worker);
        }

        return await HeldCommands.OpenAsync(_scratch.File("holders"), [worker, "hold"], user ?? Nobody, log, idlesFor);
    }

    private async Task<CommandEnding> RunAsync(string script, Dictionary<string, string>? environment = null, string? cwd = null) =>
        await (await StartAsync(script, environment ?? CommandEnvironment.Clean(account: Nobody), cwd)).Ended.Soon();

    private async Task<RunningCommand> StartAsync(
        string script, Dictionary<string, string> environment, string? cwd, RunCgroup? cgroup = null, OutputTarget? output = null)
    {
        _commands ??= await OpenAsync();
        return await _commands.PrepareAndStartAsync(
            "a/1",
            new ShellCommand
            {
                Script = script,
                Environment = environment,
                User = Nobody,
                Cwd = cwd ?? "/",
                Cgroup = cgroup,
                OutputTarget = output,
            });
    }
}
