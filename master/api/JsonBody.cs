using System.Text.Json;
using System.Text.Json.Nodes;
using Dts.Common.Hosting;
using Dts.Master.Jobs;

namespace Dts.Master.Api;

/// <summary>Reads the JSON object in a request's body.</summary>
internal static class JsonBody
{
    private const string Json = "application/json";

    private static readonly JsonDocumentOptions Strict = new() { AllowDuplicateProperties = false };

    /// <summary>The members whose values are not repeated in an error, because the audit trail keeps the text of a refusal.</summary>
    private static readonly string[] Secret = ["password", "new", "token"];

    /// <summary>Reads a body that has some members, and no others.</summary>
    /// <exception cref="Refusal">The text is not such an object.</exception>
    public static async Task<JsonObject> ReadAsync(HttpContext http, int bytesMax, params string[] members) =>
        WithOnly(
            Parse(await RequestBody.ReadTypedAsync(http, bytesMax, Json), $"an object with {string.Join(", ", members)}"), members);

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
            var place = $"line {wrong.LineNumber + 1}, byte {wrong.BytePositionInLine + 1}";
            throw new Refusal(Problem.Of(
                400,
                wrong.Message.Contains("uplicate", StringComparison.Ordinal)
                    ? $"body has a member twice ({Display.Line(wrong.Message)}); expected each once"
                    : $"body is not JSON ({place}); expected {expected}"));
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
                : throw Refusal.Invalid($"{field} is {Display.Line(value?.ToJsonString() ?? "null")}; expected a text");
        }
        catch (InvalidOperationException)
        {
            throw NotUnicode(field);
        }
    }

    public static Refusal NotUnicode(string field) =>
        Refusal.Invalid($"{field} has text that is not Unicode; expected UTF-8 without lone surrogates");
}
