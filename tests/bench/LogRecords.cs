using Dts.Common.Jobs;
using Dts.Common.Logs;

namespace Dts.Bench;

/// <summary>Records as short runs leave them: ten a second, of a thousand jobs, one in fifty failed.</summary>
internal sealed class LogRecords(DateTimeOffset first)
{
    public const int Jobs = 1000;
    private const int PerSecond = 10;

    /// <summary>So many that the last of them are of now.</summary>
    public static LogRecords Until(DateTimeOffset now, long records) =>
        new(DateTimeOffset.FromUnixTimeSeconds(now.ToUnixTimeSeconds() - (records / PerSecond)));

    public static string JobOf(long n) => $"job-{n % Jobs:D4}";

    public List<RunRecord> Batch(long from, int count) => [.. Enumerable.Range(0, count).Select(n => Record(from + n))];

    private RunRecord Record(long n)
    {
        var planTime = first.AddSeconds(n / PerSecond);
        var ms = planTime.ToUnixTimeMilliseconds();
        var failed = n % 50 == 0;
        var job = JobOf(n);
        return new RunRecord(
            job, "echo hello $DTS_JOB", failed ? "exit status 1" : "", "hello\n", ms, ms - 1100, ms + 1, ms + 4 + (n % 7),
            $"{job}/{RunId.Of(planTime)}-{n}", failed ? RunStatus.Failed : RunStatus.Succeeded, ExitCode: failed ? 1 : 0,
            Worker: $"worker-{n % 5}",
            Host: "host",
            JobRevision: 5,
            FencingToken: n,
            OutputBytes: 6,
            ExpireAt: DateTimeOffset.UtcNow.AddDays(3650));
    }
}
