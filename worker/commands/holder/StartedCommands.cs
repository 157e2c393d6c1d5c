using System.Threading.Channels;

namespace Dts.Worker.Commands.Holders;

/// <summary>The commands that a holder has started, and what it tells the worker of them.</summary>
/// <remarks>Thread-safe.</remarks>
internal sealed class StartedCommands
{
    private readonly Dictionary<string, StartedCommand> _commands = []; // guarded by _gate
    private readonly Lock _gate = new();
    private Channel<HolderMessage>? _outbox; // guarded by _gate; null: no worker is there

    public int Count
    {
        get
        {
            lock (_gate)
            {
                return _commands.Count;
            }
        }
    }

    public bool AnyRuns
    {
        get
        {
            lock (_gate)
            {
                return _commands.Values.Any(command => command.Ending is null);
            }
        }
    }

    /// <summary>Begins the messages to a worker. The first one lists the commands.</summary>
    public ChannelReader<HolderMessage> Attach()
    {
        // At most a start and an ending for each command.
        var outbox = Channel.CreateUnbounded<HolderMessage>(new() { SingleReader = true });
        lock (_gate)
        {
            outbox.Writer.TryWrite(ToHolds());
            _outbox = outbox;
        }

        return outbox.Reader;
    }

    /// <summary>Ends the messages.</summary>
    public void Detach()
    {
        lock (_gate)
        {
            _outbox?.Writer.Complete();
            _outbox = null;
        }
    }

    public void Tell(HolderMessage message)
    {
        lock (_gate)
        {
            _outbox?.Writer.TryWrite(message);
        }
    }

    /// <summary>Adds the commands of a request and answers it. Their endings follow.</summary>
    public void Add(IReadOnlyList<StartedCommand> started)
    {
        lock (_gate)
        {
            foreach (var command in started)
            {
                _commands[command.Id] = command;
            }

            _outbox?.Writer.TryWrite(new HolderMessage.Started([.. started.Select(command => command.ToHeld())]));
        }

        foreach (var command in started)
        {
            command.Following = FollowAsync(command);
        }
    }

    public StartedCommand? Find(string id)
    {
        lock (_gate)
        {
            return _commands.GetValueOrDefault(id);
        }
    }

    public StartedCommand? Remove(string id)
    {
        lock (_gate)
        {
            _commands.Remove(id, out var removed);
            return removed;
        }
    }

    public HolderMessage.Holds List()
    {
        lock (_gate)
        {
            return ToHolds();
        }
    }

    /// <summary>Kills the running commands whose deadline has passed.</summary>
    /// <returns>False = no running command has a deadline.</returns>
    public bool KillOverdue()
    {
        List<StartedCommand> limited;
        lock (_gate)
        {
            limited = [.. _commands.Values.Where(command => command is { Ending: null, KillAt: not null })];
        }

        foreach (var command in limited.Where(command => Environment.TickCount64 >= command.KillAt!.AtMs))
        {
            var (_, _, reason, graceMs) = command.KillAt!;
            command.Running.Kill(reason, TimeSpan.FromMilliseconds(graceMs));
        }

        return limited.Count > 0;
    }

    private HolderMessage.Holds ToHolds() => new([.. _commands.Values.Select(command => command.ToHeld())]);

    private async Task FollowAsync(StartedCommand command)
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
}

/// <summary>A command that was started, or could not be: then it has ended.</summary>
internal sealed class StartedCommand(string id, string tag, RunningCommand running)
{
    public string Id { get; } = id;

    public RunningCommand Running { get; } = running;

    /// <summary>Set when the worker is told of it. Of a command that was not started it is told at once.</summary>
    public CommandEnding? Ending { get; set; } =
        running is { Pid: 0, Ended: { IsCompletedSuccessfully: true, Result: var ending } } ? ending : null;

    public HolderMessage.KillAt? KillAt { get; set; }

    /// <summary>The folder of its secrets, which is removed when it has ended; null = it has none.</summary>
    public string? Secrets { get; init; }

    public Task? Following { get; set; }

    public HolderMessage.Held ToHeld() => new(Id, tag, Running.Pid, Running.StartTicks, Running.StartedAt, Ending);
}
