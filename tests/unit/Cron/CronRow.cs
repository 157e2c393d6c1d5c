using System.Globalization;
using Dts.Common.Cron;
using Xunit;

namespace Dts.Tests.Unit.Cron;

/// <summary>
/// Reads the rows of the tables: local times of the zone, the date only where it changes, the offset everywhere but in UTC.
/// </summary>
internal static class CronRow
{
    /// <summary>Asks for as many plan times as <paramref name="next"/> lists, and compares them as text.</summary>
    public static void Check(string text, string zoneId, string from, string next, string hashKey = "")
    {
        var zone = CronZone.Get(zoneId);
        var expression = CronExpression.Parse(text, hashKey);
        var at = ReadInstant(from, zone);

        List<string> found = [];
        var date = DateTime.MinValue;
        foreach (var _ in next.Split(", "))
        {
            if (expression.GetNextOccurrence(at, zone) is not { } time)
            {
                found.Add("never");
                continue;
            }

            var local = time.ToOffset(zone.UtcOffsetAt(time.ToUnixTimeSeconds()));
            found.Add((local.Date == date ? "" : $"{local:yyyy-MM-dd} ") + Write(local, zone));
            (at, date) = (time, local.Date);
        }

        Assert.Equal(next, string.Join(", ", found));
    }

    /// <summary>An instant, either with an offset or as the zone's clocks show it (the first time they do).</summary>
    public static DateTimeOffset ReadInstant(string text, CronZone zone)
    {
        if (text[16..].IndexOfAny(['+', '-']) >= 0)
        {
            return DateTimeOffset.Parse(text, CultureInfo.InvariantCulture);
        }

        var wall = DateTime.Parse(text, CultureInfo.InvariantCulture);
        var asUtc = new DateTimeOffset(wall, TimeSpan.Zero).ToUnixTimeSeconds();
        var offsets = new[] { zone.UtcOffsetAt(asUtc - 86400), zone.UtcOffsetAt(asUtc + 86400) };
        return new DateTimeOffset(wall, offsets.First(offset => zone.UtcOffsetAt(asUtc - (long)offset.TotalSeconds) == offset));
    }

    private static string Write(DateTimeOffset local, CronZone zone)
    {
        var time = local.ToString(local.Second == 0 ? "HH:mm" : "HH:mm:ss", CultureInfo.InvariantCulture);
        return zone == CronZone.Utc ? time : time + local.ToString(local.Offset.Minutes == 0 ? "zz" : "zzz", CultureInfo.InvariantCulture);
    }
}
