using Microsoft.Win32.SafeHandles;

namespace Dts.Worker.Commands.Holders;

/// <summary>Prepares commands and starts them when the worker asks for it.</summary>
/// <remarks>Not thread-safe. The thread that hears the worker is its only caller.</remarks>
/// <param name="gate">The descriptor of the <see cref="StartGate"/>.</param>
/// <param name="thread">It is the starter's from now on; null: the caller's thread is privileged, and starts commands itself.</param>
internal sealed class CommandStarter(int gate, StartingThread? thread) : IDisposable
{
    private readonly CommandRunner _runner = new();
    private readonly StartGate _gate = new(new SafeFileHandle(gate, ownsHandle: true));
    private readonly Dictionary<string, (PreparedCommand Command, string Tag)> _prepared = [];

    /// <inheritdoc cref="CommandRunner.HasOpenPipes"/>
    public bool HasOpenPipes => _runner.HasOpenPipes;

    /// <param name="files">The prepared command takes ownership of them.</param>
    public void Prepare(string id, string tag, ShellCommand command, CommandFiles files) =>
        _prepared[id] = (_runner.Prepare(command, files), tag);

    public void Drop(string id)
    {
        if (_prepared.Remove(id, out var dropped))
        {
            dropped.Command.Dispose();
        }
    }

    public void DropAll()
    {
        foreach (var (command, _) in _prepared.Values)
        {
            command.Dispose();
        }

        _prepared.Clear();
    }

    /// <summary>Starts the commands of a request, one right after the other.</summary>
    /// <param name="notAfterMs">The time of this host's monotonic clock after which they are refused.</param>
    /// <param name="number">The request's number at the gate; 0 = it cannot be given up.</param>
    public List<StartedCommand> Start(IReadOnlyList<string> ids, long notAfterMs, long number)
    {
        var started = new List<StartedCommand>(ids.Count);
        notAfterMs = number == 0 || _gate.TryBegin(number) ? notAfterMs : 0;
        if (thread is null)
        {
            StartAll();
        }
        else
        {
            thread.Do(StartAll);
        }

        return started;

        void StartAll()
        {
            foreach (var id in ids)
            {
                started.Add(Start(id, notAfterMs));
            }
        }
    }

    public void Dispose()
    {
        thread?.Dispose();
        _gate.Dispose();
        _runner.Dispose();
    }

    private StartedCommand Start(string id, long notAfterMs)
    {
        if (!_prepared.Remove(id, out var prepared))
        {
            return new StartedCommand(id, "", RunningCommand.NotStarted("it was not prepared"));
        }

        if (Environment.TickCount64 > notAfterMs)
        {
            prepared.Command.Dispose();
            const string tooLate = "the holder was stalled and received the start request too late";
            return new StartedCommand(id, prepared.Tag, RunningCommand.NotStarted(tooLate, tooLate: true));
        }

        var secrets = prepared.Command.TakeSecrets();
        return new StartedCommand(id, prepared.Tag, _runner.Start(prepared.Command)) { Secrets = secrets };
    }
}
