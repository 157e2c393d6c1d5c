namespace Dts.Master.Audit;

/// <summary>Makes of many equal refusals few records: the first at once, and a minute later how many followed.</summary>
/// <remarks>
/// Without I/O and without a clock; not thread-safe. Refusals are equal when the same is refused to the same caller from the same address
/// for the same reason. There is room for so many different refusals of each caller, and of all strangers, where each path and each person
/// whom they claim to be has some of its own; what is beyond becomes one record. So nobody takes the room of others.
/// </remarks>
internal sealed class RefusalTally
{
    internal const int KindsMax = 1000;

    internal const int StrangersMax = 2 * KindsMax; // Of all paths and people: each is also a record that waits to be written.

    private const int KindsOfEachPath = 20; // A path has them also when strangers have used up the room on others.

    /// <summary>How long equal refusals are counted before they are told.</summary>
    public static readonly TimeSpan Span = TimeSpan.FromMinutes(1);

    private readonly Dictionary<Source, Dictionary<(string Who, string From, string Act, string Why), Counted>> _counted = [];

    private int Strangers => _counted.Sum(source => source.Key.IsOfStrangers ? source.Value.Count : 0);

    /// <summary>The record to be kept now; null = it is counted.</summary>
    public AuditRecord? Take(AuditRecord refusal, DateTimeOffset now)
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

    /// <summary>Records of what was counted and is due.</summary>
    /// <param name="isEnd">All of it is due.</param>
    public IReadOnlyList<AuditRecord> Due(DateTimeOffset now, bool isEnd = false)
    {
        List<AuditRecord> due = [];
        foreach (var (source, counted) in _counted)
        {
            foreach (var (key, one) in counted)
            {
                if (isEnd || one.Since + Span <= now)
                {
                    counted.Remove(key);
                    due.AddRange(one.Tell(now));
                }
            }

            if (counted.Count == 0)
            {
                _counted.Remove(source);
            }
        }

        return due;
    }

    /// <summary>Who shares the room for different refusals: one caller, or all strangers on one path.</summary>
    /// <param name="Who">The caller, or the person whom a stranger claims to be; empty = a stranger.</param>
    /// <param name="Via">Empty = a stranger.</param>
    /// <param name="Act">Empty = all that a caller does.</param>
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

    private sealed record Counted(DateTimeOffset Since, int More, AuditRecord Latest)
    {
        public IEnumerable<AuditRecord> Tell(DateTimeOffset now)
        {
            var seconds = Math.Max(1, (int)(now - Since).TotalSeconds);
            return More > 0 ? [Latest with { At = now, Detail = $"{Latest.Detail} ({More} more times in {seconds} s)" }] : [];
        }
    }
}
