using System.Globalization;
using Dts.Common.Jobs;

namespace Dts.Master.Versions;

/// <summary>A job as it was saved once.</summary>
/// <param name="Id">Writing a version twice is harmless.</param>
/// <param name="Revision">etcd's revision of the save: the ETag of the job while it was the latest.</param>
/// <param name="At">When it was saved; for a version of <see cref="Author.Unknown"/>, a moment before which it was.</param>
/// <param name="Former">The revision of the job that it replaced; 0 = there was none, or that is not known.</param>
/// <param name="Job">Null = the job was deleted.</param>
internal sealed record JobVersion(
    string Id, string JobName, long Revision, DateTimeOffset At, Author Author, long Former, Job? Job)
{
    /// <summary>When it was saved; null = not known.</summary>
    public DateTimeOffset? SavedAt => Author == Author.Unknown ? null : At;

    /// <summary>A job that etcd has or had, and that no master saved as it is.</summary>
    /// <param name="before">It was put before this.</param>
    public static JobVersion Found(JobName name, long revision, DateTimeOffset before, Job job) =>
        new($"{name}/{revision}", name, revision, before, Author.Unknown, Former: 0, job);

    public VersionCursor Place => new(At.ToUnixTimeMilliseconds(), Revision);
}

/// <summary>A place in a job's versions, which are in the order of their times and, of one millisecond, of their revisions.</summary>
internal readonly record struct VersionCursor(long AtMs, long Revision) : IComparable<VersionCursor>
{
    public int CompareTo(VersionCursor other) => (AtMs, Revision).CompareTo((other.AtMs, other.Revision));

    public static VersionCursor? Parse(string text) =>
        text.Split('-') is [var at, var revision]
        && long.TryParse(at, NumberStyles.None, CultureInfo.InvariantCulture, out var ms)
        && long.TryParse(revision, NumberStyles.None, CultureInfo.InvariantCulture, out var number)
            ? new VersionCursor(ms, number)
            : null;

    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{AtMs}-{Revision}");
}
