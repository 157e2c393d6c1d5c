namespace Dts.Common.Logs;

/// <summary>Clamps times in records that others may have written.</summary>
internal static class RecordTimes
{
    /// <summary>The last millisecond that a <see cref="DateTimeOffset"/> can have.</summary>
    public static readonly long Latest = DateTimeOffset.MaxValue.ToUnixTimeMilliseconds();

    /// <summary>A time in milliseconds since the epoch, moved into the calendar if it is outside.</summary>
    public static long Clamp(long milliseconds) => Math.Clamp(milliseconds, 0, Latest);

    /// <summary>Converts seconds to milliseconds, moved into the calendar.</summary>
    public static long OfSeconds(long seconds) => Clamp(Clamp(seconds) * 1000);
}
