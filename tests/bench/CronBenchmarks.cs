using BenchmarkDotNet.Attributes;
using BenchmarkDotNet.Columns;
using BenchmarkDotNet.Configs;
using BenchmarkDotNet.Diagnosers;
using BenchmarkDotNet.Jobs;
using BenchmarkDotNet.Running;
using BenchmarkDotNet.Toolchains.InProcess.Emit;
using Dts.Common.Cron;
using Perfolizer.Horology;

using QuartzExpression = Quartz.CronExpression;

namespace Dts.Bench;

/// <summary>The next occurrence of twenty common schedules, beside Quartz, from instants all over five years.</summary>
public class CronBenchmarks
{
    private const int Instants = 1024;

    private readonly DateTimeOffset[] _from = new DateTimeOffset[Instants];
    private readonly CronZone _berlin = CronZone.Get("Europe/Berlin");
    private CronExpression _dts = CronExpression.Parse("* * * * *");
    private QuartzExpression _quartzUtc = new("* * * * * ?");
    private QuartzExpression _quartzBerlin = new("* * * * * ?");

    public static string[] Texts =>
    [
        "* * * * * ?",
        "*/5 * * * * ?",
        "0 * * * * ?",
        "0 */5 * * * ?",
        "0 */15 9-17 ? * MON-FRI",
        "0 0 * * * ?",
        "0 30 * * * ?",
        "0 0 */2 * * ?",
        "0 0 3 * * ?",
        "0 30 2 * * ?",
        "0 0 9,12,17 * * ?",
        "0 0 9 ? * MON-FRI",
        "0 0 0 ? * SUN",
        "0 0 0 1 * ?",
        "0 0 0 1,15 * ?",
        "0 0 0 L * ?",
        "0 0 0 LW * ?",
        "0 0 12 15W * ?",
        "0 0 8 ? * FRI#2",
        "0 0 0 1 1 ?",
    ];

    /// <summary>Runs the benchmarks that BenchmarkDotNet's arguments select: <c>--filter '*.CronBenchmarks.*'</c>.</summary>
    internal static void Run(string[] args)
    {
        // Many short iterations in this process: the fastest of them is the figure that a busy machine leaves alone.
        var config = DefaultConfig.Instance
            .AddJob(
                Job.Default.WithToolchain(InProcessEmitToolchain.Instance)
                    .WithWarmupCount(5)
                    .WithIterationCount(30)
                    .WithIterationTime(TimeInterval.FromMilliseconds(20)))
            .AddColumn(StatisticColumn.Min, StatisticColumn.Median)
            .AddDiagnoser(MemoryDiagnoser.Default);
        BenchmarkSwitcher.FromAssembly(typeof(CronBenchmarks).Assembly).Run(args, config);
    }

    [ParamsSource(nameof(Texts))]
    public string Text { get; set; } = "";

    [GlobalSetup]
    public void Prepare()
    {
        var random = new Random(1);
        for (var i = 0; i < Instants; i++)
        {
            _from[i] = DateTimeOffset.FromUnixTimeSeconds(random.NextInt64(1_767_225_600, 1_924_992_000)); // 2026 to 2030
        }

        _dts = CronExpression.Parse(Text);
        _quartzUtc = new QuartzExpression(Text, TimeZoneInfo.Utc);
        _quartzBerlin = new QuartzExpression(Text, TimeZoneInfo.FindSystemTimeZoneById("Europe/Berlin"));
    }

    [Benchmark(Baseline = true, OperationsPerInvoke = Instants)]
    public long Utc() => Sum(CronZone.Utc);

    [Benchmark(OperationsPerInvoke = Instants)]
    public long Berlin() => Sum(_berlin);

    [Benchmark(OperationsPerInvoke = Instants)]
    public long QuartzUtc() => Sum(_quartzUtc);

    [Benchmark(OperationsPerInvoke = Instants)]
    public long QuartzBerlin() => Sum(_quartzBerlin);

    [Benchmark]
    public CronExpression Parse() => CronExpression.Parse(Text);

    [Benchmark]
    public QuartzExpression QuartzParse() => new(Text);

    private long Sum(CronZone zone)
    {
        var sum = 0L;
        foreach (var from in _from)
        {
            sum += _dts.GetNextOccurrence(from, zone)!.Value.Ticks;
        }

        return sum;
    }

    private long Sum(QuartzExpression expression)
    {
        var sum = 0L;
        foreach (var from in _from)
        {
            sum += expression.GetNextValidTimeAfter(from)!.Value.Ticks;
        }

        return sum;
    }
}
