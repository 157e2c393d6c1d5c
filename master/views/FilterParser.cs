using System.Globalization;
using System.Text;
using Dts.Common.Hosting;
using Dts.Common.Jobs;
using Dts.Master.Jobs;

namespace Dts.Master.Views;

/// <summary>
/// Reads the language of filters: <c>state:failing label:team=pay -worker:w1 next:&lt;1h "two words"</c>. Blanks separate words, and all
/// words must match. A word with a key asks for one property, any other word is a text. <c>|</c> separates alternative values, <c>-</c>
/// before a word negates it, and quotes keep blanks, colons and bars.
/// </summary>
internal static class FilterParser
{
    private const int LengthMax = 2000;
    private const int TermsMax = 30;

    private static readonly string[] Keys = ["state", "label", "worker", "next", "ending", "user", "trigger", "job", "from", "to"];

    private static readonly Dictionary<string, string> OtherWords = new(StringComparer.OrdinalIgnoreCase)
    {
        ["name"] = "job", ["status"] = "ending", ["result"] = "ending", ["tag"] = "label", ["host"] = "worker", ["since"] = "from",
        ["until"] = "to", ["before"] = "to", ["after"] = "from", ["is"] = "state",
    };

    private static readonly string[] Triggers =
        [RunSpec.Schedule, RunSpec.Manual, RunSpec.Retry, RunSpec.Rerun, RunSpec.Dependent, RunSpec.Misfire];

    public static IReadOnlyList<FilterTerm> Parse(string text, DateTimeOffset now)
    {
        if (text.Length > LengthMax || text.Contains('\0'))
        {
            throw new FormatException(
                text.Length > LengthMax
                    ? $"filter has {text.Length} characters; expected at most {LengthMax}"
                    : "filter has a NUL character; expected text without");
        }

        List<FilterTerm> terms = [.. Split(text).Select(word => Read(word, now))];
        return terms.Count <= TermsMax ? terms : throw new FormatException($"filter has {terms.Count} words; expected at most {TermsMax}");
    }

    public static string Quote(string word) => $"\"{Display.Line(word)}\"";

    private static IEnumerable<Written> Split(string text)
    {
        var (word, plain, isThere) = (new StringBuilder(), new StringBuilder(), false);
        var (start, isQuoted) = (0, false);
        for (var i = 0; i < text.Length; i++)
        {
            if (text[i] == '"')
            {
                isQuoted = !isQuoted;
                start = isQuoted ? i : start;
                isThere = true;
            }
            else if (isQuoted && text[i] == '\\' && i + 1 < text.Length && text[i + 1] is '"' or '\\')
            {
                Add(text[++i]);
            }
            else if (isQuoted || !char.IsWhiteSpace(text[i]))
            {
                Add(text[i]);
            }
            else if (isThere)
            {
                yield return Take();
            }
        }

        if (isQuoted)
        {
            throw new FormatException(
                $"filter has {Quote(text[(start + 1)..])} behind a quote that is not closed; expected a second quote");
        }

        if (isThere)
        {
            yield return Take();
        }

        void Add(char letter)
        {
            word.Append(letter);
            plain.Append(isQuoted ? '\0' : letter);
            isThere = true;
        }

        Written Take()
        {
            var taken = new Written($"{word}", $"{plain}");
            word.Clear();
            plain.Clear();
            isThere = false;
            return taken;
        }
    }

    private static FilterTerm Read(Written word, DateTimeOffset now)
    {
        var isNegated = word.Plain.StartsWith('-');
        var rest = isNegated ? word.From(1) : word;
        if (rest.Text.Length == 0)
        {
            throw Wrong(word, "a text, or a key with its value");
        }

        if (rest.Plain.IndexOf(':') is not (> 0 and var colon))
        {
            return new FilterTerm.Text(word.Text, isNegated, rest.Text);
        }

        var (key, value) = (rest.Text[..colon].ToLowerInvariant(), rest.From(colon + 1));
        return !Keys.Contains(key) ? throw UnknownKey(word, key)
            : value.Text.Length == 0 ? throw Wrong(word, $"a value behind \"{key}:\"")
            : Read(word, isNegated, key, value, now);
    }

    private static FilterTerm Read(Written word, bool isNegated, string key, Written value, DateTimeOffset now) => key switch
    {
        "state" => new FilterTerm.State(word.Text, isNegated, Choose(word, value, Enum.GetValues<JobState>(), WordOf)),
        "ending" => new FilterTerm.Ending(word.Text, isNegated, Choose(word, value, Enum.GetValues<RunStatus>(), status => status.Word())),
        "trigger" => new FilterTerm.Trigger(word.Text, isNegated, Choose(word, value, Triggers, trigger => trigger)),
        "worker" => new FilterTerm.Worker(word.Text, isNegated, value.Values()),
        "job" => new FilterTerm.Job(word.Text, isNegated, value.Values()),
        "user" => new FilterTerm.User(word.Text, isNegated, value.Text),
        "label" => value.Text.Split('=', 2) is [var name, var wanted]
            ? new FilterTerm.Label(word.Text, isNegated, name, wanted)
            : new FilterTerm.Label(word.Text, isNegated, value.Text, null),
        "from" => new FilterTerm.Since(word.Text, isNegated, MomentOf(word, value.Text, now, ago: true)),
        "to" => new FilterTerm.Until(word.Text, isNegated, MomentOf(word, value.Text, now, ago: true)),
        "next" => ReadNext(word, isNegated, value.Text, now),
        _ => throw new System.Diagnostics.UnreachableException(),
    };

    private static FilterTerm ReadNext(Written word, bool isNegated, string value, DateTimeOffset now) => value[0] switch
    {
        '<' => new FilterTerm.Next(word.Text, isNegated, now, MomentOf(word, value[1..], now, ago: false)),
        '>' => new FilterTerm.Next(word.Text, isNegated, MomentOf(word, value[1..], now, ago: false), DateTimeOffset.MaxValue),
        _ when value.Equals("none", StringComparison.OrdinalIgnoreCase) => new FilterTerm.NoNext(word.Text, isNegated),
        _ => throw Wrong(word, "next:<1h, next:>2d, next:<2026-11-22T10:00:00Z or next:none"),
    };

    /// <summary>A time, or a duration before or after now.</summary>
    private static DateTimeOffset MomentOf(Written word, string text, DateTimeOffset now, bool ago)
    {
        if (QueryTime.Parse(text) is { } moment)
        {
            return moment;
        }

        var unit = text.Length > 1 ? "smhd".IndexOf(text[^1], StringComparison.Ordinal) : -1;
        return unit >= 0 && int.TryParse(text[..^1], NumberStyles.None, CultureInfo.InvariantCulture, out var count) && count <= 100_000
            ? now + ((ago ? -1 : 1) * count * TimeSpan.FromSeconds(unit switch { 0 => 1, 1 => 60, 2 => 3600, _ => 86_400 }))
            : throw Wrong(word, $"{QueryTime.Expected}, or a duration such as 90s, 15m, 2h or 7d");
    }

    private static List<T> Choose<T>(Written word, Written value, IEnumerable<T> all, Func<T, string> wordOf)
    {
        List<T> chosen = [];
        foreach (var one in value.Values())
        {
            var found = all.Where(candidate => wordOf(candidate).Equals(one, StringComparison.OrdinalIgnoreCase)).ToList();
            chosen.Add(found.Count > 0 ? found[0] : throw Wrong(word, $"one of {string.Join(", ", all.Select(wordOf))}"));
        }

        return chosen;
    }

    private static string WordOf(JobState state) => System.Text.Json.JsonNamingPolicy.CamelCase.ConvertName(state.ToString());

    private static FormatException UnknownKey(Written word, string key)
    {
        var near = OtherWords.TryGetValue(key, out var other)
            ? other
            : Keys.Select(known => (Key: known, Distance: ZoneNames.Distance(key, known)))
                .Where(known => known.Distance <= Math.Max(1, known.Key.Length / 2))
                .OrderBy(known => known.Distance)
                .FirstOrDefault()
                .Key;
        var meant = near is null ? $"expected one of {string.Join(", ", Keys)}." : $"did you mean {near}?";
        return new FormatException(
            $"filter has {Quote(word.Text)}; {Quote(key)} is not a key, {meant} To search for the text, write it in quotes");
    }

    private static FormatException Wrong(Written word, string expected) =>
        new($"filter has {Quote(word.Text)}; expected {expected}");

    /// <summary>A word without its quotes.</summary>
    /// <param name="Plain">The same letters, but NUL for those between quotes: they have no special meaning.</param>
    private readonly record struct Written(string Text, string Plain)
    {
        public Written From(int index) => new(Text[index..], Plain[index..]);

        /// <summary>The values between bars.</summary>
        public List<string> Values()
        {
            List<string> values = [];
            var start = 0;
            foreach (var value in Plain.Split('|'))
            {
                values.Add(Text.Substring(start, value.Length));
                start += value.Length + 1;
            }

            return values.Contains("") ? throw Wrong(this, "a value on each side of '|'") : values;
        }
    }
}
