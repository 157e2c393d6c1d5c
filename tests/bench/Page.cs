using System.Text.RegularExpressions;

namespace Dts.Bench;

/// <summary>
/// docs/benchmarks.md: people write it, but for what lies between <c>&lt;!-- bench name --&gt;</c> and <c>&lt;!-- /bench name --&gt;</c>.
/// A part that was not measured keeps its text.
/// </summary>
internal sealed partial record Page(string Text)
{
    /// <summary>The part that counts the targets of all others.</summary>
    public const string Targets = "targets";

    /// <summary>The names of the parts that have a place here, in order.</summary>
    public IEnumerable<string> Names => Parts().Matches(Text).Select(match => match.Groups["name"].Value);

    /// <summary>The page with the new text of a part, and the targets counted.</summary>
    public Page With(string part, string markdown) => Replace(part, markdown).CountTargets();

    private Page Replace(string part, string markdown)
    {
        var place = Parts().Matches(Text).FirstOrDefault(match => match.Groups["name"].Value == part)?.Groups["text"]
            ?? throw new InvalidOperationException(
                $"the page has no place for {part}: add <!-- bench {part} --> and <!-- /bench {part} -->");
        return new Page($"{Text[..place.Index]}\n{markdown.Trim()}\n{Text[(place.Index + place.Length)..]}");
    }

    private Page CountTargets()
    {
        if (!Names.Contains(Targets))
        {
            return this;
        }

        var rows = Parts().Matches(Text)
            .Where(match => match.Groups["name"].Value != Targets)
            .SelectMany(match => match.Groups["text"].Value.Split('\n')
                .Select(row => (Part: match.Groups["name"].Value, Cells: row.Split(" | "))))
            .Where(row => row.Cells is [.., "yes |" or "**no** |"])
            .ToList();
        var missed = rows.Where(row => row.Cells[^1] == "**no** |").ToList();
        return Replace(Targets, string.Join('\n', [
            $"{rows.Count - missed.Count} of {rows.Count} targets are met.{(missed.Count > 0 ? " These are not:" : "")}",
            .. missed.Count > 0 ? [""] : Array.Empty<string>(),
            .. missed.Select(row => $"- `{row.Part}`: {row.Cells[0].TrimStart('|', ' ')}: {Reached(row.Cells)}, target {row.Cells[^2]}"),
        ]));
    }

    /// <summary>The ratio, or our figure if there is no reference.</summary>
    private static string Reached(string[] cells) => cells[^3].Trim() is { Length: > 0 } ratio ? $"{ratio} ×" : cells[1];

    [GeneratedRegex(@"<!-- bench (?<name>\S+) -->(?<text>.*?)<!-- /bench \k<name> -->", RegexOptions.Singleline)]
    private static partial Regex Parts();
}
