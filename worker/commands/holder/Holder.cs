using System.Net.Sockets;
using System.Runtime.InteropServices;
using Dts.Common.Hosting;
using Dts.Worker.Native;
using Microsoft.Win32.SafeHandles;

namespace Dts.Worker.Commands.Holders;

/// <summary>
/// The process that starts a worker's commands and holds them: their pipes, their ends, their time limits. It outlives the worker, and so
/// do they.
/// </summary>
/// <remarks>
/// <para>One worker at a time speaks to it over a Unix socket (<see cref="HolderMessage"/>). The next one is heard when all requests of the
/// one before have been carried out. When the worker is gone, started commands go on and prepared ones are dropped. Once all have ended and
/// no worker has come, the holder leaves their endings in a file and ends.</para>
/// <para>It runs as the user of its commands, without capabilities. It owns nothing in the worker's folder, so it inherits its descriptors.
/// (A worker that cannot switch users runs it as its own user.)</para>
/// <para>Constraint: the thread that hears the worker also starts commands, with real-time priority if it may. So a start costs one
/// message, and this thread waits for nothing but the worker's next message.</para>
/// </remarks>
internal sealed class Holder : IDisposable
{
    /// <summary>The suffixes of a holder's socket, and of the file in which it leaves endings.</summary>
    internal const string SocketSuffix = ".sock", EndingsSuffix = ".ended";

    /// <summary>The descriptors that the holder inherits.</summary>
    private const int Listener = 3, Endings = 4, Gate = 5;

    private const int LookEveryMs = 100, LookIdlyEveryMs = 1000;
    private const int SentAtOnce = 50; // Endings may have long outputs.
    private const int PermissionsOthersLack = 0x12; // 0022, the usual umask. Only the worker's own files are closed to other users.

    private static readonly TimeSpan FirstCallWithin = TimeSpan.FromSeconds(30); // Later, the worker that started this one has died.

    private readonly CommandStarter _starter;
    private readonly string _path;
    private readonly Socket _listener;
    private readonly SafeFileHandle _endings = new(Endings, ownsHandle: true);
    private readonly StartedCommands _started = new();
    private readonly Timer _deadlines; // Runs while a command has one.
    private int _looksAtDeadlines;     // 1 = the timer runs.

    /// <param name="socketPath">Where the worker finds it.</param>
    private Holder(string socketPath, CommandStarter starter)
    {
        (_path, _starter) = (socketPath, starter);
        _listener = new Socket(new SafeSocketHandle(Listener, ownsHandle: true));
        _deadlines = new Timer(_ => LookAtDeadlines());
    }

    /// <summary>Holds commands until there are none and no worker is there.</summary>
    public static int Run(string socketPath)
    {
        // The worker starts this process as a real-time one if it may, so an ordinary user needs no right to that. Only this thread and
        // the one that starts commands stay real-time; what they start from here on is ordinary.
        RealTime.GiveUp();
        RealTime.LeaveInOtherThreads();
        var starting = UserAccount.Own == 0 ? null : new StartingThread();
        CommandRunner.TryMakeThreadRealTime();

        // "systemctl kill" signals all processes of the unit. It means the worker, which leaves its commands to the next one.
        var registrations = new[] { PosixSignal.SIGTERM, PosixSignal.SIGINT, PosixSignal.SIGHUP }
            .Select(signal => PosixSignalRegistration.Create(signal, context => context.Cancel = true))
            .ToList();
        Libc.SetFileModeMask(PermissionsOthersLack);
        using var starter = new CommandStarter(Gate, starting);
        using var holder = new Holder(socketPath, starter);
        holder.Run();
        registrations.ForEach(registration => registration.Dispose());
        return 0;
    }

    public void Dispose()
    {
        _deadlines.Dispose();
        _listener.Dispose();
        _endings.Dispose();
    }

    private void Run()
    {
        for (var isCalledFor = _listener.Poll(FirstCallWithin, SelectMode.SelectRead); isCalledFor; isCalledFor = WaitForWorker())
        {
            using var socket = _listener.Accept();
            if (HolderFolder.PeerOf(socket) is var peer && (peer == 0 || peer == HolderFolder.PeerOf(_listener)))
            {
                Serve(new HolderLine(socket));
            }
        }

        LeaveEndings();
    }

    private void Serve(HolderLine line)
    {
        var messages = _started.Attach();
        var sending = Task.Run(async () =>
        {
            while (await messages.WaitToReadAsync())
            {
                List<HolderMessage> together = [];
                while (together.Count < SentAtOnce && messages.TryRead(out var message))
                {
                    together.Add(message);
                }

                line.Send(together);
            }
        });

        while (line.Receive() is { } message)
        {
            Take(message, line.Descriptors);
        }

        while (line.Descriptors.TryDequeue(out var unclaimed))
        {
            FileDescriptors.Close(unclaimed);
        }

        _started.Detach();
        sending.Wait(); // It ends at once, because the worker is gone.
        line.Dispose();
        _starter.DropAll(); // Nobody will ask for their start.
    }

    /// <summary>False once there is nothing to wait for.</summary>
    private bool WaitForWorker()
    {
        var hasLeft = false;
        while (!_listener.Poll(TimeSpan.FromMilliseconds(hasLeft ? LookIdlyEveryMs : LookEveryMs), SelectMode.SelectRead))
        {
            if (_started.AnyRuns)
            {
                continue;
            }

            // Background processes of ended commands may still write to their pipes, and without a reader SIGPIPE would kill them.
            // So the holder reads the pipes until the last of these processes has ended.
            if (!_starter.HasOpenPipes)
            {
                return false;
            }

            if (!hasLeft)
            {
                hasLeft = true;
                WriteEndings();
            }
        }

        return true;
    }

    /// <summary>Writes the file before it closes the socket: a worker that cannot connect any more finds the file.</summary>
    private void LeaveEndings()
    {
        WriteEndings();
        _listener.Dispose();
        try
        {
            File.Delete(_path);
            if (_started.Count == 0)
            {
                File.Delete(Path.ChangeExtension(_path, EndingsSuffix));
            }
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            // The folder belongs to another user or is gone; the next worker removes the files.
        }
    }

    private void WriteEndings()
    {
        try
        {
            RandomAccess.SetLength(_endings, 0);
            if (_started.List() is { Commands.Count: > 0 } holds)
            {
                RandomAccess.Write(_endings, HolderLine.ToBytes(holds), 0);
            }
        }
        catch (IOException failure)
        {
            Console.Error.WriteLine($"the endings of {_started.Count} commands are lost: {failure.Message}");
        }
    }

    private void LookAtDeadlines()
    {
        Volatile.Write(ref _looksAtDeadlines, 0); // Before the look: a deadline that comes during it starts the timer again.
        if (_started.KillOverdue())
        {
            GoOnLooking();
        }
    }

    private void GoOnLooking()
    {
        if (Interlocked.Exchange(ref _looksAtDeadlines, 1) == 0)
        {
            _deadlines.Change(LookEveryMs, Timeout.Infinite);
        }
    }

    private void Take(HolderMessage message, Queue<int> descriptors)
    {
        switch (message)
        {
            case HolderMessage.Prepare(var id, var tag, var command, var files):
                _starter.Prepare(id, tag, command, files.Take(descriptors));
                break;
            case HolderMessage.Drop(var id):
                _starter.Drop(id);
                break;
            case HolderMessage.Start(var ids, var notAfterMs, var deadlines, var number):
                _started.Add(_starter.Start(ids, notAfterMs, number)); // One answer, after all starts.
                foreach (var deadline in deadlines ?? [])
                {
                    Take(deadline, descriptors);
                }

                break;
            case HolderMessage.Kill(var id, var reason, var graceMs):
                _started.Find(id)?.Running.Kill(reason, graceMs is { } ms ? TimeSpan.FromMilliseconds(ms) : null);
                break;
            case HolderMessage.KillAt killAt when _started.Find(killAt.Id) is { } command:
                command.KillAt = killAt;
                GoOnLooking();
                break;
            case HolderMessage.Forget(var id):
                // One that still runs started after the worker had given its start up.
                _started.Remove(id)?.Running.Kill("its run is over", TimeSpan.Zero);
                break;
            case HolderMessage.RemoveSecrets(var folders):
                folders.ToList().ForEach(SecretsFolder.Remove);
                break;
            case HolderMessage.KillLeft(var mark, var pid, var startTicks):
                _started.Tell(new HolderMessage.LeftKilled(LeftBehind.Kill(mark, pid, startTicks)));
                break;
        }
    }
}
