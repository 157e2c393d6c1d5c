namespace Dts.Common.Logs;

/// <summary>Something that a log store refuses for its content, so that trying again cannot help.</summary>
/// <param name="Reason">The store's own words.</param>
public sealed record Refused<T>(T What, string Reason);
