using System.Collections.Concurrent;
using Dts.Common.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace Dts.Worker.Commands;

/// <summary>
/// The commands of a worker and those that its predecessors left. Processes beside the worker, one for each user
/// (<see cref="Holders.Holder"/>), start and hold them, so that they outlive the worker.
/// </summary>
/// <remarks>
/// Thread-safe, but only one caller prepares and starts. When a holder dies, its commands end as <see cref="CommandOutcome.Lost"/>;
/// the user's next command has a new one.
/// </remarks>
internal sealed class HeldCommands : IDisposable
{
    private const int StartsAtOnce = 50; // All commands of a message must start in time, even if each start takes 20 ms.

    /// <summary>How long the start of a command may take at most.</summary>
    public static readonly TimeSpan StartsWithin = TimeSpan.FromSeconds(2);

    private static readonly TimeSpan OnTheWay = TimeSpan.FromMilliseconds(200); // From its look at the clock until its answer.
    private static readonly TimeSpan LookEvery = TimeSpan.FromMilliseconds(100);
    private static readonly TimeSpan IdlesFor = TimeSpan.FromMinutes(10);

    private readonly UserHolders _holders;
    private readonly ConcurrentDictionary<string, HolderLink> _links = new(); // by command
    private readonly ConcurrentDictionary<string, EndingsFile> _files = new(); // by command
    private readonly ConcurrentDictionary<string, (string Tag, ShellCommand Command)> _prepared = new();
    private List<FormerCommand> _former = [];
    private readonly Timer _looking;

    private HeldCommands(string folder, IReadOnlyList<string> program, UserAccount? user, ILogger log, TimeSpan idlesFor)
    {
        _holders = new UserHolders(folder, program, log, () => AnswersChanged?.Invoke());
        _looking = new Timer(_ => LookAfterHolders(user, idlesFor), null, OwedAnswers.AskEvery, OwedAnswers.AskEvery);
    }

    /// <summary>Raised when <see cref="Answers"/> may have changed, on the thread that noticed.</summary>
    public event Action? AnswersChanged;

    /// <summary>False while a holder owes the answer to a start that is out of date, or to the question whether it is there.</summary>
    public bool Answers => SilentUsers.Count == 0;

    /// <summary>The users whose holders do not answer now; null = a holder of a former worker, which starts nothing.</summary>
    public IReadOnlyCollection<string?> SilentUsers => [.. Links.Where(link => link.IsSilent).Select(link => link.UserName)];

    private IEnumerable<HolderLink> Links => _holders.Links.Concat(_links.Values).Distinct();

    /// <summary>Finds the holders of former workers, and starts one for the commands of this one.</summary>
    /// <param name="folder">Where the holders of this worker have their sockets; nobody else may enter it.</param>
    /// <param name="program">What starts a holder, without its socket: an executable and its arguments.</param>
    /// <param name="user">The user of commands whose jobs name none; null = the worker's own.</param>
    /// <param name="idlesFor">After this time without a command the holder of another user ends; null = ten minutes.</param>
    /// <exception cref="StartException">A holder cannot be started.</exception>
    public static async Task<HeldCommands> OpenAsync(
        string folder, IReadOnlyList<string> program, UserAccount? user = null, ILogger? log = null, TimeSpan? idlesFor = null)
    {
        HolderFolder.Make(folder);
        log ??= NullLogger.Instance;
        var commands = new HeldCommands(folder, program, user, log, idlesFor ?? IdlesFor);
        await foreach (var (line, holds) in new FormerHolders(folder, commands._holders, log).MeetAsync())
        {
            commands.TakeOver(holds.Commands, new HolderLink(line, null, log, () => commands.AnswersChanged?.Invoke()));
        }

        foreach (var file in EndingsFile.FindIn(folder))
        {
            commands.TakeOver(file);
        }

        await commands._holders.TryOutAsync(user);
        return commands;
    }

    /// <summary>Hands over the commands that former workers started and did not record, and keeps them no longer.</summary>
    public IReadOnlyList<FormerCommand> TakeFormer() => Interlocked.Exchange(ref _former, []);

    /// <summary>Prepares a command, to be started or dropped.</summary>
    /// <param name="id">Differs from that of all commands that are not forgotten yet.</param>
    /// <param name="tag">What the next worker will find in <see cref="TakeFormer"/>.</param>
    public void Prepare(string id, string tag, ShellCommand command)
    {
        _prepared[id] = (tag, command);
        var link = _links[id] = _holders.Of(command.User);
        var files = CommandFiles.Open(command);
        link.Send(new HolderMessage.Prepare(id, tag, command, files), files);
    }

    /// <summary>Drops a prepared command.</summary>
    public void Drop(string id)
    {
        _prepared.TryRemove(id, out _);
        if (_links.TryRemove(id, out var link))
        {
            link.Send([new HolderMessage.Drop(id), new HolderMessage.Forget(id)]); // It may hold the refusal of a start.
        }
    }

    /// <summary>
    /// Starts prepared commands, many back to back. A command that cannot be started, or whose holder is stalled, is returned as ended,
    /// with the reason; it is not started later.
    /// </summary>
    /// <param name="notAfterMs">
    /// The time by <see cref="Environment.TickCount64"/> after which none may start. However late this is, a holder that has not answered
    /// after two seconds counts as stalled.
    /// </param>
    /// <param name="deadlines">See <see cref="KillAfter"/>.</param>
    public async Task<IReadOnlyList<RunningCommand>> StartAsync(
        IReadOnlyList<string> ids, long notAfterMs, IReadOnlyList<KillDeadline>? deadlines = null)
    {
        List<RunningCommand> running = [];
        foreach (var chunk in ids.Chunk(StartsAtOnce))
        {
            running.AddRange(await StartChunkAsync(chunk, notAfterMs, deadlines ?? []));
        }

        return running;
    }

    /// <inheritdoc cref="UserHolders.WarmUp"/>
    public void WarmUp(IReadOnlyCollection<string> users) => _holders.WarmUp(users);

    private async Task<RunningCommand[]> StartChunkAsync(string[] ids, long notAfterMs, IReadOnlyList<KillDeadline> deadlines)
    {
        var nowMs = Environment.TickCount64;
        notAfterMs = Math.Min(notAfterMs, nowMs + (long)StartsWithin.TotalMilliseconds);
        var within = TimeSpan.FromMilliseconds(Math.Max(0, notAfterMs - nowMs));
        foreach (var id in ids)
        {
            if (_prepared.TryGetValue(id, out var prepared) && _links[id].Fault is not null)
            {
                Prepare(id, prepared.Tag, prepared.Command); // The prepared command died with its holder.
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
            await Task.WhenAll(started.Values).WaitAsync(within + OnTheWay);
        }
        catch (TimeoutException)
        {
            requests.ForEach(request => request.Link.GiveUp(request.Number, request.Ids, within));
        }

        return await Task.WhenAll(ids.Select(id => started[id]));
    }

    /// <summary>Has a command killed after a time, even if this worker is gone by then; a later call replaces the time.</summary>
    public void KillAfter(KillDeadline deadline)
    {
        if (_links.TryGetValue(deadline.Id, out var link))
        {
            link.Send(deadline.ToMessage());
        }
    }

    /// <summary>Forgets commands whose endings are recorded: the next worker need not hear of them.</summary>
    public void Forget(params IReadOnlyList<string> ids)
    {
        foreach (var together in ids.GroupBy(id => _links.GetValueOrDefault(id)))
        {
            foreach (var id in together)
            {
                if (!_links.TryRemove(id, out _) && _files.TryRemove(id, out var file))
                {
                    file.Forget(id);
                }
            }

            if (together.Key is { } link)
            {
                link.Send([.. together.Select(id => new HolderMessage.Forget(id))]);
                link.NoteUse();
                LeaveIfDone(link);
            }
        }
    }

    /// <inheritdoc cref="UserHolders.KillLeftAsync"/>
    public Task<int?> KillLeftAsync(UserAccount user, IReadOnlyDictionary<string, string> mark, int pid, long startTicks) =>
        _holders.KillLeftAsync(user, mark, pid, startTicks);

    /// <summary>Removes what dead holders left of the secrets of a user's commands.</summary>
    public void RemoveSecrets(UserAccount user, IReadOnlyList<string> folders) =>
        _holders.Of(user).Send(new HolderMessage.RemoveSecrets(folders));

    /// <summary>Completes when all holders answer.</summary>
    public async Task AnswerAsync(CancellationToken stop)
    {
        while (!Answers)
        {
            await Task.Delay(LookEvery, TimeProvider.System, stop);
        }
    }

    /// <summary>Leaves the running commands to their holders.</summary>
    public void Dispose()
    {
        _looking.Dispose();
        Links.ToList().ForEach(link => link.Leave());
    }

    private void LookAfterHolders(UserAccount? mostUsed, TimeSpan idlesFor)
    {
        Links.ToList().ForEach(link => link.Ask());
        _holders.EndIdle(mostUsed, idlesFor, isUsed: link => _links.Values.Contains(link));
    }

    private void TakeOver(IReadOnlyList<HolderMessage.Held> commands, HolderLink link)
    {
        foreach (var held in commands)
        {
            _links[held.Id] = link;
            _former.Add(new FormerCommand(held.Id, held.Tag, link.Add(held)));
        }

        link.Hear();
        LeaveIfDone(link);
    }

    private void TakeOver(EndingsFile file)
    {
        foreach (var held in file.Commands)
        {
            _files[held.Id] = file;
            _former.Add(new FormerCommand(held.Id, held.Tag, RunningCommand.Of(held, (_, _, _) => { })));
        }
    }

    /// <summary>Leaves a former worker's holder, which then ends, once there is nothing left to ask it.</summary>
    private void LeaveIfDone(HolderLink link)
    {
        if (!_holders.Links.Contains(link) && !_links.Values.Contains(link))
        {
            link.Leave();
        }
    }
}
