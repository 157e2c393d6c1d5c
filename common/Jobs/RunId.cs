using System.Globalization;

namespace Dts.Common.Jobs;

/// <summary>
/// Names a run within its job so that byte order is time order: <c>20261122T100000Z</c> is the scheduled one of that plan time. Where they say
/// something, its origin, its attempt and the worker it is bound to follow: <c>20261122T100000Z-manual-1a2b3c4d-2@worker-1</c>.
/// </summary>
public static class RunId
{
    public static string Of(DateTimeOffset planTime, string origin = "", int attempt = 1, string worker = "") =>
        planTime.UtcDateTime.ToString("yyyyMMdd'T'HHmmss'Z'", CultureInfo.InvariantCulture)
        + (origin.Length > 0 ? $"-{origin}" : "")
        + (attempt > 1 ? string.Create(CultureInfo.InvariantCulture, $"-{attempt}") : "")
        + (worker.Length > 0 ? $"@{worker}" : "");
}
