using System.Diagnostics;
using Dts.Tests.Support;
using Xunit;

namespace Dts.Tests.Cluster;

/// <summary>
/// The benchmarks run: <c>make bench SMOKE=1</c>. What they measure is published, not tested. They run alone, because they would take the
/// processors from tests that are about time.
/// </summary>
[CollectionDefinition(nameof(BenchmarkTests), DisableParallelization = true)]
[Collection(nameof(BenchmarkTests))]
public sealed class BenchmarkTests
{
    private static readonly TimeSpan Limit = TimeSpan.FromMinutes(5); // At rest it takes half a minute.

    [Fact]
    public async Task Every_part_of_the_benchmarks_runs()
    {
        var page = await File.ReadAllTextAsync(Tool.InRepository("docs/benchmarks.md"));
        var program = Tool.InRepository(".artifacts/bin/Dts.Bench/debug/Dts.Bench"); // As make test builds it.
        var start = new ProcessStartInfo("/bin/sh", ["-c", "exec \"$0\" 2>&1 </dev/null", program])
        {
            RedirectStandardOutput = true,
            Environment = { ["DTS_BIN"] = NativeProcess.Folder, ["BENCH_SMOKE"] = "1" },
        };
        using var bench = Process.Start(start)!;

        var said = await bench.StandardOutput.ReadToEndAsync().WaitAsync(Limit);
        await bench.WaitForExitAsync().WaitAsync(Patience.Limit);

        Assert.True(bench.ExitCode == 0, said);
        Assert.Contains("## starts, ", said);
        Assert.Equal(page, await File.ReadAllTextAsync(Tool.InRepository("docs/benchmarks.md")));
    }
}
