using Dts.Common.Hosting;
using Dts.Common.Jobs;
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
    /// Writes records; all are durable when it returns, and the new ones counted within about a second. A record that is there already is
    /// replaced by a later writing of it, except that
    /// <see cref="RunStatus.Lost"/> never replaces another ending: who declares a run lost may be wrong, who saw its end is not.
    /// </summary>
    /// <returns>The records that the store refuses because of their content; all others are durable.</returns>
    Task<IReadOnlyList<Refused<RunRecord>>> WriteAsync(IReadOnlyList<RunRecord> records, CancellationToken cancel);

    /// <summary>Writes output as it comes; writing a chunk twice is harmless.</summary>
    /// <returns>The chunks that the store refuses because of their content.</returns>
    Task<IReadOnlyList<Refused<OutputChunk>>> WriteOutputAsync(IReadOnlyList<OutputChunk> chunks, CancellationToken cancel);

    /// <summary>
    /// Removes up to a thousand records that have expired, with their output, and returns how many it was; 0 where the store does it by
    /// itself.
    /// </summary>
    Task<int> RemoveExpiredAsync(DateTimeOffset now, CancellationToken cancel);
}
