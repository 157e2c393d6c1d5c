using System.Text;

namespace Dts.Common.Shell;

/// <summary>A short command that this process waits for and whose answer it wants, without a runner: for one that runs no jobs and ends soon.</summary>
internal static class Question
{
    private const int QuietMsMax = 3000;

    /// <summary>What it printed and its exit code; null = it did not come to its end.</summary>
    public static (int? ExitCode, string Output) Ask(string script)
    {
        using var attributes = new SpawnAttributes();
        var command = new ShellCommand
        {
            Script = $"{script}; code=$?; echo; echo $code",
            Shell = "/bin/sh",
            Environment = CommandEnvironment.Clean("/bin/sh"),
        };
        using var prepared = new PreparedCommand(command, CommandFiles.None);
        if (prepared.Spawn(attributes) == 0)
        {
            return (null, prepared.Error ?? "");
        }

        var input = prepared.TakeInput();
        prepared.Dispose(); // Its end of the pipe; or there would be no end to be read.
        var said = Encoding.UTF8.GetString(ReadToEnd(input)).TrimEnd('\n').Split('\n');
        return (int.TryParse(said[^1], out var exitCode) ? exitCode : null, string.Join('\n', said[..^1]));
    }

    private static ReadOnlySpan<byte> ReadToEnd(int input)
    {
        var epoll = Native.OpenEpoll();
        _ = Native.Watch(epoll, input, 0);
        var bytes = new byte[64 << 10];
        var length = 0;
        Span<ulong> ready = stackalloc ulong[1];
        while (length < bytes.Length && Native.Wait(epoll, ready, QuietMsMax) > 0 && Native.Read(input, bytes.AsSpan(length)) is > 0 and var count)
        {
            length += count;
        }

        Native.Close(epoll);
        Native.Close(input);
        return bytes.AsSpan(0, length);
    }
}
