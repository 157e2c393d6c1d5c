using BenchmarkDotNet.Attributes;
using Dts.Common.Cron;

namespace Dts.Bench;

/// <summary>The rarest and most crooked of what is legal, in a zone whose clocks change.</summary>
public class CronWorstBenchmarks
{
    private static readonly DateTimeOffset From = new(2026, 11, 22, 10, 7, 0, TimeSpan.Zero);

    private readonly CronZone _berlin = CronZone.Get("Europe/Berlin");
    private CronExpression _expression = CronExpression.Parse("* * * * *");

    [Params(
        "0 0 29 2 MON", "0 0 0 LW * ? 2098", "0 0 ? 2 THU#5", "* * ? 2 SUN#5", "0 0 0 29 2 ? 2096", "*/7 2 30 3 ?", "0 */10 2 28 3 ? 2083",
        "0 0 L-3W,15W,LW 2 1#5,FRIL")]
    public string Text { get; set; } = "";

    [GlobalSetup]
    public void Prepare() => _expression = CronExpression.Parse(Text);

    [Benchmark]
    public DateTimeOffset? Next() => _expression.GetNextOccurrence(From, _berlin);

    [Benchmark]
    public DateTimeOffset? Previous() => _expression.GetPreviousOccurrence(From, _berlin);

    [Benchmark]
    public long CountWeek() => _expression.CountOccurrences(From.AddDays(-7), From, _berlin);

    [Benchmark]
    public long CountCentury() => _expression.CountOccurrences(DateTimeOffset.UnixEpoch, From.AddYears(70), _berlin);

    [Benchmark]
    public CronExpression Parse() => CronExpression.Parse(Text);
}
