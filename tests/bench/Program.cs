using BenchmarkDotNet.Columns;
using BenchmarkDotNet.Configs;
using BenchmarkDotNet.Diagnosers;
using BenchmarkDotNet.Jobs;
using BenchmarkDotNet.Running;
using BenchmarkDotNet.Toolchains.InProcess.Emit;
using Dts.Bench;
using Perfolizer.Horology;

if (args is [] or ["cluster"])
{
    await ClusterFigures.RunAsync();
}

if (args is ["growth"])
{
    await GrowthFigures.RunAsync();
}
else if (args is ["etcd", var endpoint])
{
    await EtcdFigures.RunAsync(endpoint);
}
else if (args is ["log-writing", ..])
{
    await LogFigures.WriteAsync([.. args.Skip(1).Select(size => int.Parse(size, System.Globalization.CultureInfo.InvariantCulture))]);
}
else if (args is ["access"])
{
    await AccessFigures.RunAsync();
}
else if (args is ["log-lag"])
{
    await LagFigures.RunAsync();
}
else if (args is ["events", ..])
{
    await EventsFigures.RunAsync(
        args is [_, var listeners] ? int.Parse(listeners, System.Globalization.CultureInfo.InvariantCulture) : 1000);
}
else if (args is ["lists", ..])
{
    await ListsFigures.RunAsync(
        args is [_, var jobs, ..] ? int.Parse(jobs, System.Globalization.CultureInfo.InvariantCulture) : 10_000,
        args is [_, _, var runs] ? long.Parse(runs, System.Globalization.CultureInfo.InvariantCulture) : 1_000_000);
}
else if (args is ["metrics", ..])
{
    await MetricsFigures.RunAsync(args is [_, var jobs] ? int.Parse(jobs, System.Globalization.CultureInfo.InvariantCulture) : 10_000);
}
else if (args is ["log", ..])
{
    await LogFigures.RunAsync(
        args is [_, var rows, ..] ? long.Parse(rows, System.Globalization.CultureInfo.InvariantCulture) : 1_000_000,
        args is [_, _, var only] ? only : null);
}
else if (args is not ["cluster"])
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
    BenchmarkSwitcher.FromAssembly(typeof(CronBenchmarks).Assembly).Run(args is [] ? ["--filter", "*.CronBenchmarks.*"] : args, config);
}
