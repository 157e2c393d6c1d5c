namespace Dts.Common.Logs;

/// <summary>The log store, as far as both its readers and its writers need it.</summary>
/// <remarks>
/// Every member throws a <see cref="LogStoreException"/> when the store cannot be reached or used now.
/// </remarks>
public interface ILogOutput : IDisposable
{
    /// <summary>A run's output from an offset on, without gaps and overlaps; empty = nothing is stored there yet.</summary>
    /// <param name="run">The record's id.</param>
    /// <param name="bytesMax">The approximate limit; at least the rest of one chunk is returned.</param>
    Task<IReadOnlyList<OutputChunk>> ReadOutputAsync(string run, long offset, int bytesMax, CancellationToken cancel);
}

/// <summary>The log store could not answer; a retry may succeed.</summary>
public sealed class LogStoreException(string message, Exception cause) : Exception(message, cause);

/// <summary>A record or chunk that a log store refuses because of its content, so a retry cannot help.</summary>
/// <param name="Reason">The store's own words.</param>
public sealed record Refused<T>(T What, string Reason);
