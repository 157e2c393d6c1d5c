using System.Globalization;

namespace Dts.Bench;

/// <summary>One part of the benchmarks. <c>make bench ARGS=name</c> measures it alone and replaces its part of the page.</summary>
internal sealed record Part(string Name, Func<Effort, Task<Findings>> MeasureAsync)
{
    /// <summary>It takes too long, or needs arguments: <c>make bench</c> alone leaves it out.</summary>
    public bool ByNameOnly { get; init; }
}

/// <summary>How much a part should measure: the published sizes, or in a smoke test just enough to see that it runs.</summary>
/// <param name="Arguments">Those behind the part's name, such as sizes.</param>
internal sealed record Effort(bool IsSmoke, params IReadOnlyList<string> Arguments)
{
    public int Rounds => Of(5, 1);

    public T Of<T>(T full, T smoke) => IsSmoke ? smoke : full;

    /// <summary>An argument, or what is usual without it.</summary>
    public int Argument(int index, int full, int smoke) =>
        index < Arguments.Count ? int.Parse(Arguments[index], CultureInfo.InvariantCulture) : Of(full, smoke);
}

/// <summary>The result of a part: the rows of its table, and Markdown below them.</summary>
internal sealed record Findings(IReadOnlyList<Figure> Figures, string Notes = "")
{
    public string Markdown
    {
        get
        {
            string[] table = Figures.Count > 0 ? [string.Join('\n', [Figure.Heading, .. Figures.Select(figure => figure.Row)])] : [];
            return string.Join("\n\n", [.. table, .. Notes.Trim() is { Length: > 0 } notes ? [notes] : Array.Empty<string>()]);
        }
    }
}
