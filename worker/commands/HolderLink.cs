using System.Collections.Concurrent;
using Dts.Worker.Commands.Holders;
using Dts.Worker.Native;
using Microsoft.Extensions.Logging;

namespace Dts.Worker.Commands;

/// <summary>A holder as the worker sees it: the connection, the running commands, and the answers that it owes.</summary>
/// <remarks>Thread-safe. When the holder dies, its commands end as <see cref="CommandOutcome.Lost"/>.</remarks>
/// <param name="line">Null = the holder could not be started.</param>
/// <param name="process">Null = a former worker's holder, or one that could not be started.</param>
/// <param name="answersChanged">Called when <see cref="IsSilent"/> may have changed, on the thread that noticed.</param>
internal sealed class HolderLink(HolderLine? line, HolderProcess? process, ILogger log, Action answersChanged)
{
    private const string Stalled = "the holder does not answer";

    private readonly ConcurrentDictionary<string, RunningCommand> _commands = new();
    private readonly OwedAnswers _owed = new(process?.Gate, log, answersChanged);
    private readonly OwedCounts _counts = new();
    private readonly TaskCompletionSource _heard = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private volatile bool _isLeft;
    private volatile bool _wasKilled;
    private volatile string? _fault;
    private long _usedAt = Environment.TickCount64;

    /// <summary>Completes with the first message, or with a fault if none will come.</summary>
    public Task Heard => _heard.Task;

    /// <summary>Why the holder does not run; null = no fault is known.</summary>
    public string? Fault => _fault;

    /// <summary>A signal ended it.</summary>
    public bool WasKilled => _wasKilled;

    /// <summary>It owes the answer to a start that the worker has given up, or to the question whether it is there.</summary>
    public bool IsSilent => _owed.AreLate;

    /// <summary>The user of its commands, empty = the worker's own; null = a former worker started it, or nobody could.</summary>
    public string? UserName => process is null ? null : process.User?.Name ?? "";

    private string Unheard => $"the process that held its command is gone ({_fault}), so nobody heard how it ended";

    public bool HasIdledFor(TimeSpan time) =>
        _fault is null && !IsSilent && Environment.TickCount64 - Volatile.Read(ref _usedAt) > time.TotalMilliseconds;

    public void NoteUse() => Volatile.Write(ref _usedAt, Environment.TickCount64);

    /// <summary>Adds a command that the holder has started.</summary>
    public RunningCommand Add(HolderMessage.Held held)
    {
        var running = RunningCommand.Of(
            held, (_, reason, grace) => Send(new HolderMessage.Kill(held.Id, reason, grace?.TotalMilliseconds)));
        if (held.Ending is null)
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
        if (IsSilent) // Before an answer is expected: what it owes may be the answer to an earlier start of the same id.
        {
            foreach (var id in ids)
            {
                started[id] = Task.FromResult(RunningCommand.NotStarted(Stalled, tooLate: true));
                Send(new HolderMessage.Drop(id));
            }

            return 0;
        }

        var number = _owed.Expect(ids, started);
        if (_fault is not null)
        {
            AnswerWithFault();
            return 0;
        }

        var ofThese = deadlines.Where(deadline => ids.Contains(deadline.Id)).Select(deadline => deadline.ToMessage());
        Send(new HolderMessage.Start(ids, notAfterMs, [.. ofThese], number));
        return number;
    }

    /// <inheritdoc cref="OwedAnswers.GiveUp(long, IEnumerable{string}, TimeSpan)"/>
    public void GiveUp(long number, IEnumerable<string> ids, TimeSpan after) => _owed.GiveUp(number, ids, after);

    /// <summary>Asks the holder whether it is there: nobody else would notice that an idle one is stalled.</summary>
    public void Ask()
    {
        if (!_isLeft && _fault is null && _owed.TryAsk())
        {
            Send(HolderMessage.Question);
        }
    }

    /// <summary>Has the holder kill the rest of a command, and returns the number of processes; null = it died.</summary>
    public Task<int?> KillLeft(HolderMessage.KillLeft left)
    {
        var count = _counts.Ask(() => Send(left));
        if (_fault is not null)
        {
            AnswerWithFault();
        }

        return count;
    }

    /// <summary>Ends all its commands as lost: the holder does not run, or no longer does.</summary>
    public void Fail(string why)
    {
        _fault = why;
        Interlocked.MemoryBarrier(); // Requests from here on see the fault; earlier ones are answered here.
        process?.DeleteFiles();
        AnswerWithFault();
        _owed.Settle();
        _heard.TrySetResult();
        line?.Dispose();
        foreach (var (_, running) in _commands)
        {
            if (ProcessTable.Find(running.Pid)?.StartTicks == running.StartTicks)
            {
                _ = ChildProcesses.SignalGroup(running.Pid, ChildProcesses.SIGKILL); // At once, if it is our own user's.
            }

            running.Complete(CommandEnding.Lost(Unheard, running.StartedAt, DateTimeOffset.UtcNow));
        }
    }

    /// <inheritdoc cref="HolderLine.Send(HolderMessage, CommandFiles?)"/>
    public void Send(HolderMessage message, CommandFiles? files = null)
    {
        (line is null ? files : null)?.Close();
        line?.Send(message, files);
    }

    public void Send(IReadOnlyList<HolderMessage> messages) => line?.Send(messages);

    /// <summary>Leaves an idle holder, which then ends; it is reaped later.</summary>
    public void Dismiss()
    {
        process?.Dismiss();
        Leave();
    }

    /// <summary>Closes the connection; the holder and its commands go on.</summary>
    public void Leave()
    {
        _isLeft = true;
        line?.Dispose();
    }

    /// <summary>Hears the holder until the connection ends.</summary>
    public void Hear() => _ = HearAsync(line!);

    private async Task HearAsync(HolderLine heard)
    {
        while (await heard.ReceiveAsync() is { } message)
        {
            _heard.TrySetResult();
            Take(message);
        }

        if (_isLeft)
        {
            _owed.Settle();
        }
        else
        {
            var wasHeard = Heard.IsCompleted;
            var how = await FindEndAsync();
            if (wasHeard || _wasKilled)
            {
                var whose = process is null ? "the worker before this one" : process.User?.Name ?? Environment.UserName;
                log.HolderGone(whose, how, _commands.Count + _owed.CountBegun());
            }

            Fail(wasHeard || _wasKilled ? $"it {how}" : "it ended before it answered");
        }

        answersChanged();
    }

    private void Take(HolderMessage message)
    {
        switch (message)
        {
            case HolderMessage.Started([]):
                _owed.NoteQuestionAnswered();
                break;
            case HolderMessage.Started(var commands):
                foreach (var held in commands)
                {
                    if (!_owed.TryAnswer(held.Id, Add(held)))
                    {
                        TakeLate(held);
                    }
                }

                break;
            case HolderMessage.Ended(var id, var ending) when _commands.TryRemove(id, out var ended):
                ended.Complete(ending);
                break;
            case HolderMessage.LeftKilled(var processes):
                _counts.Answer(processes);
                break;
        }
    }

    private async Task<string> FindEndAsync()
    {
        var end = process is null ? null : await process.AwaitEndAsync();
        _wasKilled = end is not { ExitCode: not null };
        return end is { Signal: { } signal } ? $"was {new CommandOutcome.Signaled(signal).Error}"
            : end is { ExitCode: { } code } ? $"ended with exit status {code}"
            : "closed its connection";
    }

    private void AnswerWithFault()
    {
        _owed.AnswerAll(hasBegun => hasBegun
            ? new RunningCommand(CommandEnding.Lost(Unheard, DateTimeOffset.UtcNow, DateTimeOffset.UtcNow))
            : RunningCommand.NotStarted(
                $"this user's holder does not run: {_fault}", tooLate: _wasKilled));
        _counts.AnswerAll();
    }

    /// <summary>
    /// Takes the answer to a start that the worker has given up. A holder that stalled after its look at the clock has started the
    /// command nevertheless. The command is killed, because its run is recorded as missed.
    /// </summary>
    private void TakeLate(HolderMessage.Held held)
    {
        if (held.Pid > 0)
        {
            log.StartedTooLate(held.Id, held.Pid);
            Send(new HolderMessage.Kill(held.Id, Stalled, 0));
        }

        _owed.NoteLateAnswer(held.Id);
    }
}
