using Dts.Worker.Commands.Holders;
using Dts.Worker.Native;

namespace Dts.Worker.Commands;

/// <summary>The process of a holder that this worker has started.</summary>
internal sealed class HolderProcess
{
    private static readonly TimeSpan EndsWithin = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan LookEvery = TimeSpan.FromMilliseconds(10);

    private readonly string _socket;
    private int _pid; // 0 = it could not be started

    private HolderProcess(UserAccount? user, string socket, StartGate gate) => (User, _socket, Gate) = (user, socket, gate);

    /// <summary>The user that commands run as; null = the worker's own.</summary>
    public UserAccount? User { get; }

    public StartGate Gate { get; }

    /// <summary>Nobody waits for its end, so <see cref="TryReap"/> must be called until it succeeds.</summary>
    public bool IsDismissed { get; private set; }

    public bool IsReaped { get; private set; }

    /// <summary>
    /// Starts a holder and connects to its socket. The worker does not wait for it: messages wait in the socket until it runs. The fault
    /// says why it could not be started; null = it was.
    /// </summary>
    /// <exception cref="IOException">The socket or the file for endings cannot be made.</exception>
    public static (HolderProcess Process, HolderLine Line, string? Fault) Start(
        string folder, IReadOnlyList<string> program, UserAccount? user)
    {
        var path = Path.Combine(folder, Guid.NewGuid().ToString("N")[..12] + Holder.SocketSuffix);
        using var listener = HolderFolder.Listen(path);
        var gate = StartGate.Make();
        var line = new HolderLine(HolderFolder.TryConnect(path) ?? throw new IOException($"{path}: cannot connect to this socket"));
        var process = new HolderProcess(user, path, gate);
        var endings = FileDescriptors.OpenForWriting(EndingsFile.PathBeside(path), make: true);
        int[] passed =
        [
            FileDescriptors.DuplicateHigh((int)listener.Handle),
            FileDescriptors.DuplicateHigh(endings),
            FileDescriptors.DuplicateHigh(gate.Descriptor),
        ];
        try
        {
            process._pid = PreparedCommand.Launch([.. program, path], user, passed);
            return (process, line, null);
        }
        catch (IOException failure)
        {
            return (process, line, failure.Message);
        }
        finally
        {
            FileDescriptors.Close(endings);
            Array.ForEach(passed, FileDescriptors.Close);
        }
    }

    /// <summary>Reaps it and returns how it ended; null = unknown. Its connection is closed a little before it ends.</summary>
    public async Task<ChildProcesses.Reaped?> AwaitEndAsync()
    {
        ChildProcesses.Reaped? end = null;
        for (var until = Environment.TickCount64 + EndsWithin.TotalMilliseconds; _pid > 0 && Environment.TickCount64 < until;)
        {
            if ((end = ChildProcesses.Reap(_pid)) is not null || ProcessTable.Find(_pid) is null)
            {
                break;
            }

            await Task.Delay(LookEvery, TimeProvider.System);
        }

        (IsReaped, IsDismissed) = (end is not null, end is null);
        return end;
    }

    /// <summary>Leaves it to <see cref="TryReap"/>.</summary>
    public void Dismiss() => IsDismissed = true;

    /// <summary>Reaps it if it has ended, and deletes its files, which its user cannot.</summary>
    public bool TryReap()
    {
        IsReaped |= ChildProcesses.Reap(_pid) is not null || ProcessTable.Find(_pid) is null;
        if (IsReaped && File.Exists(_socket))
        {
            DeleteFiles();
        }

        return IsReaped;
    }

    public void DeleteFiles()
    {
        File.Delete(_socket);
        File.Delete(EndingsFile.PathBeside(_socket));
    }
}
