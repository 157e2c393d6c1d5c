using System.Globalization;
using System.Net;
using System.Text;
using System.Text.RegularExpressions;
using System.Text.Unicode;
using Dts.Common.Hosting;
using Dts.Common.Jobs;
using Dts.Master.Jobs;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Http.Metadata;
using Microsoft.AspNetCore.Routing.Patterns;

namespace Dts.Master.Api;

/// <summary>Reads parts of the query and the path. A part that cannot be read is refused with status 400.</summary>
internal static partial class Query
{
    private const string Escaped = "text in UTF-8, percent-encoded";

    /// <summary>Refuses a parameter that the path does not have: a misspelt dryRun would perform the act itself.</summary>
    public static void ThrowIfUnknown(HttpContext http)
    {
        if (http.Request.Query.Count == 0
            || http.GetEndpoint() is not RouteEndpoint endpoint
            || !http.Request.Path.StartsWithSegments("/api/v1"))
        {
            return;
        }

        Type[] types = [typeof(string), typeof(string[])];
        List<string> known =
        [
            .. endpoint.Metadata.GetOrderedMetadata<IParameterBindingMetadata>()
                .Where(parameter => types.Contains(parameter.ParameterInfo.ParameterType))
                .Select(parameter => parameter.Name)
                .Where(name => endpoint.RoutePattern.GetParameter(name) is null),
        ];
        foreach (var (key, _) in http.Request.Query)
        {
            if (!known.Contains(key, StringComparer.OrdinalIgnoreCase))
            {
                var nearest = JobMembers.Nearest(key, known);
                var expected = known.Count > 0 ? string.Join(", ", known) : "none";
                throw new Refusal(Problem.Of(
                    400,
                    $"parameter \"{Display.Line(key)}\" is not known here"
                        + (nearest is null ? $"; expected {expected}" : $", did you mean \"{nearest}\"?; expected {expected}"),
                    Display.Line(key),
                    nearest ?? expected,
                    "unknown-parameter"));
            }
        }
    }

    /// <summary>
    /// Refuses a part of the path that the server could not decode: an escaped '/', a broken escape, or bytes that are not UTF-8. The
    /// server leaves them as they are, so the part would name something else than the client means. In the query it replaces such bytes.
    /// </summary>
    public static void ThrowIfUndecoded(HttpContext http)
    {
        foreach (var pair in $"{http.Request.QueryString}".TrimStart('?').Split('&').Where(pair => !IsUtf8(pair)))
        {
            var key = pair.Split('=')[0];
            throw Refusal.BadQuery(Display.Line(key), pair[key.Length..].TrimStart('='), Escaped);
        }

        if (http.GetEndpoint() is not RouteEndpoint { RoutePattern.PathSegments: var segments }
            || !http.Request.RouteValues.Values.Any(value => value is string text && text.Contains('%')))
        {
            return;
        }

        var sent = $"{http.Features.Get<IHttpRequestFeature>()?.RawTarget}".Split('?')[0].TrimStart('/').Split('/');
        foreach (var (wrong, i) in sent.Select((part, i) => (part, i)).Where(sent => Broken().IsMatch(sent.part) || !IsUtf8(sent.part)))
        {
            var field = i < segments.Count && segments[i].Parts is [RoutePatternParameterPart parameter] ? parameter.Name : "path";
            throw Refusal.BadQuery(field, wrong, $"{Escaped}, without '/'");
        }
    }

    /// <summary>Null = the parameter is absent or empty.</summary>
    public static string? Text(string field, string? text) => text switch
    {
        null or "" => null,
        _ when text.Contains('\0') => throw Refusal.BadQuery(field, text, "text without a NUL character"),
        _ => text,
    };

    /// <summary>Null = false. An empty text is refused: whoever sends "dryRun=" expects a dry run.</summary>
    public static bool Flag(string field, string? text) => text switch
    {
        null or "false" => false,
        "true" => true,
        var other => throw Refusal.BadQuery(field, other, "true or false"),
    };

    public static int Number(string field, string? text, int fallback, int min, int max) => Text(field, text) switch
    {
        null => fallback,
        var word when int.TryParse(word, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var number)
            && number >= min && number <= max => number,
        var word => throw Refusal.BadQuery(field, word, $"a whole number from {min} to {max}"),
    };

    public static T OneOf<T>(string field, string word, IReadOnlyDictionary<string, T> all) => all.TryGetValue(word, out var value)
        ? value
        : throw Refusal.BadQuery(field, word, $"one of {string.Join(", ", all.Keys)}");

    /// <summary>Endings by their words, separated by commas.</summary>
    public static IReadOnlyList<RunStatus> Endings(string field, string? text)
    {
        var all = Enum.GetValues<RunStatus>().ToDictionary(status => status.Word());
        return [.. (Text(field, text)?.Split(',') ?? []).Select(word => OneOf(field, word, all))];
    }

    /// <summary>A time of the years that schedules cover, 1970 to 2099.</summary>
    public static DateTimeOffset? Moment(string field, string? text)
    {
        if (Text(field, text) is not { } word)
        {
            return null;
        }

        var moment = QueryTime.Parse(word) ?? throw Refusal.BadQuery(field, word, QueryTime.Expected);
        return Ledger.OutOfRange(field, moment) is { } fault ? throw new FormatException(fault) : moment;
    }

    /// <summary>The place where the page before ended; null = the first page is asked for.</summary>
    /// <param name="parse">Returns null if the text is no such place.</param>
    public static T? Place<T>(string? after, Func<string, T?> parse, string expected = "the \"next\" of the page before")
        where T : struct =>
        Text("after", after) is { } text ? parse(text) ?? throw Refusal.BadQuery("after", text, expected) : null;

    /// <summary>A label, such as <c>team=pay</c>.</summary>
    /// <param name="prefix">What the text begins with before the label.</param>
    public static KeyValuePair<string, string> Label(string field, string text, string prefix = "") =>
        text.StartsWith(prefix, StringComparison.Ordinal) && text[prefix.Length..].Split('=', 2) is [{ Length: > 0 } key, var value]
            ? KeyValuePair.Create(key, value)
            : throw Refusal.BadQuery(field, text, $"{prefix}key=value");

    /// <summary>The name of a job in the path.</summary>
    public static JobName Name(string text) =>
        JobName.TryParse(text, out var name, out var error) ? name : throw new Refusal(Problem.Of(400, error));

    /// <summary>A run id in the path, the query or a body.</summary>
    public static string RunId(string text) =>
        text.Length == 0 || text.Contains('/') || text.Contains('\0') ? throw Refusal.BadQuery("runId", text, "a run's id") : text;

    private static bool IsUtf8(string escaped) => !escaped.Contains('%')
        || Utf8.IsValid(WebUtility.UrlDecodeToBytes(Encoding.UTF8.GetBytes(escaped), 0, Encoding.UTF8.GetByteCount(escaped)));

    // An escaped '/', or a '%' that begins no escape.
    [GeneratedRegex("%2[Ff]|%(?![0-9A-Fa-f]{2})")]
    private static partial Regex Broken();
}
