using System.Globalization;

namespace Dts.Bench;

/// <summary>What the threads of some processes have done so far: processor time, and how often they slept.</summary>
internal sealed class ThreadCounts
{
    private readonly Dictionary<string, (long CpuNs, long Sleeps)> _threads = [];

    private ThreadCounts()
    {
    }

    public static ThreadCounts Read(IEnumerable<int> pids)
    {
        var counts = new ThreadCounts();
        foreach (var thread in pids.SelectMany(pid => Directory.GetDirectories($"/proc/{pid}/task")))
        {
            try
            {
                var cpu = File.ReadAllText($"{thread}/schedstat").Split(' ')[0];
                var sleeps = File.ReadLines($"{thread}/status")
                    .First(line => line.StartsWith("voluntary_ctxt_switches:", StringComparison.Ordinal));
                counts._threads[thread] = (Number(cpu), Number(sleeps.Split(':')[1]));
            }
            catch (IOException)
            {
                // It has ended meanwhile.
            }
        }

        return counts;
    }

    /// <summary>Of the threads that still live.</summary>
    public (double CpuSeconds, long Sleeps) Since(ThreadCounts before) => (
        _threads.Sum(thread => thread.Value.CpuNs - before._threads.GetValueOrDefault(thread.Key).CpuNs) / 1e9,
        _threads.Sum(thread => thread.Value.Sleeps - before._threads.GetValueOrDefault(thread.Key).Sleeps));

    private static long Number(string text) => long.Parse(text, CultureInfo.InvariantCulture);
}
