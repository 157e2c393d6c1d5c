using System.Text.Json;
using System.Text.Json.Serialization;
using Dts.Common.Jobs;

namespace Dts.Master.Versions;

/// <summary>The differences between two definitions of a job, member by member. Pure.</summary>
internal static class JobDiff
{
    /// <summary>Replaces a value that is not shown.</summary>
    public const string HiddenText = "•••";

    private static readonly JsonElement Hidden = JsonDocument.Parse($"\"{HiddenText}\"").RootElement.Clone();

    /// <summary>The members whose values differ; a member of a member is named with a dot, such as retry.max.</summary>
    /// <param name="was">Null = there was no job, and the same for <paramref name="now"/>.</param>
    public static IReadOnlyList<MemberChange> Between(Job? was, Job? now)
    {
        var (before, after) = (MembersOf(was), MembersOf(now));
        return
        [
            .. before.Keys.Union(after.Keys)
                .Select(member => new MemberChange(member, Find(before, member), Find(after, member)))
                .Where(change => change.Was?.GetRawText() != change.Is?.GetRawText()),
        ];
    }

    /// <summary>The changes without the values of variables, which may be secret.</summary>
    public static IReadOnlyList<MemberChange> WithoutEnv(IReadOnlyList<MemberChange> changes) =>
    [
        .. changes.Select(change => change.Member.StartsWith("env.", StringComparison.Ordinal)
            ? change with { Was = change.Was is null ? null : Hidden, Is = change.Is is null ? null : Hidden }
            : change),
    ];

    private static JsonElement? Find(Dictionary<string, JsonElement> members, string member) =>
        members.TryGetValue(member, out var value) ? value : null;

    private static Dictionary<string, JsonElement> MembersOf(Job? job)
    {
        var members = new Dictionary<string, JsonElement>();
        if (job is not null)
        {
            Add(JsonSerializer.SerializeToElement(job, JobsJson.Readable.Job), "");
        }

        return members;

        void Add(JsonElement value, string path)
        {
            if (value.ValueKind != JsonValueKind.Object)
            {
                members[path] = value;
                return;
            }

            foreach (var member in value.EnumerateObject())
            {
                Add(member.Value, path.Length == 0 ? member.Name : $"{path}.{member.Name}");
            }
        }
    }
}

/// <param name="Was">Null = the member did not exist.</param>
/// <param name="Is">Null = the member does not exist.</param>
internal sealed record MemberChange(
    string Member,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] JsonElement? Was = null,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] JsonElement? Is = null);

/// <summary>The effect of a save, in a word, and the members that it changed.</summary>
/// <param name="What">created, changed, paused, resumed, deleted, or saved: the version before is not kept.</param>
/// <param name="Members">Null = not known.</param>
internal sealed record VersionChange(string What, IReadOnlyList<string>? Members)
{
    /// <param name="before">The version before; null = there is none, or it is not kept.</param>
    public static VersionChange Of(JobVersion version, JobVersion? before)
    {
        if (version.IsDeletion)
        {
            return new VersionChange("deleted", []);
        }

        if (before is { IsDeletion: true } || (version.Former == 0 && version.Author != Author.Unknown))
        {
            return new VersionChange("created", []);
        }

        if (before?.Job is null || version.Job is null)
        {
            return new VersionChange("saved", null);
        }

        var members = JobDiff.Between(before.Job, version.Job).Select(change => change.Member).ToList();
        return new VersionChange(members is ["enabled"] ? version.Job.Enabled ? "resumed" : "paused" : "changed", members);
    }
}
