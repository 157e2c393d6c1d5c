using System.Globalization;

namespace Dts.Common.Jobs;

/// <summary>Names a run within its job so that byte order is time order: <c>20261122T100000Z</c> is the scheduled one of that plan time.</summary>
public static class RunId
{
    public static string Of(DateTimeOffset planTime) => planTime.UtcDateTime.ToString("yyyyMMdd'T'HHmmss'Z'", CultureInfo.InvariantCulture);
}
