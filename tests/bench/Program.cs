using System.Globalization;
using Dts.Bench;
using Dts.Tests.Support;

// The published figures. Each part replaces its text on the page; `make bench ARGS="name arguments…"` measures one part alone.
Part[] parts =
[
    new("starts", StartFigures.MeasureAsync),
    new("burst", BurstFigures.MeasureAsync),
    new("sustained", SustainedFigures.MeasureAsync),
    new("takeover", TakeoverFigures.MeasureAsync),
    new("spread", SpreadFigures.MeasureAsync),
    new("cluster", effort => Findings.PrintedBy(() => ClusterFigures.RunAsync(effort))),
    new("growth", _ => Findings.PrintedBy(GrowthFigures.RunAsync)),
    new("etcd", effort => Findings.PrintedBy(() => EtcdFigures.RunAsync(effort.Arguments[0]))) { ByNameOnly = true },
    new("access", _ => Findings.PrintedBy(AccessFigures.RunAsync)) { ByNameOnly = true },
    new("events", effort => Findings.PrintedBy(() => EventsFigures.RunAsync(effort.Argument(0, 1000, 10)))) { ByNameOnly = true },
    new("metrics", effort => Findings.PrintedBy(() => MetricsFigures.RunAsync(effort.Argument(0, 10_000, 10)))) { ByNameOnly = true },
    new("lists", effort => Findings.PrintedBy(
        () => ListsFigures.RunAsync(effort.Argument(0, 10_000, 10), effort.Argument(1, 1_000_000, 100)))) { ByNameOnly = true },
    new("log", effort => Findings.PrintedBy(() => LogFigures.RunAsync(
        long.Parse(effort.Arguments is [var rows, ..] ? rows : "1000000", CultureInfo.InvariantCulture),
        effort.Arguments is [_, var only] ? only : null))) { ByNameOnly = true },
    new("log-writing", effort => Findings.PrintedBy(() => LogFigures.WriteAsync(
        [.. effort.Arguments.Select(size => int.Parse(size, CultureInfo.InvariantCulture))]))) { ByNameOnly = true },
    new("log-lag", _ => Findings.PrintedBy(LagFigures.RunAsync)) { ByNameOnly = true },
];

if (args is [var first, ..] && first.StartsWith('-'))
{
    CronBenchmarks.Run(args);
    return 0;
}

var isSmoke = Environment.GetEnvironmentVariable("BENCH_SMOKE") is { Length: > 0 };
Part[] chosen = [.. parts.Where(part => args is [var name, ..] ? part.Name == name : !part.ByNameOnly)];
if (chosen is [])
{
    Console.Error.WriteLine($"no part is named {args[0]}; the parts are {string.Join(", ", parts.Select(part => part.Name))}");
    return 2;
}

var measurement = new Measurement(Tool.InRepository("docs/benchmarks.md"), new Effort(isSmoke, [.. args.Skip(1)]));
return await measurement.RunAsync(chosen) ? 0 : 1;
