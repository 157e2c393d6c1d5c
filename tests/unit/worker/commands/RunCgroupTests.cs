using Dts.Tests.Support;
using Dts.Worker.Commands;
using Dts.Worker.Commands.Holders;
using Xunit;

namespace Dts.Tests.Unit.Worker.Commands;

/// <summary>With the kernel's own cgroups, which these tests, run by root, may make.</summary>
public sealed class RunCgroupTests : IDisposable
{
    private static readonly TimeSpan ShortGrace = TimeSpan.FromMilliseconds(100);

    private readonly CommandRunner _runner = new();
    private readonly ScratchFolder _scratch = new();
    private readonly CgroupFolder _folder = new();
    private readonly RunCgroup _cgroup;

    public RunCgroupTests() => _cgroup = new RunCgroup(_folder.Path, mustHold: true);

    public void Dispose()
    {
        _runner.Dispose();
        _scratch.Dispose();
        _folder.Dispose();
    }

    [Fact]
    public async Task The_command_and_its_children_are_in_it_from_the_first_instruction()
    {
        var ending = await RunAsync("grep ^0:: /proc/$$/cgroup; setsid grep ^0:: /proc/self/cgroup; echo $0 $#");

        var own = $"0::/{Path.GetFileName(_folder.Path)}\n";
        Assert.Equal($"{own}{own}/bin/bash 0\n", ending.Output);
        Assert.Equal("", ending.Error);
    }

    [Fact]
    public async Task A_kill_reaches_a_daemon_that_nothing_else_finds()
    {
        // A daemon, forked twice into sessions of its own while nobody looked, with nothing of ours in its environment.
        var running = Start(
            $"(env -i setsid bash -c 'setsid bash -c \"trap : TERM; echo > {_scratch.File("ready")}; while :; do sleep 0.1; done\" &') ; "
                + "sleep 300; true",
            _cgroup);
        await _scratch.FileSoon("ready");
        await Patience.Until(
            () => CgroupFolder.PidsIn(_folder.Path).Length >= 3, () => $"in it: {string.Join(' ', CgroupFolder.PidsIn(_folder.Path))}");

        running.Kill("asked by a test", ShortGrace);
        var ending = await running.Ended.Soon();

        Assert.Equal(("killed: asked by a test", 0), (ending.Error, ending.Leftovers.Count));
        Assert.Empty(CgroupFolder.PidsIn(_folder.Path));
    }

    [Fact]
    public async Task Usage_includes_processes_that_nobody_waited_for()
    {
        var done = _scratch.File("done");
        var ending = await RunAsync(
            $"(setsid bash -c 'for ((i = 0; i < 200000; i++)); do :; done; echo > {done}' &) ; while [ ! -e {done} ]; do sleep 0.02; done");
        var use = _cgroup.ReadUse();

        Assert.True(use.CpuMs > ending.CpuMs, $"{use} against {ending.CpuMs} ms");
        Assert.False(use.OomKilled);
    }

    [Fact]
    public async Task It_can_be_removed_when_it_is_empty_with_the_cgroups_made_in_it()
    {
        var running = Start($"mkdir {_folder.File("inner")}; echo > {_scratch.File("ready")}; read -t 300 < <(sleep 300)", _cgroup);
        await _scratch.FileSoon("ready");
        Assert.False(_cgroup.TryRemove());

        running.Kill("asked by a test", ShortGrace);
        await running.Ended.Soon();

        await Patience.Until(_cgroup.TryRemove, () => "cannot be removed");
        Assert.False(Directory.Exists(_folder.Path));
        Directory.CreateDirectory(_folder.Path);
    }

    [Theory]
    [InlineData(true,  "exit status 125", "dts: cannot enter the cgroup that enforces the limits of this job\n")]
    [InlineData(false, "",                "it ran\n")]
    public async Task If_it_cannot_be_entered_commands_with_limits_fail_and_others_run(
        bool mustHold, string error, string lastLine)
    {
        var ending = await Start("echo it ran", new RunCgroup(_scratch.File("none"), mustHold)).Ended.Soon();

        Assert.Equal(error, ending.Error);
        Assert.EndsWith(lastLine, ending.Output, StringComparison.Ordinal);
    }

    private async Task<CommandEnding> RunAsync(string script) => await Start(script, _cgroup).Ended.Soon();

    private RunningCommand Start(string script, RunCgroup cgroup) =>
        _runner.Start(_runner.Prepare(
            new ShellCommand { Script = script, Environment = CommandEnvironment.Clean(), Cgroup = cgroup, Cwd = "/" }));
}
