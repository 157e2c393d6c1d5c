using System.Text.Json;
using System.Text.Json.Nodes;

namespace Dts.Tests.Unit.Upgrade;

/// <summary>Compares what a version wrote with what a later one reads from it.</summary>
internal static class Json
{
    /// <summary>The member that no version knows.</summary>
    public const string Later = "ofALaterVersion";

    // Objects whose members are names that the operator gives, or a closed set of words.
    private static readonly HashSet<string> Maps = ["env", "labels", "ended", "open"];

    /// <summary>The first member of the former text that the present one lacks, or has with another value; null = none.</summary>
    public static string? FindLost(string former, string present) => IsJson(former)
        ? FindLost("", JsonNode.Parse(former), JsonNode.Parse(present))
        : former == present ? null : $"{former} became {present}";

    /// <summary>The text as a later version may write it: each object has one member more.</summary>
    public static string WithLaterMembers(string text)
    {
        if (!IsJson(text))
        {
            return text;
        }

        var node = JsonNode.Parse(text)!;
        AddLater(node, isMap: false);
        return node.ToJsonString();
    }

    private static bool IsJson(string text)
    {
        try
        {
            return JsonNode.Parse(text) is JsonObject or JsonArray;
        }
        catch (JsonException)
        {
            return false;
        }
    }

    private static string? FindLost(string path, JsonNode? former, JsonNode? present) => (former, present) switch
    {
        (JsonObject before, JsonObject after) => before.Select(member => after.ContainsKey(member.Key) || member.Value is null
            ? FindLost($"{path}.{member.Key}", member.Value, after[member.Key])
            : $"{path}.{member.Key} is gone").FirstOrDefault(lost => lost is not null),
        (JsonArray before, JsonArray after) when before.Count == after.Count =>
            before.Select((item, n) => FindLost($"{path}[{n}]", item, after[n])).FirstOrDefault(lost => lost is not null),
        _ => JsonNode.DeepEquals(former, present) ? null : $"{path}: {former?.ToJsonString()} became {present?.ToJsonString()}",
    };

    private static void AddLater(JsonNode? node, bool isMap)
    {
        if (node is JsonArray items)
        {
            foreach (var item in items)
            {
                AddLater(item, isMap: false);
            }
        }
        else if (node is JsonObject members)
        {
            foreach (var (name, value) in members)
            {
                AddLater(value, Maps.Contains(name));
            }

            if (!isMap)
            {
                members[Later] = new JsonObject { ["a"] = new JsonArray(1, "b") };
            }
        }
    }
}
