using System.Globalization;
using Dts.Common.Jobs;

namespace Dts.Master.Versions;

/// <summary>A job as it was saved once.</summary>
/// <param name="Id">Writing a version twice is harmless.</param>
/// <param name="Revision">etcd's revision of the save: the ETag of the job while it was the latest.</param>
/// <param name="At">When it was saved; for a version of <see cref="Author.Unknown"/>, a moment before which it was.</param>
/// <param name="Former">The revision of the job that it replaced; 0 = there was none, or that is not known.</param>
/// <param name="Job">Null = the job was deleted, or <paramref name="IsLost"/>.</param>
/// <param name="IsLost">The definition could not be kept, or cannot be read any more.</param>
internal sealed record JobVersion(
    string Id, string JobName, long Revision, DateTimeOffset At, Author Author, long Former, Job? Job, bool IsLost = false)
{
    public bool IsDeletion => Job is null && !IsLost;

    /// <summary>When it was saved; null = not known.</summary>
    public DateTimeOffset? SavedAt => Author == Author.Unknown ? null : At;

    /// <summary>A job that etcd has or had, and that no master saved as it is.</summary>
    /// <param name="before">It was put before this.</param>
    public static JobVersion Found(JobName name, long revision, DateTimeOffset before, Job job) =>
        new($"{name}/{revision}", name, revision, before, Author.Unknown, Former: 0, job);

    /// <summary>Versions of a job at times that are in the order of their saves, whatever the clocks of the masters say.</summary>
    /// <param name="before">One that was saved before them, as far as its revision says so.</param>
    public static IEnumerable<JobVersion> InOrder(JobVersion? before, IEnumerable<JobVersion> oldestFirst)
    {
        foreach (var version in oldestFirst)
        {
            yield return before = version.After(before);
        }
    }

    /// <summary>The version, at the time of another one if that was saved before it, and later by the clock of its master.</summary>
    /// <remarks>One with a higher revision is of the time before etcd was restored, or moved first: it says nothing.</remarks>
    public JobVersion After(JobVersion? other) =>
        other is not null && other.Revision < Revision && other.Place.AtMs > Place.AtMs ? this with { At = other.At } : this;

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
