using System.Globalization;
using Dts.Common.Jobs;

namespace Dts.Master.Versions;

/// <summary>One save of a job.</summary>
/// <param name="Id">Writing a version twice is harmless.</param>
/// <param name="Revision">etcd's revision of the save: the ETag of the job while it was the latest.</param>
/// <param name="At">When it was saved; for a version of <see cref="Author.Unknown"/>, a later moment.</param>
/// <param name="Former">The revision of the job that it replaced; 0 = there was none, or that is not known.</param>
/// <param name="Job">Null = the job was deleted, or <paramref name="IsLost"/>.</param>
/// <param name="IsLost">The definition could not be kept, or cannot be read.</param>
internal sealed record JobVersion(
    string Id, string JobName, long Revision, DateTimeOffset At, Author Author, long Former, Job? Job, bool IsLost = false)
{
    public bool IsDeletion => Job is null && !IsLost;

    /// <summary>When it was saved; null = not known.</summary>
    public DateTimeOffset? SavedAt => Author == Author.Unknown ? null : At;

    /// <summary>A definition in etcd that no master saved.</summary>
    /// <param name="before">It was put before this moment.</param>
    public static JobVersion Found(JobName name, long revision, DateTimeOffset before, Job job) =>
        new($"{name}/{revision}", name, revision, before, Author.Unknown, Former: 0, job);

    /// <summary>Corrects the times of versions to the order of their saves, because the clocks of masters may differ.</summary>
    /// <param name="before">A version that was saved before them, if its revision says so.</param>
    public static IEnumerable<JobVersion> InOrder(JobVersion? before, IEnumerable<JobVersion> oldestFirst)
    {
        foreach (var version in oldestFirst)
        {
            yield return before = version.After(before);
        }
    }

    /// <summary>The version at the other's time, if the other was saved first but has a later time by its master's clock.</summary>
    /// <remarks>Another version with a higher revision is older than a restore of etcd, or was moved first; it does not count.</remarks>
    public JobVersion After(JobVersion? other) =>
        other is not null && other.Revision < Revision && other.Place.AtMs > Place.AtMs ? this with { At = other.At } : this;

    public VersionCursor Place => new(At.ToUnixTimeMilliseconds(), Revision);
}

/// <summary>A place in a job's versions, which are sorted by time and, within a millisecond, by revision.</summary>
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

/// <summary>Who changes a job.</summary>
/// <param name="By">A person or token; <c>token</c>: a holder of the apiToken; <c>local</c>: a caller who needs no credentials.</param>
/// <param name="From">The client's address; behind a proxy on this host, the one that the proxy saw.</param>
internal sealed record Author(string By, string From)
{
    public const string Token = "token", Local = "local";

    /// <summary>Of a version that no master saved: it was put with etcdctl, or by a DTS without versions.</summary>
    public static readonly Author Unknown = new("unknown", "");
}
