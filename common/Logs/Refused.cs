namespace Dts.Common.Logs;

/// <summary>A record or chunk that a log store refuses because of its content, so a retry cannot help.</summary>
/// <param name="Reason">The store's own words.</param>
public sealed record Refused<T>(T What, string Reason);
