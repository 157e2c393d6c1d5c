using System.Collections.Concurrent;
using System.Globalization;
using Dts.Common.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace Dts.Common.Shell;

/// <summary>
/// The commands of a worker and those that its predecessors left. Processes beside the worker, one for each user
/// (<see cref="Holder"/>), start and hold them, so that they outlive the worker.
/// </summary>
/// <remarks>Thread-safe, except <see cref="Prepare"/> and <see cref="KillLeftAsync"/>, which start holders.</remarks>
public sealed class HeldCommands : IDisposable
{
    private const string Stalled = "the process that starts commands does not answer";
    private const int StartsAtOnce = 50; // All commands of a message must start in time, even if each start takes 20 ms.

    /// <summary>How long the start of a command may take at most.</summary>
    public static readonly TimeSpan StartsWithin = TimeSpan.FromSeconds(2);

    private static readonly TimeSpan AnswersWithin = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan OnTheWay = TimeSpan.FromMilliseconds(200); // From the holder's look at the clock to the arrival of its answer.
    private static readonly TimeSpan LookEvery = TimeSpan.FromMilliseconds(100);
    private static readonly TimeSpan AskEvery = AnswersWithin / Link.QuestionsUnanswered;
    private static readonly UserAccount WorkerItself = new("", uint.MaxValue, uint.MaxValue, "/");

    private readonly ConcurrentDictionary<string, Link> _links = new(); // by command
    private readonly ConcurrentDictionary<UserAccount, Link> _own = new();
    private readonly TaskCompletionSource _gone = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly List<Link> _all = [];
    private readonly List<FormerCommand> _former = [];
    private readonly string _folder;
    private readonly IReadOnlyList<string> _program;
    private readonly ILogger _log;
    private readonly Timer _asking;

    private HeldCommands(string folder, IReadOnlyList<string> program, ILogger log)
    {
        (_folder, _program, _log) = (folder, program, log);
        _asking = new Timer(_ => Links.ToList().ForEach(link => link.Ask()), null, AskEvery, AskEvery);
    }

    /// <summary>Raised when <see cref="Answers"/> may have changed, on the thread that noticed.</summary>
    public event Action? AnswersChanged;

    /// <summary>What a worker before this one started and did not see to its record.</summary>
    public IReadOnlyList<FormerCommand> Former => _former;

    /// <summary>False while a holder owes the answer to a start that is out of date, or to the question whether it is there.</summary>
    public bool Answers => !Links.Any(link => link.IsSilent);

    private IEnumerable<Link> Links => _own.Values.Concat(_links.Values).Distinct();

    /// <summary>Finds the holders of former workers, and starts one for the commands of this one.</summary>
    /// <param name="folder">Where the holders of this worker have their sockets; nobody else may enter it.</param>
    /// <param name="program">What starts a holder, but for its socket: an executable and its arguments.</param>
    /// <param name="user">The user of commands whose jobs name none; null = the worker's own.</param>
    /// <exception cref="StartException">A holder cannot be started.</exception>
    public static async Task<HeldCommands> OpenAsync(string folder, IReadOnlyList<string> program, UserAccount? user = null, ILogger? log = null)
    {
        HolderFolder.Make(folder);
        var commands = new HeldCommands(folder, program, log ?? NullLogger.Instance);
        var tooLate = Task.Delay(AnswersWithin, TimeProvider.System); // For all of them: however many hang, a worker starts in time.
        var met = Directory.GetFiles(folder, "*" + Holder.SocketSuffix).Select(path => (path, Greet(path))).ToList();
        foreach (var (path, greeted) in met)
        {
            await commands.TryTakeOverAsync(path, greeted, tooLate);
        }

        var endings = Directory.GetFiles(folder, "*" + Holder.EndingsSuffix);
        foreach (var path in endings.Where(path => !File.Exists(Path.ChangeExtension(path, Holder.SocketSuffix))))
        {
            commands.TakeEndings(path);
        }

        var first = commands.LinkOf(user);
        if (await Task.WhenAny(first.Heard, Task.Delay(AnswersWithin, TimeProvider.System)) != first.Heard || first.Fault is not null)
        {
            var why = first.Fault ?? $"it did not answer within {AnswersWithin.TotalSeconds:0} s";
            throw new StartException($"no command can be started{(user is null ? "" : $" as {user.Name}")}: {string.Join(' ', program)} does not run{(user is null ? "" : " as that user")}: {why}");
        }

        return commands;
    }

    /// <summary>Has a command made ready, to be started or dropped.</summary>
    /// <param name="id">Unlike any other's that is not forgotten yet.</param>
    /// <param name="tag">What the next worker will find in <see cref="Former"/>.</param>
    public void Prepare(string id, string tag, ShellCommand command)
    {
        var link = LinkOf(command.User);
        _links[id] = link;
        var files = CommandFiles.Open(command);
        link.Send(new HolderMessage.Prepare(id, tag, command, files), files);
    }

    /// <summary>It is not to be started after all.</summary>
    public void Drop(string id)
    {
        if (_links.TryRemove(id, out var link))
        {
            link.Send(new HolderMessage.Drop(id));
        }
    }

    /// <summary>
    /// Starts prepared commands, many back to back. A command that cannot be started, or whose holder is stalled, is returned as ended,
    /// with the reason; it is not started later.
    /// </summary>
    /// <param name="within">The time in which commands may start; at most two seconds, after which the holder counts as stalled.</param>
    /// <param name="deadlines">See <see cref="KillAfter"/>.</param>
    public async Task<IReadOnlyList<RunningCommand>> StartAsync(IReadOnlyList<string> ids, TimeSpan within, IReadOnlyList<KillDeadline>? deadlines = null)
    {
        var running = new List<RunningCommand>(ids.Count);
        var from = Environment.TickCount64;
        foreach (var chunk in ids.Chunk(StartsAtOnce))
        {
            running.AddRange(await StartAsync(chunk, within - TimeSpan.FromMilliseconds(Environment.TickCount64 - from), deadlines ?? []));
        }

        return running;
    }

    private async Task<RunningCommand[]> StartAsync(string[] ids, TimeSpan within, IReadOnlyList<KillDeadline> deadlines)
    {
        within = within < StartsWithin ? within : StartsWithin;
        var notAfterMs = Environment.TickCount64 + (long)within.TotalMilliseconds;
        var started = new Dictionary<string, Task<RunningCommand>>(ids.Length);
        var requests = ids.GroupBy(id => _links[id])
            .Select(together => (Link: together.Key, Ids: together.ToList(), Number: together.Key.Start([.. together], notAfterMs, deadlines, started)))
            .ToList();

        try
        {
            await Task.WhenAll(started.Values).WaitAsync((within > TimeSpan.Zero ? within : TimeSpan.Zero) + OnTheWay);
        }
        catch (TimeoutException)
        {
            // What a holder has begun it will answer. The rest it will never start.
            foreach (var (link, of, _) in requests.Where(request => request.Link.TryGiveUp(request.Number)))
            {
                of.ForEach(id => link.GiveUp(id, within));
            }
        }

        return await Task.WhenAll(ids.Select(id => started[id]));
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

    /// <summary>Kills what a dead holder left of a user's command (<see cref="LeftBehind"/>) and returns the number of processes.</summary>
    public async Task<int> KillLeftAsync(UserAccount user, IReadOnlyDictionary<string, string> mark, int pid, long startTicks)
    {
        var counted = LinkOf(user).KillLeft(new HolderMessage.KillLeft(mark, pid, startTicks));
        return await Task.WhenAny(counted, Task.Delay(AnswersWithin, TimeProvider.System)) == counted ? await counted : 0;
    }

    /// <summary>Completes when all holders answer.</summary>
    public async Task AnswerAsync(CancellationToken stop)
    {
        while (!Answers)
        {
            await Task.Delay(LookEvery, TimeProvider.System, stop);
        }
    }

    /// <summary>Completes when a holder of this worker has died. Nobody learns how its commands end, so the worker must restart.</summary>
    public async Task HolderGoneAsync(CancellationToken stop) =>
        await Task.WhenAny(_gone.Task, Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, stop));

    /// <summary>Leaves what still runs to its holders.</summary>
    public void Dispose()
    {
        _asking.Dispose();
        _all.ForEach(link => link.Leave());
    }

    /// <summary>Its line and its first word to come; null when nobody is there.</summary>
    private static (HolderLine Line, Task<HolderMessage?> Word)? Greet(string path)
    {
        var line = HolderFolder.TryConnect(path) is { } socket ? new HolderLine(socket) : null;
        return line is null ? null : (line, line.ReceiveAsync());
    }

    private async Task TryTakeOverAsync(string path, (HolderLine Line, Task<HolderMessage?> Word)? greeted, Task tooLate)
    {
        if (greeted is var (line, word))
        {
            if (await Task.WhenAny(word, tooLate) != word)
            {
                line.Dispose(); // It hangs. Its commands are left behind, and ended as such.
                return;
            }

            if (await word is HolderMessage.Holds holds)
            {
                var link = new Link(this, line);
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
        if (!_own.Values.Contains(link) && !_links.Values.Contains(link))
        {
            link.Leave();
        }
    }

    private void TakeEndings(string path)
    {
        if (File.ReadAllText(path) is { Length: > 0 } text
            && HolderLine.Parse(text) is HolderMessage.Holds holds
            && holds.Commands.Count > 0)
        {
            TakeOver(holds, new Link(this, path, holds.Commands.Select(command => command.Id)));
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

    /// <summary>
    /// The holder of a user's commands, which is started if there is none. The worker does not wait for it: messages wait in its socket
    /// until it runs.
    /// </summary>
    private Link LinkOf(UserAccount? user)
    {
        if (_own.TryGetValue(user ?? WorkerItself, out var own))
        {
            if (own.Fault is null)
            {
                return own;
            }

            _all.Remove(own);
            own.DeleteFiles();
        }

        var path = Path.Combine(_folder, Guid.NewGuid().ToString("N")[..12] + Holder.SocketSuffix);
        using var listener = HolderFolder.Listen(path);
        var gate = StartGate.Make();
        var link = new Link(
            this, new HolderLine(HolderFolder.TryConnect(path) ?? throw new IOException($"{path}: cannot connect to this socket")), path, gate);
        var endings = Native.OpenForWriting(Path.ChangeExtension(path, Holder.EndingsSuffix), make: true);
        int[] handedOver = [Native.DuplicateHigh((int)listener.Handle), Native.DuplicateHigh(endings), Native.DuplicateHigh(gate.Descriptor)];
        try
        {
            PreparedCommand.Launch([.. _program, path], user, handedOver);
            _all.Add(link);
            link.Hear(isOwn: true);
        }
        catch (IOException failure)
        {
            link.Fail(failure.Message);
        }
        finally
        {
            Native.Close(endings);
            Array.ForEach(handedOver, Native.Close);
        }

        _own[user ?? WorkerItself] = link;
        return link;
    }

    /// <summary>One holder as the worker sees it: a process, or the file that it left.</summary>
    private sealed class Link
    {
        private readonly HeldCommands _holders;
        private readonly ConcurrentDictionary<string, RunningCommand> _commands = new();
        private readonly ConcurrentDictionary<string, TaskCompletionSource<RunningCommand>> _expected = new();
        /// <summary>Of the questions whether it is there, so many follow upon the first before it counts as stalled.</summary>
        public const int QuestionsUnanswered = 5;

        private const string Question = ""; // Its id among the starts; it is a start of nothing, which every version answers.

        private readonly HolderLine? _line;
        private readonly ConcurrentDictionary<string, bool> _overdue = new(); // The worker gave up waiting for their start.
        private readonly ConcurrentQueue<TaskCompletionSource<int>> _counts = new();
        private readonly TaskCompletionSource _heard = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private volatile bool _isLeft;
        private volatile bool _isGone;
        private int _asked; // 0: it owes no answer to the question
        private volatile string? _fault;
        private readonly string? _socket;
        private readonly StartGate? _gate; // null: a former worker's, which starts nothing more
        private long _requests;
        private readonly string? _file;
        private readonly HashSet<string> _inFile = [];

        public Link(HeldCommands holders, HolderLine line, string? socket = null, StartGate? gate = null) =>
            (_holders, _line, _socket, _gate) = (holders, line, socket, gate);

        public Link(HeldCommands holders, string file, IEnumerable<string> ids) => (_holders, _file, _inFile) = (holders, file, [.. ids]);

        /// <summary>Completes with the first message, or with a fault if none will come.</summary>
        public Task Heard => _heard.Task;

        /// <summary>Why the holder never ran; null = no fault is known.</summary>
        public string? Fault => _fault;

        /// <summary>It owes the answer to a start that was given up.</summary>
        public bool IsSilent => !_isGone && !_overdue.IsEmpty;

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

        /// <summary>Asks for starts, and returns the number of the request; 0 = it was not sent.</summary>
        /// <param name="started">Receives the answers, by id.</param>
        public long Start(
            IReadOnlyList<string> ids,
            long notAfterMs,
            IEnumerable<KillDeadline> deadlines,
            Dictionary<string, Task<RunningCommand>> started)
        {
            foreach (var id in ids)
            {
                var expected = new TaskCompletionSource<RunningCommand>(TaskCreationOptions.RunContinuationsAsynchronously);
                _expected[id] = expected;
                started[id] = expected.Task;
            }

            if (IsSilent)
            {
                foreach (var id in ids)
                {
                    Answer(id, RunningCommand.NotStarted(Stalled, tooLate: true));
                    Send(new HolderMessage.Drop(id));
                }
            }
            else if (_fault is not null)
            {
                AnswerWithFault();
            }
            else
            {
                var ofThese = deadlines.Where(deadline => ids.Contains(deadline.Id)).Select(deadline => deadline.ToMessage());
                var number = Interlocked.Increment(ref _requests);
                Send(new HolderMessage.Start(ids, notAfterMs, [.. ofThese], number));
                return number;
            }

            return 0;
        }

        /// <summary>False if the holder has begun the request, or has none.</summary>
        public bool TryGiveUp(long number) => number > 0 && _gate?.TryGiveUp(number) != false;

        /// <summary>Stops waiting for the answer to a start. If the holder has not received the start by now, it will refuse it.</summary>
        public void GiveUp(string id, TimeSpan after)
        {
            var spoke = !IsSilent;
            _overdue[id] = true;
            var why = string.Create(
                CultureInfo.InvariantCulture, $"the process that starts commands did not answer within {after.TotalSeconds:0.#} s");
            if (!Answer(id, RunningCommand.NotStarted(why, tooLate: true)))
            {
                _overdue.TryRemove(id, out _); // The answer has just arrived.
            }
            else if (spoke)
            {
                _holders._log.HolderSilent(Math.Round(after.TotalSeconds, 1));
                _holders.AnswersChanged?.Invoke();
            }
        }

        /// <summary>Has it show that it is there: one that is stalled while nothing is to be started holds its commands for ever.</summary>
        public void Ask()
        {
            if (_line is null || _isGone || _isLeft || _fault is not null)
            {
                return;
            }

            switch (Interlocked.Increment(ref _asked))
            {
                case 1:
                    Send(new HolderMessage.Start([], long.MaxValue));
                    break;
                case > QuestionsUnanswered when !IsSilent:
                    _overdue[Question] = true;
                    _holders._log.HolderSilent(AnswersWithin.TotalSeconds);
                    _holders.AnswersChanged?.Invoke();
                    break;
            }
        }

        public Task<int> KillLeft(HolderMessage.KillLeft left)
        {
            var count = new TaskCompletionSource<int>(TaskCreationOptions.RunContinuationsAsynchronously);
            _counts.Enqueue(count);
            Send(left);
            if (_fault is not null)
            {
                AnswerWithFault();
            }

            return count.Task;
        }

        /// <summary>The holder could not be started.</summary>
        public void Fail(string why)
        {
            _fault = why;
            AnswerWithFault();
            _heard.TrySetResult();
            _line?.Dispose();
        }

        /// <summary>Removes what was made for a holder that never ran.</summary>
        public void DeleteFiles()
        {
            _gate?.Dispose();
            File.Delete(_socket!);
            File.Delete(Path.ChangeExtension(_socket!, Holder.EndingsSuffix));
        }

        public void Send(HolderMessage message, CommandFiles? files = null) => _line?.Send(message, files);

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

        public void Hear(bool isOwn = false) => _ = HearAsync(isOwn);

        private async Task HearAsync(bool isOwn)
        {
            while (await _line!.ReceiveAsync() is { } message)
            {
                _heard.TrySetResult();
                switch (message)
                {
                    case HolderMessage.Started([]):
                        _asked = 0;
                        NoteAnswer(Question);
                        break;
                    case HolderMessage.Started(var commands):
                        foreach (var held in commands)
                        {
                            if (!Answer(held.Id, Add(held)))
                            {
                                TakeLate(held);
                            }
                        }

                        break;
                    case HolderMessage.Ended(var id, var ending) when _commands.TryRemove(id, out var ended):
                        ended.Complete(ending);
                        break;
                    case HolderMessage.LeftKilled(var processes):
                        _ = _counts.TryDequeue(out var count) && count.TrySetResult(processes);
                        break;
                }
            }

            _isGone = true;
            _holders.AnswersChanged?.Invoke();
            if (isOwn && !Heard.IsCompleted)
            {
                Fail("it ended before it answered");
                return;
            }

            if (isOwn && !_isLeft)
            {
                _holders._gone.TrySetResult();
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

        private bool Answer(string id, RunningCommand running) =>
            _expected.TryRemove(id, out var expected) && expected.TrySetResult(running);

        private void AnswerWithFault()
        {
            foreach (var id in _expected.Keys)
            {
                Answer(id, RunningCommand.NotStarted($"the process that starts commands of this user does not run: {_fault}"));
            }

            while (_counts.TryDequeue(out var count))
            {
                count.TrySetResult(0);
            }
        }

        /// <summary>
        /// Takes the answer to a start that the worker has given up. A holder that stalled after its look at the clock has started the
        /// command nevertheless. The command is killed, because its run is recorded as missed.
        /// </summary>
        private void TakeLate(HolderMessage.Held held)
        {
            if (held.Pid > 0)
            {
                _holders._log.StartedTooLate(held.Id, held.Pid);
                Send(new HolderMessage.Kill(held.Id, Stalled, 0));
            }

            NoteAnswer(held.Id);
        }

        private void NoteAnswer(string id)
        {
            if (_overdue.TryRemove(id, out _) && !IsSilent)
            {
                _holders._log.HolderAnswers();
                _holders.AnswersChanged?.Invoke();
            }
        }
    }
}
