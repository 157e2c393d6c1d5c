using System.Collections.Concurrent;
using Dts.Master.Jobs;
using Dts.Tests.Support;
using Xunit;

namespace Dts.Tests.Unit.Master;

public sealed class JoinedCallsTests
{
    private readonly ConcurrentQueue<Call> _calls = [];
    private readonly JoinedCalls<int, string> _joined;

    public JoinedCallsTests() => _joined = new JoinedCalls<int, string>(most: 3, questions =>
    {
        var call = new Call(questions, new TaskCompletionSource<IReadOnlyList<string>>());
        _calls.Enqueue(call);
        return call.Answer.Task;
    });

    [Fact]
    public async Task Questions_that_come_during_a_call_are_the_next_call_together()
    {
        var first = AskAsync(1);
        Task<string>[] others = [AskAsync(2), AskAsync(3)];
        Assert.Equal([1], Assert.Single(_calls).Questions);

        await AnswerAsync(0);
        Assert.Equal("answer to 1", await first);
        await CallsAsync(2);
        Assert.Equal([2, 3], _calls.ElementAt(1).Questions);

        await AnswerAsync(1);
        Assert.Equal(["answer to 2", "answer to 3"], await Task.WhenAll(others));
        var alone = AskAsync(4);
        await AnswerAsync(2);
        Assert.Equal("answer to 4", await alone);
    }

    [Fact]
    public async Task A_call_has_no_more_questions_than_it_may_have()
    {
        var asked = Enumerable.Range(0, 6).Select(AskAsync).ToList();
        for (var call = 0; call < 3; call++)
        {
            await CallsAsync(call + 1);
            await AnswerAsync(call);
        }

        await Task.WhenAll(asked);
        Assert.Equal([[0], [1, 2, 3], [4, 5]], _calls.Select(call => call.Questions));
    }

    [Fact]
    public async Task When_a_call_fails_all_that_wait_fail_and_the_next_question_is_asked()
    {
        var asked = Enumerable.Range(0, 6).Select(AskAsync).ToList();
        _calls.ElementAt(0).Answer.SetException(new TimeoutException());
        foreach (var one in asked)
        {
            await Assert.ThrowsAsync<TimeoutException>(() => one);
        }

        var next = AskAsync(7);
        await AnswerAsync(1);
        Assert.Equal("answer to 7", await next);
        Assert.Equal(2, _calls.Count);
    }

    [Fact]
    public async Task A_question_that_is_cancelled_while_it_waits_is_not_asked()
    {
        using var cancel = new CancellationTokenSource();
        var first = AskAsync(1);
        var cancelled = _joined.AskAsync(2, cancel.Token);
        var last = AskAsync(3);
        await cancel.CancelAsync();

        await AnswerAsync(0);
        await first;
        await AnswerAsync(1);
        Assert.Equal("answer to 3", await last);
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => cancelled);
        Assert.Equal([3], _calls.ElementAt(1).Questions);
    }

    private Task<string> AskAsync(int question) => _joined.AskAsync(question, CancellationToken.None);

    private Task CallsAsync(int count) => Patience.Until(() => _calls.Count == count, () => $"{_calls.Count} calls");

    private async Task AnswerAsync(int call)
    {
        await CallsAsync(call + 1);
        var (questions, answer) = _calls.ElementAt(call);
        answer.SetResult([.. questions.Select(question => $"answer to {question}")]);
    }

    private sealed record Call(IReadOnlyList<int> Questions, TaskCompletionSource<IReadOnlyList<string>> Answer);
}
