using Xunit;

namespace Dts.Tests.Support;

/// <summary>Deadlines for waits in tests: long enough for a busy machine, short enough to end a hopeless wait.</summary>
internal static class Patience
{
    public static readonly TimeSpan Limit = TimeSpan.FromSeconds(90);

    /// <summary>Waits for a task; a <see cref="TimeoutException"/> says what was missing.</summary>
    public static async Task<T> Soon<T>(this Task<T> task, Func<string>? state = null)
    {
        try
        {
            return await task.WaitAsync(Limit);
        }
        catch (TimeoutException)
        {
            throw new TimeoutException($"nothing after {Limit}: {state?.Invoke() ?? "no state"}");
        }
    }

    /// <summary>Waits until a condition holds, looking every few milliseconds.</summary>
    /// <param name="limit">Null = <see cref="Limit"/>.</param>
    public static Task Until(Func<bool> condition, Func<string> state, TimeSpan? limit = null) =>
        Until(() => Task.FromResult(condition()), state, limit);

    /// <summary>The same for a condition that has to be awaited.</summary>
    public static async Task Until(Func<Task<bool>> condition, Func<string> state, TimeSpan? limit = null)
    {
        using var timer = new PeriodicTimer(TimeSpan.FromMilliseconds(5));
        var deadline = Environment.TickCount64 + (long)(limit ?? Limit).TotalMilliseconds;
        while (!await condition())
        {
            if (Environment.TickCount64 >= deadline)
            {
                Assert.Fail($"not true after {limit ?? Limit}: {state()}");
            }

            _ = await timer.WaitForNextTickAsync();
        }
    }
}
