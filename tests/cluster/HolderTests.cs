using Dts.Tests.Support;
using Dts.Worker.Commands;
using Dts.Worker.Commands.Holders;
using Xunit;

namespace Dts.Tests.Cluster;

public sealed class HolderTests : IDisposable
{
    private readonly ScratchFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Every_message_survives_the_line_unchanged()
    {
        var ending = CommandEnding.NotStarted("no such shell", DateTimeOffset.UnixEpoch);
        HolderMessage[] messages =
        [
            new HolderMessage.Prepare(
                "a/1",
                "tag",
                new ShellCommand { Script = "echo 'ü\n'", Environment = new Dictionary<string, string> { ["A"] = "b" } },
                new CommandFiles(7, -1, -1)),
            new HolderMessage.Drop("a/1"),
            new HolderMessage.Start(["a/1", "b/2"], 5),
            new HolderMessage.Kill("a/1", "why", null),
            new HolderMessage.KillAt("a/1", 7, "why", 500),
            new HolderMessage.Forget("a/1"),
            new HolderMessage.KillLeft(new Dictionary<string, string> { ["DTS_RUN_ID"] = "1" }, 7, 8),
            new HolderMessage.LeftKilled(3),
            new HolderMessage.Started([new("a/1", "tag", 7, 8, DateTimeOffset.UnixEpoch, null)]),
            new HolderMessage.Holds([new("a/1", "tag", 0, 0, DateTimeOffset.UnixEpoch, ending)]),
            new HolderMessage.Ended("a/1", ending),
        ];

        Assert.All(messages, message => Assert.Equal(Line(message), Line(HolderLine.Parse(Line(message))!)));
    }

    [Fact]
    public void An_unknown_message_of_a_later_version_is_skipped() => Assert.Null(HolderLine.Parse("""{"is":"dance","id":"a/1"}"""));

    [Fact]
    public async Task A_start_request_that_comes_too_late_starts_nothing()
    {
        using var commands = await OpenAsync();

        commands.Prepare("a/1", "", Some("echo hello"));
        var running = Assert.Single(await commands.StartAsync(["a/1"], TimeSpan.FromMilliseconds(-1)));

        Assert.True(Assert.IsType<CommandOutcome.NotStarted>((await running.Ended).Outcome).TooLate);
    }

    [Fact]
    public void A_holder_says_that_it_refused_a_start_together_with_the_reason()
    {
        var refused = new StartedCommand("a/1", "", RunningCommand.NotStarted("it was stalled", tooLate: true));

        var heard = RunningCommand.Of(refused.ToHeld(), (_, _, _) => { });

        Assert.Equal("it was stalled", heard.WhyTooLate);
    }

    [Fact]
    public async Task A_start_that_a_holder_refused_is_known_to_the_next_worker_unless_it_was_dropped()
    {
        using (var first = await OpenAsync())
        {
            first.Prepare("a/1", "", Some("echo hello"));
            first.Prepare("b/2", "", Some("echo hello"));
            await first.StartAsync(["a/1", "b/2"], TimeSpan.FromMilliseconds(-1));
            first.Drop("b/2");
        }

        using var second = await OpenAsync();
        Assert.Equal("a/1", Assert.Single(second.TakeFormer()).Id);
    }

    [Fact]
    public async Task Prepared_commands_go_with_their_worker_and_started_ones_stay()
    {
        using (var first = await OpenAsync())
        {
            first.Prepare("b/2", "two", Some("read x </dev/zero"));
            await first.PrepareAndStartAsync("a/1", Some("sleep 300"), tag: "one");
        }

        using var second = await OpenAsync();
        var former = Assert.Single(second.TakeFormer());
        former.Running.Kill("the test is over", TimeSpan.Zero);

        Assert.Equal(("a/1", "one"), (former.Id, former.Tag));
        Assert.IsType<CommandOutcome.Killed>((await former.Running.Ended).Outcome);
    }

    [Fact]
    public async Task A_command_is_killed_at_its_deadline_even_without_its_worker()
    {
        using (var first = await OpenAsync())
        {
            await first.PrepareAndStartAsync("a/1", Some("sleep 300"), tag: "one");
            first.KillAfter(new KillDeadline("a/1", TimeSpan.FromMilliseconds(500), "nobody is there", TimeSpan.Zero));
        }

        await Patience.Until(() => Directory.GetFiles(_folder.Path, "*.sock").Length == 0, () => "it goes on");
        using var second = await OpenAsync();
        Assert.Equal(new CommandOutcome.Killed("nobody is there"), (await Assert.Single(second.TakeFormer()).Running.Ended).Outcome);
        second.Forget("a/1");
    }

    [Fact]
    public async Task An_ending_is_reported_until_it_is_forgotten()
    {
        for (var round = 0; round < 3; round++)
        {
            using var commands = await OpenAsync();
            if (round == 0)
            {
                await (await commands.PrepareAndStartAsync("a/1", Some("echo hello"))).Ended;
                continue;
            }

            Assert.Equal("hello\n", (await Assert.Single(commands.TakeFormer()).Running.Ended).Output);
            if (round == 2)
            {
                commands.Forget("a/1");
            }
        }

        await Patience.Until(() => Directory.GetFiles(_folder.Path).Length == 0, () => string.Join(' ', Directory.GetFiles(_folder.Path)));
    }

    [Fact]
    public async Task A_former_worker_s_holder_ends_with_its_last_command()
    {
        using (var first = await OpenAsync())
        {
            await first.PrepareAndStartAsync("a/1", Some("read x </dev/zero; sleep 300"));
        }

        using var second = await OpenAsync();
        var former = Assert.Single(second.TakeFormer());
        Assert.Equal(2, Holders());
        former.Running.Kill("the test is over", TimeSpan.Zero);
        await former.Running.Ended;
        Assert.Equal(2, Holders());
        second.Forget("a/1");

        await Patience.Until(() => Holders() == 1, () => $"{Holders()} holders");

        int Holders() => Processes.Running($"hold {_folder.Path}").Count;
    }

    [Fact]
    public async Task A_start_that_a_stalled_holder_does_not_answer_in_time_never_runs()
    {
        using var commands = await OpenAsync();
        var holder = Assert.Single(Processes.Running($"hold {_folder.Path}"));
        commands.Prepare("a/1", "", Some("echo never"));
        commands.Prepare("b/2", "", Some("echo never"));
        commands.Prepare("c/3", "", Some("echo hello"));

        Signal(holder, "STOP");
        var first = await (await commands.StartAsync(["a/1"], TimeSpan.FromMinutes(1)))[0].Ended;
        var second = await (await commands.StartAsync(["b/2"], TimeSpan.FromMinutes(1)))[0].Ended;
        Assert.False(commands.Answers);
        Signal(holder, "CONT");
        await commands.AnswerAsync(TestContext.Current.CancellationToken).WaitAsync(Patience.Limit, TestContext.Current.CancellationToken);
        var third = await (await commands.StartSurelyAsync(["c/3"], id => commands.Prepare(id, "", Some("echo hello"))))[0].Ended;

        Assert.Equal(
            new CommandOutcome.NotStarted("the holder did not answer within 2 s", TooLate: true), first.Outcome);
        Assert.Equal(new CommandOutcome.NotStarted("the holder does not answer", TooLate: true), second.Outcome);
        Assert.Equal("hello\n", third.Output);
    }

    [Fact]
    public async Task A_start_that_was_given_up_can_be_prepared_and_started_again_and_runs_once()
    {
        using var commands = await OpenAsync();
        var holder = Assert.Single(Processes.Running($"hold {_folder.Path}"));
        var witness = _folder.File("witness");
        commands.Prepare("a/1", "", Some($"echo x >>{witness}"));
        Signal(holder, "STOP");
        Assert.NotNull((await commands.StartAsync(["a/1"], TimeSpan.FromMinutes(1)))[0].WhyTooLate);
        Assert.Equal([""], commands.SilentUsers);
        commands.Drop("a/1");
        commands.Prepare("a/1", "", Some($"echo x >>{witness}"));
        Assert.NotNull((await commands.StartAsync(["a/1"], TimeSpan.FromMinutes(1)))[0].WhyTooLate);
        commands.Drop("a/1");
        commands.Prepare("a/1", "", Some($"echo x >>{witness}"));

        Signal(holder, "CONT");
        await commands.AnswerAsync(TestContext.Current.CancellationToken).WaitAsync(Patience.Limit, TestContext.Current.CancellationToken);
        var ran = (await commands.StartSurelyAsync(["a/1"], id => commands.Prepare(id, "", Some($"echo x >>{witness}"))))[0];

        Assert.IsType<CommandOutcome.Exited>((await ran.Ended.Soon()).Outcome);
        Assert.Equal(["x"], File.ReadAllLines(witness));
    }

    [Fact]
    public async Task The_processor_time_and_the_largest_memory_of_a_command_are_measured_also_below_a_larger_worker()
    {
        const int Kilobytes = 200_000; // More than the holder has: what stays below that cannot be told.
        var large = new byte[Kilobytes * 2048]; // This process is the worker.
        large.AsSpan().Fill(1);
        using var commands = await OpenAsync();
        var running = await commands.PrepareAndStartAsync(
            "a/1", Some($"for ((i = 0; i < 100000; i++)); do :; done; head -c {Kilobytes}K /dev/zero | tail -n 1 | wc -c"));

        var ending = await running.Ended.Soon();

        Assert.Equal($"{Kilobytes * 1024}\n", ending.Output);
        Assert.InRange(ending.CpuMs, 10, 60_000);
        Assert.InRange(ending.MaxRssKb ?? 0, Kilobytes, Kilobytes * 2);
        GC.KeepAlive(large);
    }

    [Fact]
    public async Task The_memory_of_its_holder_is_never_taken_for_that_of_a_command()
    {
        using var commands = await OpenAsync();
        var running = await commands.PrepareAndStartAsync([.. Enumerable.Range(0, 100).Select(n => ($"a/{n}", Some(":")))]);

        var endings = await Task.WhenAll(running.Select(run => run.Ended)).Soon();

        Assert.All(endings, ending => Assert.Null(ending.MaxRssKb));
    }

    [Fact]
    public async Task Warm_ups_start_nothing_and_a_prepared_command_still_starts_after_a_hundred_of_them()
    {
        using var commands = await OpenAsync();
        var witness = _folder.File("witness");
        commands.Prepare("a/1", "", Some($"echo a >>{witness}"));
        commands.Prepare("b/2", "", Some($"echo b >>{witness}"));
        for (var n = 0; n < 100; n++)
        {
            commands.WarmUp(["", "nobody"]);
        }

        var ran = (await commands.StartSurelyAsync(["b/2"], id => commands.Prepare(id, "", Some($"echo b >>{witness}"))))[0];

        Assert.IsType<CommandOutcome.Exited>((await ran.Ended.Soon()).Outcome);
        Assert.Equal(["b"], File.ReadAllLines(witness));
    }

    [Fact]
    public async Task An_idle_holder_that_stalls_is_noticed_and_so_is_its_recovery()
    {
        using var commands = await OpenAsync();
        var running = await commands.PrepareAndStartAsync("a/1", Some("sleep 300"));
        var holder = Assert.Single(Processes.Running($"hold {_folder.Path}"));

        Signal(holder, "STOP");
        await Patience.Until(() => !commands.Answers, () => "nobody noticed");
        Signal(holder, "CONT");
        await commands.AnswerAsync(TestContext.Current.CancellationToken).WaitAsync(Patience.Limit, TestContext.Current.CancellationToken);
        running.Kill("the test is over", TimeSpan.Zero);

        Assert.Equal(new CommandOutcome.Killed("the test is over"), (await running.Ended.Soon()).Outcome);
    }

    [Fact]
    public async Task All_hung_holders_of_former_workers_share_one_time_limit()
    {
        // One after the other, each for ten seconds, they would take longer than a test has patience.
        var count = 1 + (int)(Patience.Limit / TimeSpan.FromSeconds(10));
        var hung = Enumerable.Range(0, count).Select(i => HolderFolder.Listen(_folder.File($"{i}.sock"))).ToList();

        using var commands = await OpenAsync().WaitAsync(Patience.Limit, TestContext.Current.CancellationToken);
        hung.ForEach(listener => listener.Dispose());

        Assert.Empty(commands.TakeFormer());
    }

    [Fact]
    public async Task A_command_whose_start_was_given_up_is_killed_if_it_started()
    {
        // A holder that stalls between its look at the clock and the start.
        const string Stalled = """
            import json, socket, sys
            worker = socket.socket(fileno=3).accept()[0]
            def say(word): worker.sendall(json.dumps(word).encode() + b'\n')
            say({"is": "holds", "commands": []})
            for line in worker.makefile():
                word = json.loads(line)
                if word.get('ids') == []: # It is asked whether it is there.
                    say({"is": "started", "commands": []})
                    continue
                open(sys.argv[1], 'a').write(word['is'] + ' ' + word.get('id', '') + '\n')
                if word['is'] == 'drop':
                    say({"is": "started", "commands": [{
                        "id": "a/1", "tag": "", "pid": 4194305, "startTicks": 1, "startedAt": "2026-01-01T00:00:00Z", "ending": None}]})
            """;
        var said = _folder.File("said");
        var log = new RecordedLog();
        using var commands = await HeldCommands.OpenAsync(
            _folder.File("holders"), ["/usr/bin/python3", "-c", Stalled, said], user: null, log);
        commands.Prepare("a/1", "", Some("echo never"));
        commands.Prepare("b/2", "", Some("echo never"));

        await commands.StartAsync(["a/1"], TimeSpan.FromMinutes(1));
        commands.Drop("b/2");
        await Patience.Until(() => Said().EndsWith("drop b/2\nforget b/2\nkill a/1\n", StringComparison.Ordinal), Said);

        Assert.Contains(log.Lines, line => line.Contains("a/1 started too late, as process 4194305", StringComparison.Ordinal));
        await commands.AnswerAsync(TestContext.Current.CancellationToken).WaitAsync(Patience.Limit, TestContext.Current.CancellationToken);

        string Said() => File.Exists(said) ? File.ReadAllText(said) : "";
    }

    [Fact]
    public async Task A_background_process_can_write_after_its_worker_has_gone_and_the_holder_ends_with_it()
    {
        var ticks = _folder.File("ticks");
        using (var commands = await OpenAsync())
        {
            var running = await commands.PrepareAndStartAsync(
                "a/1", Some($"(while :; do echo tick; echo x >>{ticks}; sleep 0.05; done) & echo $!"));
            var ending = await running.Ended;
            File.WriteAllText(_folder.File("pid"), ending.Output.Split('\n').First(line => line != "tick"));
            commands.Forget("a/1");
        }

        var pid = int.Parse(File.ReadAllText(_folder.File("pid")), System.Globalization.CultureInfo.InvariantCulture);
        await Patience.Until(() => File.Exists(ticks), () => "it does not tick");
        var before = File.ReadAllLines(ticks).Length;
        await Patience.Until(() => File.ReadAllLines(ticks).Length > before + 40 || !Processes.IsAlive(pid), () => "it is stuck");
        Assert.True(Processes.IsAlive(pid));

        using (var next = await OpenAsync())
        {
            Assert.Empty(next.TakeFormer());
        }

        Signal(pid, "KILL");
        await Patience.Until(() => Processes.Running($"hold {_folder.Path}").Count == 0, () => "the holder goes on");
    }

    [Fact]
    public async Task The_file_has_the_ending_of_a_command_whose_background_process_keeps_the_holder()
    {
        using (var first = await OpenAsync())
        {
            await first.PrepareAndStartAsync("a/1", Some("sleep 300 & echo $!; sleep 1; exit 3"));
        }

        await Patience.Until(
            () => Directory.GetFiles(_folder.Path, "*.ended").Any(file => new FileInfo(file).Length > 0), () => "no endings");
        var holder = Assert.Single(Processes.Running($"hold {_folder.Path}"));
        Signal(holder, "KILL");
        using var second = await OpenAsync();
        var ending = await Assert.Single(second.TakeFormer()).Running.Ended;
        Signal(int.Parse(ending.Output, System.Globalization.CultureInfo.InvariantCulture), "KILL");

        Assert.Equal("exit status 3", ending.Error);
        second.Forget("a/1");
    }

    private static void Signal(int pid, string signal)
    {
        using var kill = System.Diagnostics.Process.Start("kill", [$"-{signal}", $"{pid}"]);
        kill.WaitForExit();
    }

    private static string Line(HolderMessage message) => System.Text.Encoding.UTF8.GetString(HolderLine.ToBytes(message)).TrimEnd('\n');

    private static ShellCommand Some(string script) => new() { Script = script, Environment = CommandEnvironment.Clean() };

    private Task<HeldCommands> OpenAsync() => HeldCommands.OpenAsync(_folder.Path, [Worker, "hold"]);

    private static string Worker => Path.Combine(NativeProcess.Folder, "dts-worker");
}
