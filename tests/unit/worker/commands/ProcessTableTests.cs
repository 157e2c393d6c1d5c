using Dts.Tests.Support;
using Dts.Worker.Commands;
using Dts.Worker.Commands.Holders;
using Xunit;

namespace Dts.Tests.Unit.Worker.Commands;

public sealed class ProcessTableTests
{
    [Fact]
    public void It_lists_this_process_with_the_kernel_s_numbers()
    {
        var own = Assert.Single(ProcessTable.List(), process => process.Pid == Environment.ProcessId);
        var fields = File.ReadAllText("/proc/self/stat").Split(") ")[^1].Split(' ');

        Assert.Equal(
            (int.Parse(fields[1], null), int.Parse(fields[2], null), int.Parse(fields[3], null)), (own.Parent, own.Group, own.Session));
        Assert.Equal(long.Parse(fields[19], null), own.StartTicks);
        Assert.True(own.IsAlive);
        Assert.Null(ProcessTable.Find(int.MaxValue));
    }

    [Fact]
    public async Task A_process_name_with_parentheses_and_spaces_is_read_correctly()
    {
        using var scratch = new ScratchFolder();
        using var runner = new CommandRunner();
        var program = scratch.File("a) Z 1 (b");
        await Tool.CopyProgramAsync("/bin/sleep", program);
        var running = runner.Start(runner.Prepare(
            new ShellCommand { Script = $"exec '{program}' 300", Environment = CommandEnvironment.Clean() }));
        await Patience.Until(() => ProcessTable.NameOf(running.Pid) == "a) Z 1 (b", () => ProcessTable.NameOf(running.Pid));

        var process = ProcessTable.Find(running.Pid);

        Assert.Equal((Environment.ProcessId, running.StartTicks, true), (process?.Parent, process?.StartTicks, process?.IsAlive));
        running.Kill("the test is over");
        _ = await running.Ended.Soon();
    }
}
