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
    new("claims", ClaimFigures.MeasureAsync),
    new("jobs", JobFigures.MeasureAsync),
    new("jobs-million", JobFigures.MeasureMillionAsync),
    new("saves", SaveFigures.MeasureAsync),
    new("wheel", WheelFigures.MeasureAsync),
    new("log", LogWriteFigures.MeasureAsync),
    new("services", ServiceFigures.MeasureAsync),
    new("growth", GrowthFigures.MeasureAsync),
    new("scale", ScaleFigures.MeasureAsync) { ByNameOnly = true },
    new("log-grown", LogFigures.MeasureAsync) { ByNameOnly = true },
    new("log-lag", LagFigures.MeasureAsync) { ByNameOnly = true },
    new("lists", ListsFigures.MeasureAsync) { ByNameOnly = true },
    new("events", EventsFigures.MeasureAsync) { ByNameOnly = true },
    new("access", AccessFigures.MeasureAsync) { ByNameOnly = true },
    new("metrics", MetricsFigures.MeasureAsync) { ByNameOnly = true },
    new("console", ConsoleFigures.MeasureAsync) { ByNameOnly = true },
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
