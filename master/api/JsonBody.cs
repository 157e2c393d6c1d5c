using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization.Metadata;
using Dts.Common.Hosting;
using Dts.Master.Jobs;

namespace Dts.Master.Api;

/// <summary>Reads the JSON object in a request's body.</summary>
internal static class JsonBody
{
    private const string Json = "application/json";

    private const int DepthMax = 64;

    private static readonly JsonDocumentOptions Strict = new() { AllowDuplicateProperties = false, MaxDepth = DepthMax };

    /// <summary>The members whose values are not repeated in an error, because the audit trail keeps the text of a refusal.</summary>
    private static readonly string[] Secret = ["password", "new", "token"];

    /// <summary>Reads a body that has some members, and no others.</summary>
    /// <exception cref="Refusal">The text is not such an object.</exception>
    public static async Task<JsonObject> ReadAsync(HttpContext http, int bytesMax, params string[] members) =>
        WithOnly(
            Parse(await RequestBody.ReadTypedAsync(http, bytesMax, Json), $"an object with {string.Join(", ", members)}"), members);

    /// <summary>Reads a body as an object of a type.</summary>
    /// <param name="needed">The member that must be there.</param>
    /// <param name="members">All members, each with what is expected of its value.</param>
    /// <exception cref="Refusal">The text is not such an object.</exception>
    public static async Task<T> ReadAsync<T>(
        HttpContext http, int bytesMax, JsonTypeInfo<T> type, string needed, IReadOnlyDictionary<string, string> members)
    {
        var given = await ReadAsync(http, bytesMax, [.. members.Keys]);
        if (given[needed] is null)
        {
            throw Refusal.Invalid($"{needed} is {(given.ContainsKey(needed) ? "null" : "missing")}; expected {members[needed]}");
        }

        try
        {
            return given.Deserialize(type)!;
        }
        catch (InvalidOperationException)
        {
            throw NotUnicode("body");
        }
        catch (JsonException wrong)
        {
            var path = (wrong.Path ?? "").Split('.', '[');
            throw members.Keys.FirstOrDefault(path.Contains) is { } member
                ? Refusal.Invalid($"{member} is {Show(given[member])}; expected {members[member]}")
                : Refusal.Invalid($"body is {Show(given)}; expected an object with {string.Join(", ", members.Keys)}");
        }
    }

    /// <exception cref="Refusal">The text is not a JSON object.</exception>
    public static JsonObject Parse(ReadOnlyMemory<byte> utf8, string expected)
    {
        try
        {
            var given = JsonNode.Parse(utf8.Span, documentOptions: Strict) as JsonObject
                ?? throw Refusal.Invalid($"body is not a JSON object; expected {expected}");
            JobMembers.ReadNames(given);
            return given;
        }
        catch (InvalidOperationException)
        {
            throw NotUnicode("body");
        }
        catch (JsonException wrong)
        {
            throw new Refusal(Problem.Of(400, Explain(wrong, expected)));
        }
    }

    /// <summary>A value as it is shown in a refusal.</summary>
    public static string Show(JsonNode? value)
    {
        try
        {
            return Display.Line(value?.ToJsonString(ApiJson.Readable.Options) ?? "null");
        }
        catch (InvalidOperationException)
        {
            return "text that is not Unicode";
        }
    }

    /// <exception cref="Refusal">The object has another member.</exception>
    public static JsonObject WithOnly(JsonObject given, params string[] members) =>
        given.FirstOrDefault(member => !members.Contains(member.Key)) is { Key: { } other }
            ? throw Refusal.Invalid($"member \"{Display.Line(other)}\" is not known; expected {string.Join(", ", members)}")
            : given;

    /// <exception cref="Refusal">The value is not a text.</exception>
    public static string Text(string field, JsonNode? value)
    {
        try
        {
            return value is JsonValue text && text.TryGetValue<string>(out var read) ? read
                : Secret.Contains(field) ? throw Refusal.Invalid($"{field} is not a text; expected one")
                : throw Refusal.Invalid($"{field} is {Show(value)}; expected a text");
        }
        catch (InvalidOperationException)
        {
            throw NotUnicode(field);
        }
    }

    /// <remarks>Only the message says which fault it is.</remarks>
    private static string Explain(JsonException wrong, string expected) => wrong.Message switch
    {
        var text when text.Contains("uplicate", StringComparison.Ordinal) && text.Split('\'') is [_, .. var name, _] =>
            $"member \"{Display.Line(string.Join('\'', name))}\" comes twice; expected it once",
        var text when text.Contains("configured depth", StringComparison.Ordinal) =>
            $"body has values within values more than {DepthMax} levels deep; expected at most {DepthMax}",
        _ => $"body is not JSON (line {wrong.LineNumber + 1}, byte {wrong.BytePositionInLine + 1}); expected {expected}",
    };

    public static Refusal NotUnicode(string field) =>
        Refusal.Invalid($"{field} has text that is not Unicode; expected UTF-8 without lone surrogates");
}
