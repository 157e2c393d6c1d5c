using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization.Metadata;
using Dts.Common.Hosting;
using Dts.Common.Jobs;

namespace Dts.Master.Jobs;

/// <summary>The members that a job's JSON may have.</summary>
internal static class JobMembers
{
    private const int PrefixMin = 4;

    private static readonly string[] Original = ["name", "command", "cronExpr"];

    private static readonly IReadOnlyDictionary<string, string[]> Known = new Dictionary<string, string[]>
    {
        [""] = NamesOf(JobsJson.Readable.Job),
        ["target"] = NamesOf(JobsJson.Readable.Target),
        ["retry"] = NamesOf(JobsJson.Readable.Retry),
        ["alert"] = NamesOf(JobsJson.Readable.JobAlert),
    };

    /// <summary>The members that this version does not know, also below target, retry and alert.</summary>
    /// <param name="former">Unknown members that it has are left out: they survive a save.</param>
    public static IReadOnlyList<UnknownMember> FindUnknown(JsonObject job, Job? former) =>
    [
        .. from part in Known
           let members = part.Key.Length == 0 ? job : job[part.Key] as JsonObject
           where members is not null
           from member in members
           where !part.Value.Contains(member.Key) && !(part.Key.Length == 0 && former?.Unknown?.ContainsKey(member.Key) == true)
           select new UnknownMember(part.Key, member.Key, Nearest(member.Key, part.Value)),
    ];

    /// <summary>
    /// True if a job's JSON has exactly the three members of the original system: its clients know no others, and mean to keep them.
    /// </summary>
    public static bool AreThree(string json)
    {
        using var document = JsonDocument.Parse(json);
        return document.RootElement.EnumerateObject().Select(member => member.Name).ToHashSet().SetEquals(Original);
    }

    /// <summary>The members in which two versions of a job differ, in the order of a job's JSON.</summary>
    public static IReadOnlyList<string> Changed(Job former, Job next)
    {
        var (before, after) = (ToObject(former), ToObject(next));
        return
        [
            .. before.Select(member => member.Key)
                .Union(after.Select(member => member.Key))
                .Where(member => !JsonNode.DeepEquals(before[member], after[member])),
        ];
    }

    /// <summary>Reads the names of all members, so that a wrong one fails here, and not at a later use.</summary>
    /// <exception cref="InvalidOperationException">A name is not Unicode.</exception>
    public static void ReadNames(JsonNode? node)
    {
        foreach (var value in node is JsonObject members ? members.Select(member => member.Value) : node as JsonArray ?? [])
        {
            ReadNames(value);
        }
    }

    public static JsonObject ToObject(Job job) => JsonNode.Parse(JobJson.ToJson(job))!.AsObject();

    internal static string? Nearest(string wrong, IEnumerable<string> known)
    {
        var wanted = wrong.ToUpperInvariant();
        var slips = Math.Min(3, wanted.Length / 3);
        return known
            .Select(name => (Name: name, Upper: name.ToUpperInvariant()))
            .Select(member => (
                member.Name,
                Distance: ZoneNames.Distance(wanted, member.Upper),
                Common: wanted.Zip(member.Upper).TakeWhile(letters => letters.First == letters.Second).Count(),
                Shorter: Math.Min(wanted.Length, member.Upper.Length)))
            .Where(member => member.Distance <= slips
                || (member.Common >= PrefixMin && member.Common * 2 >= member.Shorter))
            .OrderBy(member => Math.Min(member.Distance, slips + 1)).ThenByDescending(member => member.Common)
            .Select(member => member.Name)
            .FirstOrDefault();
    }

    private static string[] NamesOf(JsonTypeInfo type) =>
        [.. type.Properties.Where(member => member is { IsExtensionData: false, Get: not null }).Select(member => member.Name)];
}

/// <param name="Part">The member that it belongs to; empty = the job itself.</param>
/// <param name="Nearest">The known member that was probably meant; null = none is similar.</param>
internal sealed record UnknownMember(string Part, string Name, string? Nearest)
{
    public string Path => Part.Length == 0 ? Name : $"{Part}.{Name}";

    public override string ToString() =>
        $"member \"{Display.Line(Path)}\" is not known" + (Nearest is null ? "" : $", did you mean \"{Nearest}\"?");
}
