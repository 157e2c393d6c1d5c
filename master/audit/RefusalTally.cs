namespace Dts.Master.Audit;

/// <summary>Makes of many equal refusals few records: the first at once, and a minute later how many followed.</summary>
/// <remarks>
/// Without I/O and without a clock; not thread-safe. Refusals are equal when the same is refused to the same caller from the same address
/// for the same reason. A stranger with many addresses gets one record for all that are too many to be told apart.
/// </remarks>
internal sealed class RefusalTally
{
    internal const int KindsMax = 1000;

    /// <summary>How long equal refusals are counted before they are told.</summary>
    public static readonly TimeSpan Span = TimeSpan.FromMinutes(1);

    private readonly Dictionary<(string Who, string From, string Act, string Why), Counted> _counted = [];

    /// <summary>The record to be kept now; null = it is counted.</summary>
    public AuditRecord? Take(AuditRecord refusal, DateTimeOffset now)
    {
        var key = (refusal.Who, refusal.From, refusal.Act, refusal.Detail);
        if (!_counted.ContainsKey(key) && _counted.Count >= KindsMax)
        {
            refusal = refusal with
            {
                Who = "", Role = "", From = "", Target = "", Act = "", Detail = "more than a thousand different refusals",
            };
            key = ("", "", "", "");
        }

        if (_counted.TryGetValue(key, out var before))
        {
            _counted[key] = before with { More = before.More + 1, Latest = refusal };
            return null;
        }

        _counted[key] = new Counted(now, 0, refusal);
        return refusal;
    }

    /// <summary>Records of what was counted and is due.</summary>
    /// <param name="isEnd">All of it is due.</param>
    public IReadOnlyList<AuditRecord> Due(DateTimeOffset now, bool isEnd = false)
    {
        List<AuditRecord> due = [];
        foreach (var (key, counted) in _counted.ToList())
        {
            if (!isEnd && counted.Since + Span > now)
            {
                continue;
            }

            _counted.Remove(key);
            if (counted.More > 0)
            {
                var seconds = Math.Max(1, (int)(now - counted.Since).TotalSeconds);
                due.Add(counted.Latest with { At = now, Detail = $"{counted.Latest.Detail} ({counted.More} more times in {seconds} s)" });
            }
        }

        return due;
    }

    private sealed record Counted(DateTimeOffset Since, int More, AuditRecord Latest);
}
