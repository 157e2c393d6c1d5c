using System.Collections.Concurrent;
using System.Globalization;
using Microsoft.Extensions.Logging;

namespace Dts.Worker.Commands;

/// <summary>The answers that a holder owes: to starts, and to the question whether it is there.</summary>
/// <remarks>Thread-safe.</remarks>
/// <param name="gate">Decides whether a start is begun or given up; null = a former worker's holder, which starts nothing more.</param>
/// <param name="changed">Called when <see cref="AreLate"/> may have changed, on the thread that noticed.</param>
internal sealed class OwedAnswers(StartGate? gate, ILogger log, Action changed)
{
    /// <summary>A holder that answers nothing for so long counts as stalled.</summary>
    public static readonly TimeSpan Within = TimeSpan.FromSeconds(10);

    /// <summary>How often a holder is asked whether it is there.</summary>
    public static readonly TimeSpan AskEvery = Within / QuestionsUnanswered;

    private const int QuestionsUnanswered = 5; // After the first.
    private const string Question = ""; // Stands for the question whether it is there.

    private readonly ConcurrentDictionary<string, (TaskCompletionSource<RunningCommand> Answer, long Number)> _expected = new();
    private readonly ConcurrentDictionary<string, bool> _late = new(); // The worker no longer waits for these.
    private readonly Lock _settling = new(); // guards the gate, which is disposed when the holder is gone
    private volatile bool _isGone;
    private long _requests;
    private int _asked; // How often TryAsk was called since the last answer to a question.

    /// <summary>It owes an answer that the worker no longer waits for.</summary>
    public bool AreLate => !_isGone && !_late.IsEmpty;

    /// <summary>How many starts the holder has begun and not answered.</summary>
    public int CountBegun() => _expected.Count(start => HasBegun(start.Value.Number));

    /// <summary>Expects the answers to a request, and returns its number.</summary>
    /// <param name="started">Receives the answers, by id.</param>
    public long Expect(IReadOnlyList<string> ids, Dictionary<string, Task<RunningCommand>> started)
    {
        var number = Interlocked.Increment(ref _requests);
        foreach (var id in ids)
        {
            var expected = new TaskCompletionSource<RunningCommand>(TaskCreationOptions.RunContinuationsAsynchronously);
            _expected[id] = (expected, number);
            started[id] = expected.Task;
        }

        return number;
    }

    /// <summary>False if nobody waits for this answer.</summary>
    public bool TryAnswer(string id, RunningCommand running) =>
        _expected.TryRemove(id, out var expected) && expected.Answer.TrySetResult(running);

    /// <summary>Answers all starts in place of a holder that cannot.</summary>
    /// <param name="answerOf">The answer to a start that the holder had begun (true), or will never begin.</param>
    public void AnswerAll(Func<bool, RunningCommand> answerOf)
    {
        foreach (var (id, (_, number)) in _expected)
        {
            TryAnswer(id, answerOf(HasBegun(number)));
        }
    }

    /// <summary>Gives up the starts of a request, unless the holder has begun it: then it will answer.</summary>
    /// <param name="number">0 = it was not sent.</param>
    public void GiveUp(long number, IEnumerable<string> ids, TimeSpan after)
    {
        if (number > 0 && TryGiveUp(number) == true)
        {
            foreach (var id in ids)
            {
                GiveUp(id, after);
            }
        }
    }

    /// <summary>Counts a question whether the holder is there. True = send it, as the first since the last answer.</summary>
    public bool TryAsk()
    {
        var asked = Interlocked.Increment(ref _asked);
        if (asked > QuestionsUnanswered && !AreLate)
        {
            _late[Question] = true;
            log.HolderSilent(Within.TotalSeconds);
            changed();
        }

        return asked == 1;
    }

    public void NoteQuestionAnswered()
    {
        _asked = 0;
        NoteLateAnswer(Question);
    }

    /// <summary>Notes an answer that the worker no longer waited for.</summary>
    public void NoteLateAnswer(string id)
    {
        if (_late.TryRemove(id, out _) && !AreLate)
        {
            log.HolderAnswers();
            changed();
        }
    }

    /// <summary>The holder is gone: no request is sent or given up any more.</summary>
    public void Settle()
    {
        lock (_settling)
        {
            _isGone = true;
            gate?.Dispose();
        }
    }

    private void GiveUp(string id, TimeSpan after)
    {
        var spoke = !AreLate;
        _late[id] = true;
        var why = string.Create(
            CultureInfo.InvariantCulture, $"the holder did not answer within {after.TotalSeconds:0.#} s");
        if (!TryAnswer(id, RunningCommand.NotStarted(why, tooLate: true)))
        {
            NoteLateAnswer(id); // It has just arrived.
        }
        else if (spoke)
        {
            log.HolderSilent(Math.Round(after.TotalSeconds, 1));
            changed();
        }
    }

    /// <summary>Whether the holder may have carried out the request, or a part of it. If not, it never will.</summary>
    private bool HasBegun(long number) => TryGiveUp(number) == false;

    /// <summary>Null = there is nothing to give up any more, or never was.</summary>
    private bool? TryGiveUp(long number)
    {
        lock (_settling)
        {
            return _isGone ? null : gate?.TryGiveUp(number);
        }
    }
}
