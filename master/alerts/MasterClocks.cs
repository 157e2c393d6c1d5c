namespace Dts.Master.Alerts;

/// <summary>How far the clocks of masters may differ: one master judges times in etcd that another one wrote.</summary>
internal static class MasterClocks
{
    /// <summary>A time further ahead was written while a master's clock was wrong.</summary>
    public static readonly TimeSpan DifferBy = TimeSpan.FromMinutes(1);

    /// <summary>A clock may be this far ahead for a few seconds; whatever is removed for good waits longer.</summary>
    public static readonly TimeSpan MayBeAheadBy = TimeSpan.FromHours(2);

    public static bool IsAhead(DateTimeOffset? written, DateTimeOffset now) => written > now + DifferBy;
}
