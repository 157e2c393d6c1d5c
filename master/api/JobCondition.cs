using System.Globalization;
using Dts.Master.Jobs;
using Microsoft.Extensions.Primitives;

namespace Dts.Master.Api;

/// <summary>
/// The state that a request expects of the job that it changes: If-Match, If-None-Match (RFC 9110, section 13.1). A job's ETag is its
/// revision.
/// </summary>
internal abstract record JobCondition
{
    private JobCondition()
    {
    }

    /// <summary>The revision of the job that the client has seen; null = the condition does not name one.</summary>
    public virtual long? Seen => null;

    public static JobCondition Of(IHeaderDictionary headers) => (headers.IfMatch, headers.IfNoneMatch) switch
    {
        ({ Count: > 0 }, { Count: > 0 } none) =>
            throw Refusal.BadQuery("If-None-Match", $"{none}", "none beside If-Match, which needs a job that exists"),
        ({ Count: > 0 } match, _) => $"{match}".Trim() == "*" ? new Exists() : new HasRevision(Read("If-Match", match)),
        (_, { Count: > 0 } none) => $"{none}".Trim() == "*"
            ? new IsMissing()
            : throw Refusal.BadQuery("If-None-Match", $"{none}", "* (the job must not exist yet)"),
        _ => new Any(),
    };

    public abstract bool IsMetBy(StoredJob job);

    /// <summary>The revisions in a header such as <c>"12", "15"</c>; nginx sends <c>W/"12"</c> when it compresses an answer.</summary>
    public static IReadOnlyList<long> Read(string header, StringValues values) =>
    [
        .. $"{values}".Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries).Select(tag =>
            long.TryParse(
                (tag.StartsWith("W/", StringComparison.Ordinal) ? tag[2..] : tag).Trim('"'),
                NumberStyles.None,
                CultureInfo.InvariantCulture,
                out var revision)
                ? revision
                : throw Refusal.BadQuery(header, tag, "the ETag of a job, such as \"12\", or *")),
    ];

    /// <summary>True if the If-None-Match of a GET names the job's present revision. A cache may send a tag that is not from DTS.</summary>
    public static bool IsSeen(StringValues values, long revision) =>
        $"{values}".Split(',', StringSplitOptions.TrimEntries).Any(tag =>
            tag == "*" || $"\"{(tag.StartsWith("W/", StringComparison.Ordinal) ? tag[2..] : tag).Trim('"')}\"" == TagOf(revision));

    public static string TagOf(long revision) => string.Create(CultureInfo.InvariantCulture, $"\"{revision}\"");

    public sealed record Any : JobCondition
    {
        public override bool IsMetBy(StoredJob job) => true;
    }

    public sealed record Exists : JobCondition
    {
        public override bool IsMetBy(StoredJob job) => job.Exists;
    }

    public sealed record IsMissing : JobCondition
    {
        public override bool IsMetBy(StoredJob job) => !job.Exists;
    }

    public sealed record HasRevision(IReadOnlyList<long> Revisions) : JobCondition
    {
        public override long? Seen => Revisions is [var one] ? one : null;

        public override bool IsMetBy(StoredJob job) => job.Exists && Revisions.Contains(job.Revision);
    }
}
