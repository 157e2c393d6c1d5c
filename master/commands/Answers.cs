using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using Dts.Common.Hosting;

namespace Dts.Master.Commands;

/// <summary>Reads members of the API's answers as text; a missing member is empty.</summary>
internal static class Answers
{
    public static readonly JsonSerializerOptions Compact = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };
    public static readonly JsonSerializerOptions Indented = new(Compact) { WriteIndented = true };

    public static string Text(this JsonNode? node, string member) =>
        node is JsonObject && node[member] is { } value ? value.ToString() : "";

    /// <summary>The member on one line.</summary>
    public static string Line(this JsonNode? node, string member) => Display.Line(node.Text(member));

    public static IEnumerable<JsonNode?> List(this JsonNode? node, string member) =>
        node is JsonObject ? node[member] as JsonArray ?? [] : [];

    public static IEnumerable<string> Texts(this JsonNode? node, string member) =>
        node.List(member).Select(item => item?.ToString() ?? "");
}
