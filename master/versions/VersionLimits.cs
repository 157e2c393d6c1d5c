namespace Dts.Master.Versions;

/// <summary>How many versions of a job are kept, and how long.</summary>
/// <remarks>
/// Pure. The latest version stays as long as the job. An older one expires that long after it was replaced, a deletion that long after
/// itself.
/// </remarks>
internal sealed record VersionLimits(TimeSpan Retention)
{
    /// <summary>The most versions of a job.</summary>
    public const int CountMax = 100;

    /// <summary>The changes that bring a job's versions within the limits.</summary>
    /// <param name="versions">All versions of the job, the latest first.</param>
    public (IReadOnlyList<string> Removed, IReadOnlyList<(string Id, DateTimeOffset? ExpireAt)> Changed) Apply(
        IReadOnlyList<VersionHead> versions)
    {
        var removed = versions.Skip(CountMax).Select(version => version.Id).ToList();
        var changed = new List<(string, DateTimeOffset?)>();
        for (var i = 0; i < Math.Min(versions.Count, CountMax); i++)
        {
            var version = versions[i];
            DateTimeOffset? over = i > 0 ? versions[i - 1].At : version.IsDeletion ? version.At : null;
            if (version.ExpireAt != over + Retention)
            {
                changed.Add((version.Id, over + Retention));
            }
        }

        return (removed, changed);
    }
}

/// <summary>The part of a version that the limits need.</summary>
/// <param name="ExpireAt">When it may be removed; null = not yet known.</param>
internal readonly record struct VersionHead(string Id, DateTimeOffset At, bool IsDeletion, DateTimeOffset? ExpireAt);
