using Dts.Worker.Commands;
using Dts.Worker.Commands.Holders;
using Dts.Worker.Native;
using Microsoft.Win32.SafeHandles;
using Xunit;

namespace Dts.Tests.Unit.Worker.Commands;

public sealed class OutputPipesTests
{
    [Fact]
    public void Bytes_in_the_pipe_at_a_command_s_end_are_kept_and_later_ones_are_not()
    {
        var pipes = new OutputPipes();
        Assert.Equal(0, FileDescriptors.OpenPipe(out var readEnd, out var writeEnd));
        using var writer = new FileStream(new SafeFileHandle(writeEnd, ownsHandle: true), FileAccess.Write, bufferSize: 0);
        var child = new Child(
            new RunningCommand(pid: 1, startTicks: 1, DateTimeOffset.UtcNow, (_, _, _) => { }),
            new ShellCommand { Script = "", Environment = new Dictionary<string, string>() },
            pidFd: -1,
            input: readEnd,
            files: CommandFiles.None);
        pipes.Add(child);

        writer.Write("now"u8);
        pipes.TakeRest(child);
        writer.Write("later"u8);
        pipes.Read(readEnd);

        Assert.Equal(("now", false), child.Output.ToText());
        Assert.Equal(0, FileDescriptors.CountReadable(readEnd));
        Assert.Null(pipes.FindChild(readEnd));
        pipes.CloseAll();
    }
}
