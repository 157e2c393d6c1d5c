using System.Collections.Concurrent;
using System.Globalization;
using Dts.Common.Hosting;
using Dts.Worker.Commands.Holders;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace Dts.Worker.Commands;

/// <summary>
/// The commands of a worker and those that its predecessors left. Processes beside the worker, one for each user
/// (<see cref="Holder"/>), start and hold them, so that they outlive the worker.
/// </summary>
/// <remarks>
/// Thread-safe, but only one caller prepares and starts. When a holder dies, its commands end as <see cref="CommandOutcome.Lost"/>;
/// the user's next command has a new one.
/// </remarks>
internal sealed class HeldCommands : IDisposable
{
    private const string Stalled = "the process that starts commands does not answer";
    private const int StartsAtOnce = 50; // All commands of a message must start in time, even if each start takes 20 ms.

    /// <summary>How long the start of a command may take at most.</summary>
    public static readonly TimeSpan StartsWithin = TimeSpan.FromSeconds(2);

    private static readonly TimeSpan AnswersWithin = TimeSpan.FromSeconds(10);
    // From the holder's look at the clock to the arrival of its answer.
    private static readonly TimeSpan OnTheWay = TimeSpan.FromMilliseconds(200);
    private static readonly TimeSpan LookEvery = TimeSpan.FromMilliseconds(100);
    private static readonly TimeSpan StoppedFor = TimeSpan.FromSeconds(1); // Then a former holder that is stopped does not go on by itself.
    private static readonly TimeSpan KillsAgainAfter = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan HoldersCountFor = TimeSpan.FromSeconds(10);
    private const int HoldersMax = 10; // Of one user in this time, if they die.
    private static readonly TimeSpan IdlesFor = TimeSpan.FromMinutes(10);
    private static readonly TimeSpan ReapsAfter = TimeSpan.FromMilliseconds(10);
    private const int KillsTried = 5; // Holders may die again and again.
    private static readonly TimeSpan AskEvery = AnswersWithin / Link.QuestionsUnanswered;
    private static readonly UserAccount WorkerItself = new("", uint.MaxValue, uint.MaxValue, "/");

    private readonly ConcurrentDictionary<string, Link> _links = new(); // by command
    private readonly ConcurrentDictionary<UserAccount, Link> _own = new();
    private readonly ConcurrentDictionary<string, (string Tag, ShellCommand Command)> _prepared = new();
    private readonly Lock _starting = new();
    private readonly List<Link> _all = []; // guarded by _starting
    private readonly Dictionary<UserAccount, Queue<long>> _starts = []; // When holders were started; guarded by _starting
    private readonly List<(int Pid, string? Socket)> _unreaped = []; // Holders that end or have ended; guarded by _starting
    private readonly List<FormerCommand> _former = [];
    private readonly string _folder;
    private readonly IReadOnlyList<string> _program;
    private readonly ILogger _log;
    private readonly UserAccount _mostUsed;
    private readonly TimeSpan _idlesFor;
    private readonly Timer _asking;

    private HeldCommands(string folder, IReadOnlyList<string> program, UserAccount? user, ILogger log, TimeSpan idlesFor)
    {
        (_folder, _program, _mostUsed, _log, _idlesFor) = (folder, program, user ?? WorkerItself, log, idlesFor);
        _asking = new Timer(_ => LookAfterHolders(), null, AskEvery, AskEvery);
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
    /// <param name="idlesFor">After this time without a command the holder of another user ends; null = ten minutes.</param>
    /// <exception cref="StartException">A holder cannot be started.</exception>
    public static async Task<HeldCommands> OpenAsync(
        string folder, IReadOnlyList<string> program, UserAccount? user = null, ILogger? log = null, TimeSpan? idlesFor = null)
    {
        HolderFolder.Make(folder);
        var commands = new HeldCommands(folder, program, user, log ?? NullLogger.Instance, idlesFor ?? IdlesFor);
        var metAt = Environment.TickCount64;
        var met = Directory.GetFiles(folder, "*" + Holder.SocketSuffix).Select(path => (path, Greet(path))).ToList();
        foreach (var (path, greeted) in met)
        {
            await commands.TryTakeOverAsync(path, greeted, metAt);
        }

        var endings = Directory.GetFiles(folder, "*" + Holder.EndingsSuffix);
        foreach (var path in endings.Where(path => !File.Exists(Path.ChangeExtension(path, Holder.SocketSuffix))))
        {
            commands.TakeEndings(path);
        }

        Link first;
        lock (commands._starting)
        {
            first = commands.LinkOf(user);
        }

        if (await Task.WhenAny(first.Heard, Task.Delay(AnswersWithin, TimeProvider.System)) != first.Heard || first.Fault is not null)
        {
            var why = first.Fault ?? $"it did not answer within {AnswersWithin.TotalSeconds:0} s";
            var (asUser, asThatUser) = user is null ? ("", "") : ($" as {user.Name}", " as that user");
            throw new StartException(
                $"no command can be started{asUser}: {string.Join(' ', program)} does not run{asThatUser}: {why}");
        }

        return commands;
    }

    /// <summary>Has a command made ready, to be started or dropped.</summary>
    /// <param name="id">Unlike any other's that is not forgotten yet.</param>
    /// <param name="tag">What the next worker will find in <see cref="Former"/>.</param>
    public void Prepare(string id, string tag, ShellCommand command)
    {
        _prepared[id] = (tag, command);
        Link link;
        lock (_starting)
        {
            link = _links[id] = LinkOf(command.User);
            link.UsedAt = Environment.TickCount64;
        }

        var files = CommandFiles.Open(command);
        link.Send(new HolderMessage.Prepare(id, tag, command, files), files);
    }

    /// <summary>It is not to be started after all.</summary>
    public void Drop(string id)
    {
        _prepared.TryRemove(id, out _);
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
    public async Task<IReadOnlyList<RunningCommand>> StartAsync(
        IReadOnlyList<string> ids, TimeSpan within, IReadOnlyList<KillDeadline>? deadlines = null)
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
        foreach (var id in ids)
        {
            if (_prepared.TryGetValue(id, out var prepared) && _links[id].Fault is not null)
            {
                Prepare(id, prepared.Tag, prepared.Command); // What was prepared went with its holder.
            }

            _prepared.TryRemove(id, out _);
        }

        var started = new Dictionary<string, Task<RunningCommand>>(ids.Length);
        var requests = ids.GroupBy(id => _links[id])
            .Select(together => (
                Link: together.Key,
                Ids: together.ToList(),
                Number: together.Key.Start([.. together], notAfterMs, deadlines, started)))
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
            link.UsedAt = Environment.TickCount64;
            LeaveIfDone(link);
        }
    }

    /// <summary>
    /// Kills what a dead holder left of a user's command (<see cref="LeftBehind"/>) and returns the number of processes; null = nobody can,
    /// because no holder of that user lives.
    /// </summary>
    public async Task<int?> KillLeftAsync(UserAccount user, IReadOnlyDictionary<string, string> mark, int pid, long startTicks)
    {
        for (var tries = 1; ; tries++)
        {
            Link link;
            lock (_starting)
            {
                link = LinkOf(user);
            }

            var counted = link.KillLeft(new HolderMessage.KillLeft(mark, pid, startTicks));
            var isAnswered = await Task.WhenAny(counted, Task.Delay(AnswersWithin, TimeProvider.System)) == counted;
            if (!isAnswered || await counted is not null || !link.WasKilled || tries == KillsTried)
            {
                return isAnswered ? await counted : null;
            }

            await Task.Delay(KillsAgainAfter, TimeProvider.System);
        }
    }

    /// <summary>Removes what dead holders left of the secrets of a user's commands.</summary>
    public void RemoveSecrets(UserAccount user, IReadOnlyList<string> folders)
    {
        lock (_starting)
        {
            LinkOf(user).Send(new HolderMessage.RemoveSecrets(folders));
        }
    }

    /// <summary>Completes when all holders answer.</summary>
    public async Task AnswerAsync(CancellationToken stop)
    {
        while (!Answers)
        {
            await Task.Delay(LookEvery, TimeProvider.System, stop);
        }
    }

    /// <summary>Leaves what still runs to its holders.</summary>
    public void Dispose()
    {
        _asking.Dispose();
        lock (_starting)
        {
            _all.ForEach(link => link.Leave());
        }
    }

    private void LookAfterHolders()
    {
        foreach (var link in Links.ToList())
        {
            link.Ask();
        }

        lock (_starting)
        {
            foreach (var (user, idle) in _own.Where(own => own.Key != _mostUsed && own.Value.HasIdledFor(_idlesFor)).ToList())
            {
                if (!_links.Values.Contains(idle) && _own.TryRemove(user, out _))
                {
                    _all.Remove(idle);
                    _unreaped.Add((idle.Pid, idle.Socket)); // Its user cannot delete its files.
                    idle.Leave();
                }
            }

            _unreaped.RemoveAll(holder => TryReap(holder.Pid, holder.Socket));
        }
    }

    private static bool TryReap(int pid, string? socket)
    {
        var hasEnded = Native.Reap(pid) is not null || ProcessTable.Find(pid) is null;
        if (hasEnded && socket is not null)
        {
            DeleteFiles(socket);
        }

        return hasEnded;
    }

    private static void DeleteFiles(string socket)
    {
        File.Delete(socket);
        File.Delete(Path.ChangeExtension(socket, Holder.EndingsSuffix));
    }

    /// <summary>Its line and its first word to come; null when nobody is there.</summary>
    private static (HolderLine Line, Task<HolderMessage?> Word)? Greet(string path)
    {
        var line = HolderFolder.TryConnect(path) is { } socket ? new HolderLine(socket) : null;
        return line is null ? null : (line, line.ReceiveAsync());
    }

    private async Task TryTakeOverAsync(string path, (HolderLine Line, Task<HolderMessage?> Word)? greeted, long metAt)
    {
        if (greeted is var (line, word))
        {
            // All are given this time together: however many hang, a worker starts in time.
            var killed = new HashSet<int>();
            for (var isTooLate = false; await Task.WhenAny(word, Task.Delay(LookEvery, TimeProvider.System)) != word;)
            {
                if (isTooLate)
                {
                    line.Dispose(); // It cannot be killed. Its commands are left behind, and ended as such.
                    return;
                }

                // One that is only slow, on a busy host, has more time than one that is stopped.
                var waited = TimeSpan.FromMilliseconds(Environment.TickCount64 - metAt);
                isTooLate = waited > AnswersWithin;
                var hung = waited > StoppedFor ? HolderFolder.FindHolders(path).Where(process => process.IsStopped || isTooLate) : [];
                foreach (var process in hung.Where(process => killed.Add(process.Pid)))
                {
                    await KillHungAsync(process);
                }
            }

            if (await word is HolderMessage.Holds holds)
            {
                var link = new Link(this, line);
                lock (_starting)
                {
                    _all.Add(link);
                }

                TakeOver(holds, link);
                link.Hear();
                LeaveIfDone(link);
                return;
            }

            line.Dispose(); // It was about to end, and has left its endings.
        }

        File.Delete(path);
    }

    /// <summary>Kills a former worker's holder as its user. Its commands are left behind, and ended as such.</summary>
    private async Task KillHungAsync(ProcessEntry holder)
    {
        _log.HolderHangs(holder.Pid, holder.IsStopped ? "a signal stopped it" : "for ten seconds");
        var ofNone = new Dictionary<string, string> { ["DTS_HOLDER"] = $"{holder.Pid}" }; // No command has it: the pid alone counts.
        if (ProcessTable.UidOf(holder.Pid) is not { } uid || uid == UserAccount.Own)
        {
            LeftBehind.Kill(ofNone, holder.Pid, holder.StartTicks);
        }
        else if (UserAccount.Find(uid) is { } user)
        {
            await KillLeftAsync(user, ofNone, holder.Pid, holder.StartTicks);
        }
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
    /// until it runs. Where holders die again and again, ten are started in ten seconds, and starts after that fail.
    /// </summary>
    /// <remarks>Under <see cref="_starting"/>.</remarks>
    private Link LinkOf(UserAccount? user)
    {
        if (_own.TryGetValue(user ?? WorkerItself, out var own))
        {
            if (own.Fault is null || !MayStartAnother(user ?? WorkerItself))
            {
                return own;
            }

            _all.Remove(own);
        }

        StartsOf(user ?? WorkerItself).Enqueue(Environment.TickCount64);

        var path = Path.Combine(_folder, Guid.NewGuid().ToString("N")[..12] + Holder.SocketSuffix);
        using var listener = HolderFolder.Listen(path);
        var gate = StartGate.Make();
        var line = new HolderLine(HolderFolder.TryConnect(path) ?? throw new IOException($"{path}: cannot connect to this socket"));
        var link = new Link(this, line, path, gate, user);
        var endings = Native.OpenForWriting(Path.ChangeExtension(path, Holder.EndingsSuffix), make: true);
        int[] handedOver =
        [
            Native.DuplicateHigh((int)listener.Handle),
            Native.DuplicateHigh(endings),
            Native.DuplicateHigh(gate.Descriptor),
        ];
        try
        {
            link.Pid = PreparedCommand.Launch([.. _program, path], user, handedOver);
            _all.Add(link);
            link.Hear();
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

    private bool MayStartAnother(UserAccount user)
    {
        var starts = StartsOf(user);
        while (starts.TryPeek(out var at) && Environment.TickCount64 - at > HoldersCountFor.TotalMilliseconds)
        {
            starts.Dequeue();
        }

        return starts.Count < HoldersMax;
    }

    private Queue<long> StartsOf(UserAccount user)
    {
        if (!_starts.TryGetValue(user, out var starts))
        {
            _starts[user] = starts = new Queue<long>();
        }

        return starts;
    }

    /// <summary>One holder as the worker sees it: a process, or the file that it left.</summary>
    private sealed class Link
    {
        private readonly HeldCommands _holders;
        private readonly ConcurrentDictionary<string, RunningCommand> _commands = new();
        private readonly ConcurrentDictionary<string, (TaskCompletionSource<RunningCommand> Answer, long Number)> _expected = new();
        /// <summary>Of the questions whether it is there, so many follow upon the first before it counts as stalled.</summary>
        public const int QuestionsUnanswered = 5;

        private const string Question = ""; // Its id among the starts; it is a start of nothing, which every version answers.

        private readonly HolderLine? _line;
        private readonly ConcurrentDictionary<string, bool> _overdue = new(); // The worker gave up waiting for their start.
        private readonly ConcurrentQueue<TaskCompletionSource<int?>> _counts = new();
        private readonly TaskCompletionSource _heard = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private readonly UserAccount? _user;
        private readonly Lock _settling = new();
        private volatile bool _isLeft;
        private volatile bool _isGone;
        private volatile bool _wasKilled;
        private long _usedAt = Environment.TickCount64;
        private int _asked; // 0: it owes no answer to the question
        private volatile string? _fault;
        private readonly string? _socket;
        private readonly StartGate? _gate; // null: a former worker's, which starts nothing more; guarded by _settling, disposed when gone
        private long _requests;
        private readonly string? _file;
        private readonly HashSet<string> _inFile = [];

        public Link(HeldCommands holders, HolderLine line, string? socket = null, StartGate? gate = null, UserAccount? user = null) =>
            (_holders, _line, _socket, _gate, _user) = (holders, line, socket, gate, user);

        public Link(HeldCommands holders, string file, IEnumerable<string> ids) => (_holders, _file, _inFile) = (holders, file, [.. ids]);

        /// <summary>Completes with the first message, or with a fault if none will come.</summary>
        public Task Heard => _heard.Task;

        /// <summary>Why the holder does not run; null = no fault is known.</summary>
        public string? Fault => _fault;

        /// <summary>A signal ended it.</summary>
        public bool WasKilled => _wasKilled;

        /// <summary>The holder's process; 0 = it is none that this process started.</summary>
        public int Pid { get; set; }

        /// <summary>Where it listens; null = it is none that this process started.</summary>
        public string? Socket => _socket;

        public long UsedAt
        {
            set => Volatile.Write(ref _usedAt, value);
        }

        public bool HasIdledFor(TimeSpan time) =>
            _fault is null && !IsSilent && Environment.TickCount64 - Volatile.Read(ref _usedAt) > time.TotalMilliseconds;

        /// <summary>It owes the answer to a start that was given up.</summary>
        public bool IsSilent => !_isGone && !_overdue.IsEmpty;

        public RunningCommand Add(HolderMessage.Held held)
        {
            var running = new RunningCommand(
                held.Pid,
                held.StartTicks,
                held.StartedAt,
                (_, reason, grace) => _line?.Send(new HolderMessage.Kill(held.Id, reason, grace?.TotalMilliseconds)));
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
            var number = Interlocked.Increment(ref _requests);
            foreach (var id in ids)
            {
                var expected = new TaskCompletionSource<RunningCommand>(TaskCreationOptions.RunContinuationsAsynchronously);
                _expected[id] = (expected, number);
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
                Send(new HolderMessage.Start(ids, notAfterMs, [.. ofThese], number));
                return number;
            }

            return 0;
        }

        /// <summary>False if the holder has begun the request and will answer, or has none.</summary>
        public bool TryGiveUp(long number)
        {
            lock (_settling)
            {
                return number > 0 && (_isGone || _gate?.TryGiveUp(number) != false);
            }
        }

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

        public Task<int?> KillLeft(HolderMessage.KillLeft left)
        {
            var count = new TaskCompletionSource<int?>(TaskCreationOptions.RunContinuationsAsynchronously);
            _counts.Enqueue(count);
            Send(left);
            if (_fault is not null)
            {
                AnswerWithFault();
            }

            return count.Task;
        }

        /// <summary>The holder does not run, or no more. Its commands end as lost.</summary>
        public void Fail(string why)
        {
            _fault = why;
            Interlocked.MemoryBarrier(); // Who asks from here on sees the fault; who asked before is answered here.
            if (_socket is not null)
            {
                DeleteFiles(_socket);
            }

            AnswerWithFault();
            Settle();
            _heard.TrySetResult();
            _line?.Dispose();
            foreach (var (_, running) in _commands)
            {
                if (ProcessTable.Find(running.Pid)?.StartTicks == running.StartTicks)
                {
                    _ = Native.SendSignalToGroup(running.Pid, Native.SIGKILL); // At once, if it is our own user's.
                }

                running.Complete(CommandEnding.Lost(Unheard, running.StartedAt, DateTimeOffset.UtcNow));
            }
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

        public void Hear() => _ = HearAsync();

        private async Task HearAsync()
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

            if (_isLeft)
            {
                Settle();
            }
            else
            {
                var wasHeard = Heard.IsCompleted;
                var how = await FindEndAsync();
                if (wasHeard || _wasKilled)
                {
                    var whose = _socket is null ? "the worker before this one" : _user?.Name ?? Environment.UserName;
                    _holders._log.HolderGone(whose, how, _commands.Count + _expected.Count(start => HasBegun(start.Value.Number)));
                }

                Fail(wasHeard || _wasKilled ? $"it {how}" : "it ended before it answered");
            }

            _holders.AnswersChanged?.Invoke();
        }

        private string Unheard => $"the process that held its command is gone ({_fault}), so nobody heard how it ended";

        /// <summary>How the holder's process ended; it is reaped.</summary>
        private async Task<string> FindEndAsync()
        {
            Native.Reaped? end = null;
            for (var until = Environment.TickCount64 + 1000; Pid > 0 && Environment.TickCount64 < until;)
            {
                if ((end = Native.Reap(Pid)) is not null || ProcessTable.Find(Pid) is null)
                {
                    break;
                }

                await Task.Delay(ReapsAfter, TimeProvider.System); // Its connection is closed a little before it ends.
            }

            if (Pid > 0 && end is null)
            {
                lock (_holders._starting)
                {
                    _holders._unreaped.Add((Pid, null));
                }
            }

            _wasKilled = end is not { ExitCode: not null };
            return end is { Signal: { } signal } ? $"was {new CommandOutcome.Signaled(signal).Error}"
                : end is { ExitCode: { } code } ? $"ended with exit status {code}"
                : "closed its connection";
        }

        /// <summary>No request is sent or given up any more.</summary>
        private void Settle()
        {
            lock (_settling)
            {
                _isGone = true;
                _gate?.Dispose();
            }
        }

        private bool Answer(string id, RunningCommand running) =>
            _expected.TryRemove(id, out var expected) && expected.Answer.TrySetResult(running);

        /// <summary>The holder may have carried out the request, or a part of it. If not, it never will.</summary>
        private bool HasBegun(long number)
        {
            lock (_settling)
            {
                return !_isGone && _gate?.TryGiveUp(number) == false;
            }
        }

        private void AnswerWithFault()
        {
            foreach (var (id, (_, number)) in _expected)
            {
                Answer(id, HasBegun(number)
                    ? new RunningCommand(CommandEnding.Lost(Unheard, DateTimeOffset.UtcNow, DateTimeOffset.UtcNow))
                    : RunningCommand.NotStarted(
                        $"the process that starts commands of this user does not run: {_fault}", tooLate: _wasKilled));
            }

            while (_counts.TryDequeue(out var count))
            {
                count.TrySetResult(null);
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
