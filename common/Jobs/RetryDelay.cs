namespace Dts.Common.Jobs;

/// <summary>How long to wait before a failed run is tried again.</summary>
public static class RetryDelay
{
    private const double Jitter = 0.2;

    /// <summary>Exponential, capped, and spread by up to a fifth either way, so that what failed together does not come back together.</summary>
    /// <param name="failures">How many attempts have failed, at least 1.</param>
    /// <param name="chance">From 0 to below 1.</param>
    public static TimeSpan After(int failures, Retry retry, double chance)
    {
        var seconds = Math.Min(retry.DelaySeconds * Math.Pow(retry.Backoff, failures - 1), retry.MaxDelaySeconds);
        return TimeSpan.FromSeconds(seconds * (1 - Jitter + (2 * Jitter * chance)));
    }
}
