using System.Net.Sockets;
using Dts.Common.Hosting;
using Dts.Worker.Commands.Holders;
using Dts.Worker.Native;

namespace Dts.Worker.Commands;

/// <summary>The process of a holder that this worker has started.</summary>
internal sealed class HolderProcess
{
    private static readonly TimeSpan EndsWithin = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan LookEvery = TimeSpan.FromMilliseconds(10);

    private readonly string _socket;
    private int _pid;

    private HolderProcess(UserAccount? user, string socket, StartGate gate) => (User, _socket, Gate) = (user, socket, gate);

    /// <summary>The user that commands run as; null = the worker's own.</summary>
    public UserAccount? User { get; }

    public StartGate Gate { get; }

    /// <summary>Nobody waits for its end, so <see cref="TryReap"/> must be called until it succeeds.</summary>
    public bool IsDismissed { get; private set; }

    public bool IsReaped { get; private set; }

    /// <summary>
    /// Starts a holder and connects to its socket. The worker does not wait for it: messages wait in the socket until it runs. Without a
    /// process, the fault says why it could not be started.
    /// </summary>
    public static (HolderProcess? Process, HolderLine? Line, string? Fault) Start(
        string folder, IReadOnlyList<string> program, UserAccount? user)
    {
        var path = Path.Combine(folder, Guid.NewGuid().ToString("N")[..12] + Holder.SocketSuffix);
        StartGate? gate = null;
        HolderLine? line = null;
        try
        {
            using var listener = HolderFolder.Listen(path);
            gate = StartGate.Make();
            line = new HolderLine(HolderFolder.TryConnect(path) ?? throw new IOException($"{path}: cannot connect to this socket"));
            var process = new HolderProcess(user, path, gate);
            process.Launch(program, listener);
            return (process, line, null);
        }
        catch (Exception failure) when (failure is IOException or SocketException)
        {
            line?.Dispose();
            gate?.Dispose();
            DeleteFiles(path);
            return (null, null, failure.Message);
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

    public void DeleteFiles() => DeleteFiles(_socket);

    private static void DeleteFiles(string socket)
    {
        try
        {
            File.Delete(socket);
            File.Delete(EndingsFile.PathBeside(socket));
        }
        catch (Exception failing) when (failing is IOException or UnauthorizedAccessException)
        {
            // The disk is failing. The next worker finds that nobody listens, and tries again.
        }
    }

    private void Launch(IReadOnlyList<string> program, Socket listener)
    {
        var endings = EndingsFile.PathBeside(_socket);
        List<int> passed = [];
        var opened = FileDescriptors.OpenForWriting(endings, make: true);
        try
        {
            foreach (var descriptor in new[] { (int)listener.Handle, opened, Gate.Descriptor })
            {
                passed.Add(descriptor < 0 ? descriptor : FileDescriptors.DuplicateHigh(descriptor));
            }

            _pid = passed.Find(descriptor => descriptor < 0) is < 0 and var error
                ? throw new IOException($"{endings}: {Libc.Describe(-error)}")
                : PreparedCommand.Launch([.. program, _socket], User, [.. passed]);
        }
        finally
        {
            FileDescriptors.Close(opened);
            passed.ForEach(FileDescriptors.Close);
        }
    }
}
