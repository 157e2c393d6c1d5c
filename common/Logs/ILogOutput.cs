namespace Dts.Common.Logs;

/// <summary>Where run records, their live output and their counts are kept for good: what its readers and its writers need of it.</summary>
/// <remarks>
/// Every member throws a <see cref="LogStoreException"/> when the store cannot be reached, or cannot answer or take it now.
/// </remarks>
public interface ILogOutput : IDisposable
{
    /// <summary>A run's output from an offset on, without holes and overlaps; empty when nothing is stored there yet.</summary>
    /// <param name="run">The record's id.</param>
    /// <param name="bytesMax">About how much at a time; at least one chunk's rest comes if there is one.</param>
    Task<IReadOnlyList<OutputChunk>> ReadOutputAsync(string run, long offset, int bytesMax, CancellationToken cancel);
}

/// <summary>The log store did not do what was asked of it; asking again later may help.</summary>
public sealed class LogStoreException(string message, Exception cause) : Exception(message, cause);

/// <summary>A record or chunk that a log store refuses because of its content, so a retry cannot help.</summary>
/// <param name="Reason">The store's own words.</param>
public sealed record Refused<T>(T What, string Reason);
