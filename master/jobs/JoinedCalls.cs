namespace Dts.Master.Jobs;

/// <summary>Joins questions into calls: those that come during a call wait for its end, and are the next call together.</summary>
/// <remarks>
/// Thread-safe. A question that comes alone is asked at once. A call is made by one of those who ask; afterwards the first that waits makes
/// the next one. If a call fails, all that wait fail, too, instead of one call after the other.
/// </remarks>
/// <param name="most">The most questions in a call.</param>
/// <param name="call">Answers questions, in their order.</param>
internal sealed class JoinedCalls<TQuestion, TAnswer>(int most, Func<IReadOnlyList<TQuestion>, Task<IReadOnlyList<TAnswer>>> call)
{
    private readonly Lock _gate = new();
    private readonly Queue<Asked> _waiting = new(); // No more than this master has requests.
    private bool _isCalling;

    public async Task<TAnswer> AskAsync(TQuestion question, CancellationToken cancel)
    {
        var asked = new Asked(question, cancel);
        lock (_gate)
        {
            _waiting.Enqueue(asked);
            if (!_isCalling)
            {
                _isCalling = true;
                asked.MakesCall.SetResult(true);
            }
        }

        if (await asked.MakesCall.Task)
        {
            await CallAsync();
        }

        return await asked.Answer;
    }

    private async Task CallAsync()
    {
        var joined = Take(most);
        try
        {
            List<Asked> open = [.. joined.Where(asked => !asked.Cancel.IsCancellationRequested)];
            var answers = open.Count > 0 ? await call([.. open.Select(asked => asked.Question)]) : [];
            for (var n = 0; n < open.Count; n++)
            {
                open[n].Answer = Task.FromResult(answers[n]);
            }
        }
        catch (Exception failure)
        {
            joined.AddRange(Take(int.MaxValue));
            joined.ForEach(asked => asked.Answer = Task.FromException<TAnswer>(failure));
        }

        lock (_gate)
        {
            _isCalling = _waiting.TryPeek(out var next);
            next?.MakesCall.SetResult(true);
        }

        joined.ForEach(asked => asked.MakesCall.TrySetResult(false));
    }

    private List<Asked> Take(int count)
    {
        lock (_gate)
        {
            List<Asked> taken = [];
            while (taken.Count < count && _waiting.TryDequeue(out var asked))
            {
                taken.Add(asked);
            }

            return taken;
        }
    }

    private sealed class Asked(TQuestion question, CancellationToken cancel)
    {
        public TQuestion Question => question;

        public CancellationToken Cancel => cancel;

        /// <summary>True = whoever asks makes the next call; false = there is an answer.</summary>
        public TaskCompletionSource<bool> MakesCall { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public Task<TAnswer> Answer { get; set; } = Task.FromCanceled<TAnswer>(new CancellationToken(canceled: true));
    }
}
