using System.Runtime.Versioning;
using Dts.Common.Shell;
using Dts.Tests.Support;
using Xunit;

namespace Dts.Tests.Unit.Shell;

/// <summary>These tests are run by root.</summary>
[SupportedOSPlatform("linux")]
public sealed class UserSwitchTests : IDisposable
{
    private static readonly UserAccount Nobody = UserAccount.Find("nobody")!;

    private readonly CommandRunner _runner = new();
    private readonly ScratchFolder _scratch = new();

    public void Dispose()
    {
        _runner.Dispose();
        _scratch.Dispose();
    }

    [Fact]
    public async Task It_runs_as_that_user_with_the_users_groups_and_no_capability()
    {
        var ending = await RunAsync("id -un; id -u; id -G; grep -E 'Cap(Inh|Prm|Eff|Amb)' /proc/self/status | cut -f 2 | sort -u; pwd; echo $HOME $USER $LOGNAME $SHELL");

        Assert.Equal($"nobody\n{Nobody.Uid}\n{Nobody.Gid}\n0000000000000000\n/\n/ nobody nobody /bin/bash\n", ending.Output);
        Assert.Equal("", ending.Error);
    }

    [Fact]
    public async Task Its_variables_are_those_of_the_command_and_none_of_them_is_seen_by_what_runs_with_our_rights()
    {
        var environment = new Dictionary<string, string> { ["DTS_RUN_ID"] = "1", ["LD_PRELOAD"] = "/no/such.so", ["A"] = "b=c d\n\"e\"", ["PATH"] = "/usr/bin" };

        var ending = await RunAsync("tr '\\0' '\\n' < /proc/$$/environ | sort", environment);

        // The loader complains of each program that it cannot find the library for: of those that the user runs, and of no other.
        var complaints = ending.Output.Split('\n').Where(line => line.StartsWith("ERROR: ld.so", StringComparison.Ordinal)).ToList();
        Assert.NotEmpty(complaints);
        Assert.InRange(complaints.Count, 1, 3); // bash, tr, sort
        Assert.Equal(["\"e\"", "A=b=c d", "DTS_RUN_ID=1", "LD_PRELOAD=/no/such.so", "PATH=/usr/bin", ""], ending.Output.Split('\n').Except(complaints));
    }

    [Fact]
    public async Task Its_directory_is_entered_as_that_user()
    {
        var closed = Directory.CreateDirectory(_scratch.File("closed"), UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute).FullName;

        var ending = await RunAsync("echo never", cwd: closed);

        Assert.Equal("exit status 125", ending.Error);
        Assert.Matches($"^/usr/bin/env: cannot change directory to .{closed}.: Permission denied\n$", ending.Output);
    }

    [Fact]
    public async Task It_may_write_to_its_output_by_name()
    {
        var ending = await RunAsync("echo one > /dev/stdout; echo two > /dev/stderr; echo three | tee /dev/fd/2 >/dev/null");

        Assert.Equal("one\ntwo\nthree\n", ending.Output);
    }

    [Fact]
    public async Task A_kill_reaches_what_descends_from_it()
    {
        var environment = CommandEnvironment.Clean(account: Nobody);
        environment["DTS_RUN_ID"] = $"{Guid.NewGuid()}";
        var running = Start("trap '' TERM; setsid sleep 300 & wait; sleep 300", environment, null);
        await Patience.Until(() => Processes.With($"DTS_RUN_ID={environment["DTS_RUN_ID"]}").Count >= 2, () => "not started");

        running.Kill("asked by a test", TimeSpan.FromMilliseconds(100));
        var ending = await running.Ended.Soon();

        Assert.Equal("killed: asked by a test", ending.Error);
        Assert.Empty(ending.Leftovers);
        Assert.Empty(Processes.With($"DTS_RUN_ID={environment["DTS_RUN_ID"]}"));
    }

    private async Task<CommandEnding> RunAsync(string script, Dictionary<string, string>? environment = null, string? cwd = null) =>
        await Start(script, environment ?? CommandEnvironment.Clean(account: Nobody), cwd).Ended.Soon();

    private RunningCommand Start(string script, Dictionary<string, string> environment, string? cwd) =>
        _runner.Start(_runner.Prepare(new ShellCommand { Script = script, Environment = environment, User = Nobody, Cwd = cwd }));
}
