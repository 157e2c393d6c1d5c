using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;

namespace Dts.Tests.Cluster.Upgrade;

/// <summary>The form of a key and its value, without names, times and numbers: one value of each form is enough.</summary>
internal static partial class Shape
{
    // Members whose words are a closed set.
    private static readonly HashSet<string> Words =
        ["status", "trigger", "kind", "role", "what", "ending", "mode", "overlap", "misfire", "onWorkerLost", "onDisconnect"];

    public static string Of(string key, string value) => $"{KindOf(key)} {OfValue(value)}";

    /// <summary>Of a key: its fixed parts, such as runs/*/*.</summary>
    public static string KindOf(string key)
    {
        var parts = key["/cron/".Length..].Split('/');
        var isNested = parts[0] is "alerts" or "access" or "lock";
        return string.Join('/', parts.Select((part, n) => n == 0 || (n == 1 && isNested) ? part : "*"));
    }

    public static string OfValue(string value)
    {
        try
        {
            return string.Join(' ', PathsOf("", JsonNode.Parse(value)).Distinct().Order());
        }
        catch (JsonException)
        {
            return Varying().Replace(value, "#"); // A text, such as a cursor.
        }
    }

    private static IEnumerable<string> PathsOf(string path, JsonNode? node) => node switch
    {
        JsonObject members => members.SelectMany(member => PathsOf($"{path}.{member.Key}", member.Value)).Append(path),
        JsonArray items => items.SelectMany(item => PathsOf($"{path}[]", item)),
        JsonValue text when Words.Contains(path[(path.LastIndexOf('.') + 1)..]) => [$"{path}={text}"],
        _ => [path],
    };

    [GeneratedRegex("[0-9a-fA-F-]*[0-9][0-9a-zA-Z:.-]*")]
    private static partial Regex Varying();
}
