using System.Text.Json.Serialization;
using Dts.Common.Hosting;
using Dts.Common.Jobs;
using Dts.Master.Versions;

namespace Dts.Master.Jobs;

/// <summary>The change of one job when a set is applied.</summary>
/// <param name="Revision">The revision of the job before the change; 0 = there is no job.</param>
internal sealed record JobDelta(JobName Name, Job? Before, Job? After, long Revision, IReadOnlyList<MemberChange> Members)
{
    /// <summary>What the save itself changes in the text, such as line ends.</summary>
    public IReadOnlyList<string> Warnings { get; init; } = [];

    public IReadOnlyList<UnknownMember> Unknown { get; init; } = [];

    public JobChangeKind Kind => After is null ? JobChangeKind.Deleted
        : Revision == 0 ? JobChangeKind.Created
        : Members.Count > 0 ? JobChangeKind.Changed
        : JobChangeKind.Unchanged;

    /// <summary>The change back, from the revision that this delta was written with.</summary>
    public JobDelta Undo(long revision) =>
        new(Name, After, Before, After is null ? 0 : revision, JobDiff.Between(After, Before));

    /// <summary>This change and an earlier one of the same job as one.</summary>
    public JobDelta Following(JobDelta earlier) => this with
    {
        Before = earlier.Before,
        Revision = earlier.Revision,
        Members = earlier.Revision == 0 ? [] : JobDiff.Between(earlier.Before, After),
    };

    public JobDelta ChangedByOthers() => this with
    {
        Warnings = [.. Warnings, "another client has changed the job since it was written here; that change stands"],
    };
}

[JsonConverter(typeof(CamelCaseEnumConverter<JobChangeKind>))]
internal enum JobChangeKind
{
    Created,

    Changed,

    Unchanged,

    Deleted,
}
