using System.Collections.Concurrent;
using System.Diagnostics;

namespace Dts.Common.Shell;

/// <summary>A worker's commands, which a process beside it starts and holds (<see cref="Holder"/>), so that they outlive the worker; and those that its predecessors left.</summary>
/// <remarks>Thread-safe.</remarks>
public sealed class HeldCommands : IDisposable
{
    private static readonly TimeSpan AnswersWithin = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan LookEvery = TimeSpan.FromMilliseconds(5);

    private readonly ConcurrentDictionary<string, Link> _links = new(); // by command
    private readonly List<Link> _all = [];
    private readonly List<FormerCommand> _former = [];
    private readonly string _folder;
    private Link? _own;

    private HeldCommands(string folder) => _folder = folder;

    /// <summary>What a worker before this one started and did not see to its record.</summary>
    public IReadOnlyList<FormerCommand> Former => _former;

    /// <summary>Finds the holders of former workers, and starts one for the commands of this one.</summary>
    /// <param name="folder">Where the holders of this worker have their sockets; nobody else may enter it.</param>
    /// <param name="program">What starts a holder, but for its socket: an executable and its arguments.</param>
    /// <exception cref="IOException">A holder cannot be started.</exception>
    public static async Task<HeldCommands> OpenAsync(string folder, IReadOnlyList<string> program)
    {
        HolderFolder.Make(folder);
        var commands = new HeldCommands(folder);
        foreach (var path in Directory.GetFiles(folder, "*" + Holder.SocketSuffix))
        {
            await commands.TryTakeOverAsync(path);
        }

        foreach (var path in Directory.GetFiles(folder, "*" + Holder.EndingsSuffix))
        {
            commands.TakeEndings(path);
        }

        await commands.StartHolderAsync(program);
        return commands;
    }

    /// <summary>Has a command made ready, to be started or dropped.</summary>
    /// <param name="id">Unlike any other's that is not forgotten yet.</param>
    /// <param name="tag">What the next worker will find in <see cref="Former"/>.</param>
    public void Prepare(string id, string tag, ShellCommand command)
    {
        _links[id] = _own!;
        _own!.Line.Send(new HolderMessage.Prepare(id, tag, command));
    }

    /// <summary>It is not to be started after all.</summary>
    public void Drop(string id)
    {
        _links.TryRemove(id, out _);
        _own!.Line.Send(new HolderMessage.Drop(id));
    }

    /// <summary>Starts prepared commands back to back. One that cannot be started has ended already, with the reason.</summary>
    /// <param name="within">Later than that from now none of them is started.</param>
    /// <param name="deadlines">See <see cref="KillAfter"/>.</param>
    public async Task<IReadOnlyList<RunningCommand>> StartAsync(IReadOnlyList<string> ids, TimeSpan within, IReadOnlyList<KillDeadline>? deadlines = null)
    {
        var started = ids.Select(_own!.Expect).ToList();
        _own.Line.Send(new HolderMessage.Start(ids, Environment.TickCount64 + (long)within.TotalMilliseconds, deadlines?.Select(deadline => deadline.ToMessage()).ToList()));
        return await Task.WhenAll(started);
    }

    /// <summary>Has it killed after a time, even if this worker is gone by then, unless it is told another time before.</summary>
    public void KillAfter(KillDeadline deadline)
    {
        if (_links.TryGetValue(deadline.Id, out var link))
        {
            link.Send(deadline.ToMessage());
        }
    }

    /// <summary>Its ending is recorded: no other worker need hear of it.</summary>
    public void Forget(string id)
    {
        if (_links.TryRemove(id, out var link))
        {
            link.Forget(id);
            LeaveIfDone(link);
        }
    }

    /// <summary>Completes when the own holder is gone: then nobody knows how its commands end, and the worker is best started anew.</summary>
    public async Task HolderGoneAsync(CancellationToken stop) => await Task.WhenAny(_own!.Hearing, Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, stop));

    /// <summary>Leaves what still runs to its holders.</summary>
    public void Dispose() => _all.ForEach(link => link.Leave());

    private async Task TryTakeOverAsync(string path)
    {
        if (HolderFolder.TryConnect(path) is { } socket)
        {
            var line = new HolderLine(socket);
            var word = line.ReceiveAsync();
            if (await Task.WhenAny(word, Task.Delay(AnswersWithin, TimeProvider.System)) != word)
            {
                line.Dispose(); // It hangs. Its commands are left behind, and ended as such.
                return;
            }

            if (await word is HolderMessage.Holds holds)
            {
                var link = new Link(line);
                _all.Add(link);
                TakeOver(holds, link);
                link.Hear();
                LeaveIfDone(link);
                return;
            }

            line.Dispose(); // It was about to end, and has left its endings.
        }

        File.Delete(path);
    }

    /// <summary>A former worker's holder ends when there is nothing left to ask it.</summary>
    private void LeaveIfDone(Link link)
    {
        if (link != _own && !_links.Values.Contains(link))
        {
            link.Leave();
        }
    }

    private void TakeEndings(string path)
    {
        if (HolderLine.Parse(File.ReadAllText(path)) is HolderMessage.Holds holds && holds.Commands.Count > 0)
        {
            TakeOver(holds, new Link(path, holds.Commands.Select(command => command.Id)));
        }
        else
        {
            File.Delete(path);
        }
    }

    private void TakeOver(HolderMessage.Holds holds, Link link)
    {
        foreach (var held in holds.Commands)
        {
            _links[held.Id] = link;
            _former.Add(new FormerCommand(held.Id, held.Tag, link.Add(held)));
        }
    }

    private async Task StartHolderAsync(IReadOnlyList<string> program)
    {
        var path = Path.Combine(_folder, Guid.NewGuid().ToString("N")[..12] + Holder.SocketSuffix);
        PreparedCommand.Launch([.. program, path]);
        var waiting = Stopwatch.StartNew();
        while (waiting.Elapsed < AnswersWithin)
        {
            if (File.Exists(path) && HolderFolder.TryConnect(path) is { } socket)
            {
                _own = new Link(new HolderLine(socket));
                _all.Add(_own);
                _own.Hear(isOwn: true);
                return;
            }

            await Task.Delay(LookEvery, TimeProvider.System);
        }

        throw new IOException($"the process that is to hold this worker's commands ({string.Join(' ', program)}) did not answer within {AnswersWithin.TotalSeconds:0} s");
    }

    /// <summary>One holder as the worker sees it: a process, or the file that it left.</summary>
    private sealed class Link
    {
        private readonly ConcurrentDictionary<string, RunningCommand> _commands = new();
        private readonly ConcurrentDictionary<string, TaskCompletionSource<RunningCommand>> _expected = new();
        private readonly HolderLine? _line;
        private volatile bool _isLeft;
        private readonly string? _file;
        private readonly HashSet<string> _inFile = [];

        public Link(HolderLine line) => _line = line;

        public Link(string file, IEnumerable<string> ids) => (_file, _inFile) = (file, [.. ids]);

        public HolderLine Line => _line ?? throw new UnreachableException();

        public Task Hearing { get; private set; } = Task.CompletedTask;

        public RunningCommand Add(HolderMessage.Held held)
        {
            var running = new RunningCommand(
                held.Pid, held.StartTicks, held.StartedAt, (_, reason, grace) => _line?.Send(new HolderMessage.Kill(held.Id, reason, grace?.TotalMilliseconds)));
            if (held.Ending is { } ending)
            {
                running.Complete(ending);
            }
            else
            {
                _commands[held.Id] = running;
            }

            return running;
        }

        public Task<RunningCommand> Expect(string id) =>
            (_expected[id] = new TaskCompletionSource<RunningCommand>(TaskCreationOptions.RunContinuationsAsynchronously)).Task;

        public void Send(HolderMessage message) => _line?.Send(message);

        public void Forget(string id)
        {
            _line?.Send(new HolderMessage.Forget(id));
            lock (_inFile)
            {
                if (_file is not null && _inFile.Remove(id) && _inFile.Count == 0)
                {
                    File.Delete(_file);
                }
            }
        }

        /// <summary>What still runs goes on.</summary>
        public void Leave()
        {
            _isLeft = true;
            _line?.Dispose();
        }

        public void Hear(bool isOwn = false) => Hearing = HearAsync(isOwn);

        private async Task HearAsync(bool isOwn)
        {
            while (await Line.ReceiveAsync() is { } message)
            {
                switch (message)
                {
                    case HolderMessage.Started(var commands):
                        foreach (var held in commands)
                        {
                            var running = Add(held);
                            _ = _expected.TryRemove(held.Id, out var expected) && expected.TrySetResult(running);
                        }

                        break;
                    case HolderMessage.Ended(var id, var ending) when _commands.TryRemove(id, out var ended):
                        ended.Complete(ending);
                        break;
                }
            }

            foreach (var (_, running) in _isLeft ? [] : _commands)
            {
                if (ProcessTable.Find(running.Pid)?.StartTicks == running.StartTicks)
                {
                    _ = Native.SendSignalToGroup(running.Pid, Native.SIGKILL); // Nobody would hear how it ends.
                }

                if (isOwn)
                {
                    continue; // This worker ends, and the next one sees to all that descends from it.
                }

                running.Complete(CommandEnding.Abandoned("the process that held it is gone", running.StartedAt, DateTimeOffset.UtcNow));
            }
        }
    }
}
