namespace Dts.Common.Cron;

/// <summary>The time in which jobs can be planned: 1970 to 2099.</summary>
internal static class Calendar
{
    public const int FirstYear = 1970;
    public const int LastYear = 2099;
    public const int EndDay = 47482; // 2100-01-01, counted from 1970-01-01
    public const int SecondsPerDay = 86400;
}
