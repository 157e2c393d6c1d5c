using Dts.Common.Hosting;
using Dts.Common.Logs;
using Microsoft.Extensions.Logging;

namespace Dts.Worker.Logs;

/// <summary>Writes run records, their live output and their counts.</summary>
internal interface ILogWriter : ILogOutput
{
    /// <exception cref="SettingsException">mongodbUri is no URI.</exception>
    /// <exception cref="StartException">The name of a mongodb+srv URI cannot be looked up now.</exception>
    static ILogWriter Open(LogSettings settings, ILogger log) => settings.Open<ILogWriter>(
        uri => new MongoLogWriter(uri, settings.ConnectTimeout, log), file => new SqliteLogWriter(file));

    /// <summary>
    /// Writes records. All are durable when it returns, and new ones are counted within about a second. A record that is there already is
    /// replaced if <see cref="Replacement.Replaces"/> says so: others may record a run as lost, or its owed ending, before or after the
    /// worker that ran it.
    /// </summary>
    /// <returns>The records that the store refuses because of their content; all others are durable.</returns>
    Task<IReadOnlyList<Refused<RunRecord>>> WriteAsync(IReadOnlyList<RunRecord> records, CancellationToken cancel);

    /// <summary>Writes chunks of output; writing a chunk twice is harmless.</summary>
    /// <returns>The chunks that the store refuses because of their content.</returns>
    Task<IReadOnlyList<Refused<OutputChunk>>> WriteOutputAsync(IReadOnlyList<OutputChunk> chunks, CancellationToken cancel);

    /// <summary>
    /// Removes up to a thousand expired records with their output, and returns their number; 0 = none, or the store removes them itself.
    /// </summary>
    Task<int> RemoveExpiredAsync(DateTimeOffset now, CancellationToken cancel);
}
