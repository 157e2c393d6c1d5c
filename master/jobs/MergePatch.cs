using System.Text.Json.Nodes;

namespace Dts.Master.Jobs;

/// <summary>JSON merge patch (RFC 7396): the patch replaces members of the target, in objects member by member; null removes.</summary>
internal static class MergePatch
{
    public static void Apply(JsonObject target, JsonObject patch)
    {
        foreach (var (name, value) in patch)
        {
            if (value is null)
            {
                target.Remove(name);
            }
            else if (value is JsonObject inner)
            {
                if (target[name] is not JsonObject below)
                {
                    target[name] = below = [];
                }

                Apply(below, inner);
            }
            else
            {
                target[name] = value.DeepClone();
            }
        }
    }
}
