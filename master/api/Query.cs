using System.Globalization;
using Dts.Common.Jobs;
using Dts.Master.Jobs;

namespace Dts.Master.Api;

/// <summary>Reads parts of the query and the path; refuses with status 400 what cannot be read.</summary>
internal static class Query
{
    /// <summary>Null = the parameter is absent or empty.</summary>
    public static string? Text(string field, string? text) => text switch
    {
        null or "" => null,
        _ when text.Contains('\0') => throw Refusal.BadQuery(field, text, "text without a NUL character"),
        _ => text,
    };

    public static bool Flag(string field, string? text) => Text(field, text) switch
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

    public static DateTimeOffset? Moment(string field, string? text) =>
        Text(field, text) is { } word
            ? QueryTime.Parse(word) ?? throw Refusal.BadQuery(field, word, QueryTime.Expected)
            : null;

    /// <summary>The name of a job in the path.</summary>
    public static JobName Name(string text) =>
        JobName.TryParse(text, out var name, out var error) ? name : throw new Refusal(Problem.Of(400, error));

    /// <summary>A run id in the path or the query.</summary>
    public static string RunId(string text) =>
        text.Contains('/') || text.Contains('\0') ? throw Refusal.BadQuery("runId", text, "a run's id") : text;
}
