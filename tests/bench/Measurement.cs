using System.Diagnostics;

namespace Dts.Bench;

/// <summary>Measures parts in turn and writes each to the page as soon as it is measured. A smoke test writes nothing.</summary>
internal sealed class Measurement(string file, Effort effort)
{
    private const int SmokeParallel = 4; // They mostly wait; their figures do not count.

    /// <returns>Whether all parts ran.</returns>
    public async Task<bool> RunAsync(IReadOnlyList<Part> parts)
    {
        var places = new Page(await File.ReadAllTextAsync(file)).Names.ToHashSet();
        var homeless = parts.Select(part => part.Name).Where(name => !places.Contains(name)).ToList();
        if (homeless.Count > 0)
        {
            Console.Error.WriteLine(
                $"{file} has no place for {string.Join(", ", homeless)}: add <!-- bench NAME --> and <!-- /bench NAME -->");
            return false;
        }

        var failed = 0;
        var options = new ParallelOptions { MaxDegreeOfParallelism = effort.Of(1, SmokeParallel) };
        await Parallel.ForEachAsync(parts, options, async (part, _) =>
        {
            if (!await TryMeasureAsync(part))
            {
                Interlocked.Increment(ref failed);
            }
        });
        return failed == 0;
    }

    private async Task<bool> TryMeasureAsync(Part part)
    {
        if (!effort.IsSmoke)
        {
            await ClusterMachine.CalmAsync();
        }

        var watch = Stopwatch.StartNew();
        try
        {
            var machine = await ClusterMachine.DescribeAsync();
            var findings = await part.MeasureAsync(effort);
            await Console.Out.WriteLineAsync($"## {part.Name}, {watch.Elapsed.TotalSeconds:F0} s\n\n{findings.Markdown}\n");
            if (!effort.IsSmoke)
            {
                var command = $"`make bench ARGS=\"{string.Join(' ', [part.Name, .. effort.Arguments])}\"`";
                var page = new Page(await File.ReadAllTextAsync(file)).With(part.Name, $"{findings.Markdown}\n\n{command}: {machine}");
                await File.WriteAllTextAsync(file, page.Text);
            }

            return true;
        }
        catch (Exception failure) // The other parts can still run.
        {
            await Console.Error.WriteLineAsync($"{part.Name} failed after {watch.Elapsed.TotalSeconds:F0} s: {failure}");
            return false;
        }
    }
}
