namespace Dts.Master.Audit;

/// <summary>Turns many equal refusals into two records: the first at once, and a minute later how many followed.</summary>
/// <remarks>
/// Without I/O and without a clock; not thread-safe. Refusals are equal if caller, address, act and reason are the same. The number of
/// different refusals is limited for each caller, and for all unidentified callers together; each path, and each person whom they claim to
/// be, has a small share of its own. Refusals over a limit count as one. So nobody uses up the share of others.
/// </remarks>
internal sealed class RefusalTally
{
    internal const int KindsMax = 1000;

    internal const int StrangersMax = 2 * KindsMax; // For all paths and people together: each becomes a record that waits for the store.

    private const int KindsOfEachPath = 20; // The share of a path when the others have used up StrangersMax.

    /// <summary>How long equal refusals are counted.</summary>
    public static readonly TimeSpan Span = TimeSpan.FromMinutes(1);

    private readonly Dictionary<Source, Dictionary<(string Who, string From, string Act, string Why), Counted>> _counted = [];

    private int Strangers => _counted.Sum(source => source.Key.IsOfStrangers ? source.Value.Count : 0);

    /// <summary>The record to keep now; null = the refusal was counted.</summary>
    /// <param name="now">By the monotonic clock.</param>
    public AuditRecord? Take(AuditRecord refusal, TimeSpan now)
    {
        var source = Source.Of(refusal);
        if (!_counted.TryGetValue(source, out var counted))
        {
            _counted[source] = counted = [];
        }

        var key = (refusal.Who, refusal.From, refusal.Act, refusal.Detail);
        if (!counted.ContainsKey(key) && counted.Count >= (source.IsOfStrangers && Strangers >= StrangersMax ? KindsOfEachPath : KindsMax))
        {
            refusal = source.Rest(refusal);
            key = ("", "", "", "");
        }

        if (counted.TryGetValue(key, out var before))
        {
            counted[key] = before with { More = before.More + 1, Latest = refusal };
            return null;
        }

        counted[key] = new Counted(now, 0, refusal);
        return refusal;
    }

    /// <summary>Removes and returns the counts that are due, as records.</summary>
    /// <param name="now">By the monotonic clock.</param>
    /// <param name="at">The time of the records, by the wall clock.</param>
    /// <param name="isEnd">All counts are due.</param>
    public IReadOnlyList<AuditRecord> Due(TimeSpan now, DateTimeOffset at, bool isEnd = false)
    {
        List<AuditRecord> due = [];
        foreach (var (source, counted) in _counted)
        {
            foreach (var (key, one) in counted)
            {
                if (isEnd || one.Since + Span <= now)
                {
                    counted.Remove(key);
                    due.AddRange(one.Sum(now, at));
                }
            }

            if (counted.Count == 0)
            {
                _counted.Remove(source);
            }
        }

        return due;
    }

    /// <summary>Callers that share a limit: one caller, or all strangers (unidentified callers) on one path.</summary>
    /// <param name="Who">The caller, or the person whom a stranger claims to be.</param>
    /// <param name="Via">Empty = strangers.</param>
    /// <param name="Act">Empty = any act of the caller.</param>
    private readonly record struct Source(string Who, string Via, string Act)
    {
        public bool IsOfStrangers => Via.Length == 0;

        public static Source Of(AuditRecord refusal) =>
            new(refusal.Who, refusal.Via, refusal.Via.Length > 0 ? "" : refusal.Act);

        public AuditRecord Rest(AuditRecord refusal) => refusal with
        {
            From = "",
            Target = "",
            Act = Act,
            Detail = $"more than {KindsMax} different refusals within a minute",
        };
    }

    private sealed record Counted(TimeSpan Since, int More, AuditRecord Latest)
    {
        public IEnumerable<AuditRecord> Sum(TimeSpan now, DateTimeOffset at)
        {
            var seconds = Math.Max(1, (int)(now - Since).TotalSeconds);
            return More > 0 ? [Latest with { At = at, Detail = $"{Latest.Detail} ({More} more times in {seconds} s)" }] : [];
        }
    }
}
