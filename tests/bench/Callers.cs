using System.Diagnostics;

namespace Dts.Bench;

/// <summary>Callers that each make their next call when the one before is answered.</summary>
internal static class Callers
{
    /// <summary>Some callers make calls for a time.</summary>
    /// <param name="call">Gets the number of the call.</param>
    public static Task<Pace> RunAsync(int callers, TimeSpan time, Func<int, Task> call)
    {
        var begun = Stopwatch.GetTimestamp();
        return RunAsync(callers, _ => Stopwatch.GetElapsedTime(begun) < time, call);
    }

    /// <summary>Some callers share a number of calls.</summary>
    public static Task<Pace> RunAsync(int callers, int calls, Func<int, Task> call) => RunAsync(callers, n => n < calls, call);

    /// <summary>The number of callers that together make the most calls a second.</summary>
    public static async Task<int> FindBestAsync(int[] callers, TimeSpan time, Func<int, Task> call)
    {
        var rates = new Dictionary<int, double>();
        foreach (var some in callers)
        {
            rates[some] = (await RunAsync(some, time, call)).PerSecond;
        }

        return rates.MaxBy(rate => rate.Value).Key;
    }

    /// <summary>The results of each way, round by round. The ways take turns, so that other load falls on all alike.</summary>
    public static async Task<List<List<T>>> TakeTurnsAsync<T>(int rounds, params Func<Task<T>>[] ways)
    {
        List<List<T>> results = [.. ways.Select(_ => new List<T>())];
        for (var round = 0; round < rounds; round++)
        {
            for (var way = 0; way < ways.Length; way++)
            {
                results[way].Add(await ways[way]());
            }
        }

        return results;
    }

    private static async Task<Pace> RunAsync(int callers, Func<int, bool> goesOn, Func<int, Task> call)
    {
        var (next, done, begun, cpu) = (-1, 0, Stopwatch.GetTimestamp(), Environment.CpuUsage.TotalTime);
        await Task.WhenAll(Enumerable.Range(0, callers).Select(_ => Task.Run(async () =>
        {
            for (var n = Interlocked.Increment(ref next); goesOn(n); n = Interlocked.Increment(ref next))
            {
                await call(n);
                Interlocked.Increment(ref done);
            }
        })));
        return new Pace(
            done / Stopwatch.GetElapsedTime(begun).TotalSeconds, (Environment.CpuUsage.TotalTime - cpu).TotalMicroseconds / done);
    }
}

/// <param name="CpuMicroseconds">This process's, for one call.</param>
internal readonly record struct Pace(double PerSecond, double CpuMicroseconds)
{
    /// <summary>Each call did so many things.</summary>
    public Pace Times(double things) => new(PerSecond * things, CpuMicroseconds / things);
}
