using System.Text.Json.Nodes;
using Dts.Common.Jobs;

namespace Dts.Master.Jobs;

/// <summary>A member in which two definitions of a job differ; of an object its own member, such as <c>retry.max</c>.</summary>
/// <param name="From">Null = the former definition does not have it.</param>
/// <param name="To">Null = the next definition does not have it.</param>
internal sealed record MemberChange(string Member, JsonNode? From, JsonNode? To)
{
    /// <summary>In the order of a job's members.</summary>
    public static IReadOnlyList<MemberChange> Between(Job? from, Job? to) => [.. Between("", ObjectOf(from), ObjectOf(to))];

    private static JsonObject ObjectOf(Job? job) => job is null ? [] : JobMembers.ToObject(job);

    private static IEnumerable<MemberChange> Between(string prefix, JsonObject from, JsonObject to)
    {
        foreach (var name in from.Select(member => member.Key).Union(to.Select(member => member.Key)))
        {
            var (before, after) = (from[name], to[name]);
            if (before is JsonObject former && after is JsonObject next && prefix.Length == 0)
            {
                foreach (var inner in Between($"{name}.", former, next))
                {
                    yield return inner;
                }
            }
            else if (!JsonNode.DeepEquals(before, after))
            {
                yield return new MemberChange(prefix + name, before?.DeepClone(), after?.DeepClone());
            }
        }
    }
}
