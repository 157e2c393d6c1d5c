using System.Globalization;
using System.Runtime.Versioning;
using System.Text.RegularExpressions;
using Dts.Tests.Support;
using Xunit;

namespace Dts.Tests.Cluster;

/// <summary>What users try first: make run, kill -9, make run again, Ctrl-C.</summary>
[SupportedOSPlatform("linux")]
public sealed class MakeRunTests : IDisposable
{
    private readonly ScratchFolder _scratch = new();
    private readonly List<OwnSession> _made = [];

    private string Data => _scratch.File("data");

    public void Dispose()
    {
        _made.ForEach(make => make.Dispose()); // After a failure it kills also the keepers that would restart services.

        foreach (var left in Processes.Running(_scratch.Path))
        {
            Processes.Kill(left);
        }

        _scratch.Dispose();
    }

    [Fact]
    public async Task A_killed_service_restarts_one_that_keeps_dying_pauses_and_Ctrl_C_leaves_nothing()
    {
        var run = Start(out _);
        await Soon("DTS is up");

        foreach (var service in new[] { "etcd", "worker-1", "master" })
        {
            var killed = await KillAsync(service);
            await Soon($"{service} was killed by signal 9; restarting it");
            await Patience.Until(() => PidOf(service) is { } pid && pid != killed, Said);
        }

        var last = 0;
        while (!Said().Contains("master was killed by signal 9, its third end within 10 s", StringComparison.Ordinal))
        {
            await Patience.Until(() => PidOf("master") is { } pid && pid != last, Said);
            last = await KillAsync("master");
            await Patience.Until(() => PidOf("master") != last, Said);
        }

        await Soon($"master was killed by signal 9, its third end within 10 s; it restarts in 10 s. {Data}/master.log ends with: ");
        await Patience.Until(() => PidOf("master") is not null, Said);
        await Interrupt(run);

        await NothingIsLeftAsync();
    }

    [Fact]
    public async Task Ctrl_C_ends_a_command_whose_worker_was_killed_just_before()
    {
        var run = Start(out var port);
        await Soon("DTS is up");
        using var http = new HttpClient { BaseAddress = new Uri($"http://127.0.0.1:{port}") };
        using var form = new FormUrlEncodedContent(
            [new("job", $$$"""{"name":"stays","command":"exec sleep 300","cronExpr":"0 0 0 1 1 * 2099","env":{"MARK":"{{{Data}}}"}}""")]);
        using var saved = await http.PostAsync("/job/save", form);
        using var asked = await http.PostAsync("/api/v1/jobs/stays/run", null);
        await Patience.Until(() => Processes.With($"MARK={Data}").Count == 1, Said);

        await KillAsync("worker-1");
        await Interrupt(run);

        await NothingIsLeftAsync();
        await Patience.Until(() => Processes.With($"MARK={Data}").Count == 0, () => "the command is still there");
    }

    [Fact]
    public async Task A_second_make_run_on_the_same_data_is_refused_and_a_killed_one_leaves_nothing()
    {
        var run = Start(out _);
        await Soon("DTS is up");
        var script = await ScriptAsync();

        var second = await Start(FindFreePorts(), "second").EndedAsync();
        Processes.Kill(script);
        await run.EndedAsync();
        await NothingIsLeftAsync();

        Assert.NotEqual(0, second);
        Assert.StartsWith(
            $"make run is already running on {Data} (process {script}); end it there, or start another: make run DATA=", Said("second"));
    }

    [Fact]
    public async Task A_user_other_than_root_can_run_it_and_an_unwritable_folder_is_reported()
    {
        // The repository may be in a folder that only root can enter.
        await Tool.RunAsync(
            "cp", "-r", Tool.InRepository(".ci"), Tool.InRepository("systemd"), Tool.InRepository("Makefile"), _scratch.Path);
        await Tool.RunAsync(
            "cp", Path.Combine(NativeProcess.Folder, "dts-master"), Path.Combine(NativeProcess.Folder, "dts-worker"), _scratch.Path);
        await Tool.RunAsync("chmod", "-R", "a+rX", _scratch.Path);
        Directory.CreateDirectory(Data);
        await Tool.RunAsync("chown", "nobody", Data);
        string[] asNobody = ["setpriv", "--reuid=nobody", "--regid=65534", "--clear-groups", "env", "HOME=/nonexistent"];

        var refused = await Start(FindFreePorts(), "refused", asNobody, _scratch.Path, _scratch.File("other")).EndedAsync();
        var run = Start(FindFreePorts(), "run", asNobody, _scratch.Path);
        await Soon("DTS is up");
        await Interrupt(run);

        Assert.NotEqual(0, refused);
        Assert.StartsWith($"nobody cannot write the folder {_scratch.File("other")}; choose another: make run DATA=", Said("refused"));
    }

    [Theory]
    [InlineData("README.md")]
    [InlineData("docs/README.zh-CN.md")]
    public async Task The_commands_of_the_README_do_what_it_shows(string document)
    {
        var commands = Regex.Matches(File.ReadAllText(Tool.InRepository(document)), @"^\$ (make run|curl .+)$", RegexOptions.Multiline)
            .Select(match => match.Groups[1].Value).Distinct().ToList();
        var run = Start(out var port);
        await Soon("DTS is up");

        foreach (var command in commands.Skip(1))
        {
            var expected = command.Contains("/job/log", StringComparison.Ordinal) ? "\"output\":\"hello hello" : "\"msg\":\"success\"";
            var answer = "";
            await Patience.Until(
                () => (answer = RunAsync(command).Result).Contains(expected, StringComparison.Ordinal), () => $"{command}: {answer}");
        }

        await Interrupt(run);
        Assert.Equal("make run", commands[0]);
        Assert.Contains(commands, command => command.Contains("/job/save", StringComparison.Ordinal));
        Assert.Contains(commands, command => command.Contains("/job/log", StringComparison.Ordinal));

        Task<string> RunAsync(string command) => Tool.RunAsync("bash", "-c", command.Replace("127.0.0.1:8070", $"127.0.0.1:{port}"));
    }

    [Fact]
    public async Task A_killed_one_leaves_nothing_also_where_nobody_reaps_orphans()
    {
        // 36: PR_SET_CHILD_SUBREAPER.
        const string NoReaper =
            "import ctypes, signal, subprocess, sys; ctypes.CDLL(None).prctl(36, 1); subprocess.run(sys.argv[1:]); signal.pause()";
        Start(FindFreePorts(), "run", ["python3", "-c", NoReaper]);
        await Soon("DTS is up");

        Processes.Kill(await ScriptAsync());

        await Patience.Until(
            () => Processes.Running(Data).Count == 2 /* python3, and the shell that waits for it */,
            () => string.Join('\n', Processes.Running(Data).Select(Processes.Describe)));
    }

    /// <summary>The process of .ci/run-local. It holds its lock, so File.ReadAllText would refuse to read it.</summary>
    private async Task<int> ScriptAsync() =>
        int.Parse(await Tool.RunAsync("cat", Path.Combine(Data, "lock")), CultureInfo.InvariantCulture);

    private OwnSession Start(out int port)
    {
        var ports = FindFreePorts();
        port = ports.Api;
        return Start(ports, "run");
    }

    private OwnSession Start((int Api, int Etcd) ports, string said, string[]? front = null, string? repository = null, string? data = null)
    {
        var make = new OwnSession([
            "sh", "-c", "out=$1; shift; exec \"$@\" >\"$out\" 2>&1 </dev/null", "sh", _scratch.File(said), .. front ?? [],
            "make", "--no-print-directory", "-C", repository ?? Tool.InRepository("."), "run", $"BIN={repository ?? NativeProcess.Folder}",
            $"DATA={data ?? Data}", $"API_PORT={ports.Api}", $"ETCD_PORT={ports.Etcd}", "WORKERS=1"]);
        _made.Add(make);
        return make;
    }

    private static async Task Interrupt(OwnSession make)
    {
        await make.InterruptAsync();
        await make.EndedAsync();
    }

    /// <summary>A killed process may take a moment to end.</summary>
    private Task NothingIsLeftAsync() => Patience.Until(
        () => Processes.Running(Data).Count == 0, () => string.Join('\n', Processes.Running(Data).Select(Processes.Describe)));

    private string Said() => Said("run");

    private string Said(string name) => File.Exists(_scratch.File(name)) ? File.ReadAllText(_scratch.File(name)) : "";

    private Task Soon(string text) => Patience.Until(() => Said().Contains(text, StringComparison.Ordinal), Said);

    private async Task<int> KillAsync(string service)
    {
        await Patience.Until(() => PidOf(service) is not null, Said);
        var pid = PidOf(service)!.Value;
        Processes.Kill(pid);
        return pid;
    }

    private int? PidOf(string service) => Running(service) is [var pid] ? pid : null;

    private List<int> Running(string service)
    {
        var commandLine = service switch
        {
            "etcd" => "etcd --data-dir",
            "master" => "dts-master --apiPort",
            _ => $"dts-worker --workerId {service} ",
        };
        return [.. Processes.Running(commandLine).Where(pid => Processes.Describe(pid).Contains(Data, StringComparison.Ordinal))];
    }

    private static (int Api, int Etcd) FindFreePorts()
    {
        // Below the kernel's range of ephemeral ports, and those of Tool.FindFreePort; etcd needs two consecutive ports.
        for (var port = 10_000 + (Environment.ProcessId % 4_000); ; port += 3)
        {
            try
            {
                foreach (var candidate in new[] { port, port + 1, port + 2 })
                {
                    using var probe = new System.Net.Sockets.TcpListener(System.Net.IPAddress.Loopback, candidate);
                    probe.Start();
                }

                return (port, port + 1);
            }
            catch (System.Net.Sockets.SocketException)
            {
                // The port is in use.
            }
        }
    }
}
