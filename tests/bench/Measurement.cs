using System.Diagnostics;

namespace Dts.Bench;

/// <summary>Measures parts in turn and writes each to the page as soon as it is measured. A smoke test writes nothing.</summary>
internal sealed class Measurement(string file, Effort effort)
{
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
        foreach (var part in parts)
        {
            failed += await TryMeasureAsync(part) ? 0 : 1;
        }

        return failed == 0;
    }

    private async Task<bool> TryMeasureAsync(Part part)
    {
        var watch = Stopwatch.StartNew();
        try
        {
            if (!effort.IsSmoke)
            {
                await ClusterMachine.CalmAsync();
            }

            var machine = await ClusterMachine.DescribeAsync();
            var findings = await part.MeasureAsync(effort);
            Console.WriteLine($"## {part.Name}, {watch.Elapsed.TotalSeconds:F0} s\n\n{findings.Markdown}\n");
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
            Console.Error.WriteLine($"{part.Name} failed after {watch.Elapsed.TotalSeconds:F0} s: {failure}");
            return false;
        }
    }
}
