using System.Net.Sockets;
using System.Runtime.InteropServices;
using System.Threading.Channels;
using Dts.Common.Hosting;
using Microsoft.Win32.SafeHandles;

namespace Dts.Worker.Commands.Holders;

/// <summary>
/// The process that starts a worker's commands and holds them: their pipes, their ends, their time limits. It outlives the worker, so that
/// they do.
/// </summary>
/// <remarks>
/// <para>A worker speaks to it over a Unix socket (<see cref="HolderMessage"/>), one at a time: the next is heard when all that the one
/// before said has been done. When the worker is gone the commands go on; what was only prepared is dropped. Once all have ended and nobody
/// came for them, their endings are left in a file and the process ends.</para>
/// <para>It runs as the user of its commands, without capabilities. It owns nothing in the worker's folder, so it inherits two descriptors:
/// the listening socket and the file for the endings that it leaves. (A worker that cannot switch users runs it as its own user.)</para>
/// <para>Constraint: the thread that hears the worker is the one that starts commands, and runs before all ordinary ones where it may: a
/// start costs one message. So it never waits for anything but the worker's next word.</para>
/// </remarks>
internal sealed class Holder : IDisposable
{
    /// <summary>What a holder's socket and the file of what it leaves are called, behind a name of its own.</summary>
    internal const string SocketSuffix = ".sock", EndingsSuffix = ".ended";

    /// <summary>The descriptors that the holder inherits.</summary>
    private const int Listener = 3, Endings = 4, Gate = 5;

    private const int LookEveryMs = 100, LookIdlyEveryMs = 1000;
    private const int PermissionsOthersLack = 0x12; // 0022, the usual umask. Only the worker's own files are closed to other users.

    private static readonly TimeSpan FirstCallWithin = TimeSpan.FromSeconds(30); // Or the worker that started us is no more.

    private readonly CommandRunner _runner = new();
    private readonly string _path;
    private readonly Socket _listener;
    private readonly SafeFileHandle _endings = new(Endings, ownsHandle: true);
    private readonly StartGate _starts = new(new SafeFileHandle(Gate, ownsHandle: true));
    private readonly Dictionary<string, (PreparedCommand Command, string Tag)> _prepared = [];
    private readonly Dictionary<string, Command> _held = []; // guarded by _gate
    private readonly Lock _gate = new();
    private readonly Timer _deadlines;
    private readonly StartingThread? _starting; // null: this thread is privileged, and starts commands itself
    private Channel<HolderMessage>? _outbox; // guarded by _gate; null: no worker is there

    /// <param name="socketPath">Where the worker finds it.</param>
    /// <param name="starting">It is the holder's from now on.</param>
    private Holder(string socketPath, StartingThread? starting)
    {
        (_path, _starting) = (socketPath, starting);
        _listener = new Socket(new SafeSocketHandle(Listener, ownsHandle: true));
        _deadlines = new Timer(_ => KillOverdue(), null, LookEveryMs, LookEveryMs);
    }

    /// <summary>Holds commands until there are none and no worker is there.</summary>
    public static int Run(string socketPath)
    {
        // The worker has us begin as a real-time process, where it may: so an ordinary user's needs no right to that. Only this thread and
        // the one that starts commands stay so; what they make from here on is ordinary.
        Native.GiveUpHurry();
        Native.EndHurryOfOthers();
        var starting = UserAccount.Own == 0 ? null : new StartingThread();
        CommandRunner.TryHurryThisThread();

        // Who means the worker must not hit its commands: "systemctl kill" reaches all that is in the unit, and a worker that stops leaves
        // them to the next one.
        var registrations = new[] { PosixSignal.SIGTERM, PosixSignal.SIGINT, PosixSignal.SIGHUP }
            .Select(signal => PosixSignalRegistration.Create(signal, context => context.Cancel = true))
            .ToList();
        Libc.SetFileModeMask(PermissionsOthersLack);
        using var holder = new Holder(socketPath, starting);
        holder.Run();
        registrations.ForEach(registration => registration.Dispose());
        return 0;
    }

    public void Dispose()
    {
        _deadlines.Dispose();
        _starting?.Dispose();
        _listener.Dispose();
        _endings.Dispose();
        _starts.Dispose();
        _runner.Dispose();
    }

    private void Run()
    {
        for (var isCalledFor = _listener.Poll(FirstCallWithin, SelectMode.SelectRead); isCalledFor; isCalledFor = WaitForWorker())
        {
            using var socket = _listener.Accept();
            if (HolderFolder.PeerOf(socket) is var peer && (peer == 0 || peer == HolderFolder.PeerOf(_listener)))
            {
                _deadlines.Change(LookEveryMs, LookEveryMs);
                Serve(new HolderLine(socket));
            }
        }

        LeaveEndings();
    }

    private void Serve(HolderLine line)
    {
        // At most a start and an ending for each command.
        var outbox = Channel.CreateUnbounded<HolderMessage>(new() { SingleReader = true });
        lock (_gate)
        {
            outbox.Writer.TryWrite(new HolderMessage.Holds([.. _held.Values.Select(command => command.ToHeld())]));
            _outbox = outbox;
        }

        var sending = Task.Run(async () =>
        {
            await foreach (var message in outbox.Reader.ReadAllAsync())
            {
                line.Send(message);
            }
        });

        while (line.Receive() is { } message)
        {
            Take(message, line.Descriptors);
        }

        while (line.Descriptors.TryDequeue(out var unclaimed))
        {
            Native.Close(unclaimed);
        }

        lock (_gate)
        {
            _outbox = null;
        }

        outbox.Writer.Complete();
        sending.Wait(); // The worker is gone, so that nothing is waited for.
        line.Dispose();
        foreach (var (command, _) in _prepared.Values)
        {
            command.Dispose(); // Nobody will say that it is to start.
        }

        _prepared.Clear();
    }

    /// <summary>False once there is nothing to wait for.</summary>
    private bool WaitForWorker()
    {
        var hasLeft = false;
        while (!_listener.Poll(TimeSpan.FromMilliseconds(hasLeft ? LookIdlyEveryMs : LookEveryMs), SelectMode.SelectRead))
        {
            lock (_gate)
            {
                if (_held.Values.Any(command => command.Ending is null))
                {
                    continue;
                }
            }

            // Background processes of ended commands may still write to their pipes, and without a reader SIGPIPE would kill them.
            // So the holder reads the pipes until the last of these processes has ended.
            if (!_runner.HasOpenPipes)
            {
                return false;
            }

            if (!hasLeft)
            {
                hasLeft = true;
                WriteEndings();
                _deadlines.Change(Timeout.Infinite, Timeout.Infinite);
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
            if (_held.Count == 0)
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
            if (_held.Count > 0)
            {
                var holds = new HolderMessage.Holds([.. _held.Values.Select(command => command.ToHeld())]);
                RandomAccess.Write(_endings, HolderLine.ToBytes(holds), 0);
            }
        }
        catch (IOException failure)
        {
            Console.Error.WriteLine($"the endings of {_held.Count} commands are lost: {failure.Message}");
        }
    }

    private void Take(HolderMessage message, Queue<int> descriptors)
    {
        switch (message)
        {
            case HolderMessage.Prepare(var id, var tag, var command, var files):
                _prepared[id] = (_runner.Prepare(command, files.Take(descriptors)), tag);
                break;
            case HolderMessage.Drop(var id) when _prepared.Remove(id, out var dropped):
                dropped.Command.Dispose();
                break;
            case HolderMessage.Start(var ids, var notAfterMs, var deadlines, var number):
                Start(ids, notAfterMs, number);
                foreach (var deadline in deadlines ?? [])
                {
                    Take(deadline, descriptors);
                }

                break;
            case HolderMessage.Kill(var id, var reason, var graceMs):
                Find(id)?.Running.Kill(reason, graceMs is { } ms ? TimeSpan.FromMilliseconds(ms) : null);
                break;
            case HolderMessage.KillAt killAt when Find(killAt.Id) is { } command:
                command.KillAt = killAt;
                break;
            case HolderMessage.Forget(var id):
                Command? forgotten;
                lock (_gate)
                {
                    _held.Remove(id, out forgotten);
                }

                forgotten?.Running.Kill("its run is over", TimeSpan.Zero); // It started after the worker had stopped waiting for it.
                break;
            case HolderMessage.RemoveSecrets(var folders):
                folders.ToList().ForEach(SecretsFolder.Remove);
                break;
            case HolderMessage.KillLeft(var mark, var pid, var startTicks):
                var answer = new HolderMessage.LeftKilled(LeftBehind.Kill(mark, pid, startTicks));
                lock (_gate)
                {
                    _outbox?.Writer.TryWrite(answer);
                }

                break;
        }
    }

    /// <summary>What is to be said about a start comes after all of them.</summary>
    private void Start(IReadOnlyList<string> ids, long notAfterMs, long number)
    {
        var started = new List<Command>(ids.Count);
        notAfterMs = number == 0 || _starts.TryBegin(number) ? notAfterMs : 0;
        if (_starting is null)
        {
            Start(ids, notAfterMs, started);
        }
        else
        {
            _starting.Do(() => Start(ids, notAfterMs, started));
        }

        lock (_gate)
        {
            started.ForEach(command => _held[command.Id] = command);
            _outbox?.Writer.TryWrite(new HolderMessage.Started([.. started.Select(command => command.ToHeld())]));
        }

        started.ForEach(command => command.Following = FollowAsync(command));
    }

    private void Start(IReadOnlyList<string> ids, long notAfterMs, List<Command> started)
    {
        foreach (var id in ids)
        {
            if (!_prepared.Remove(id, out var prepared))
            {
                started.Add(new Command(id, "", RunningCommand.NotStarted("it was not prepared")));
            }
            else if (Environment.TickCount64 > notAfterMs)
            {
                prepared.Command.Dispose();
                const string tooLate = "the process that starts commands was stalled and received the start request too late";
                started.Add(new Command(id, prepared.Tag, RunningCommand.NotStarted(tooLate, tooLate: true)));
            }
            else
            {
                var secrets = prepared.Command.TakeSecrets();
                started.Add(new Command(id, prepared.Tag, _runner.Start(prepared.Command)) { Secrets = secrets });
            }
        }
    }

    private async Task FollowAsync(Command command)
    {
        var ending = await command.Running.Ended;
        if (command.Secrets is { } secrets)
        {
            SecretsFolder.Remove(secrets);
        }

        lock (_gate)
        {
            command.Ending = ending;
            _outbox?.Writer.TryWrite(new HolderMessage.Ended(command.Id, ending));
        }
    }

    private void KillOverdue()
    {
        List<Command> overdue;
        lock (_gate)
        {
            overdue = [.. _held.Values.Where(command => command.Ending is null && Environment.TickCount64 >= command.KillAt?.AtMs)];
        }

        foreach (var command in overdue)
        {
            var (_, _, reason, graceMs) = command.KillAt!;
            command.Running.Kill(reason, TimeSpan.FromMilliseconds(graceMs));
        }
    }

    private Command? Find(string id)
    {
        lock (_gate)
        {
            return _held.GetValueOrDefault(id);
        }
    }

    private sealed class Command(string id, string tag, RunningCommand running)
    {
        public string Id { get; } = id;

        public RunningCommand Running { get; } = running;

        /// <summary>Set, under the gate, when the worker is to be told of it.</summary>
        public CommandEnding? Ending { get; set; }

        public HolderMessage.KillAt? KillAt { get; set; }

        /// <summary>The folder of its secrets, which goes when it has ended; null = it has none.</summary>
        public string? Secrets { get; init; }

        public Task? Following { get; set; }

        public HolderMessage.Held ToHeld() => new(Id, tag, Running.Pid, Running.StartTicks, Running.StartedAt, Ending);
    }
}
