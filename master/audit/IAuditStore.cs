using Dts.Common.Logs;

namespace Dts.Master.Audit;

/// <summary>The audit trail in the log store.</summary>
/// <remarks>
/// Thread-safe. Every member throws a <see cref="LogStoreException"/> when the store cannot be reached, or cannot answer or take it now.
/// </remarks>
internal interface IAuditStore : IDisposable
{
    static IAuditStore Open(LogSettings settings, TimeSpan retention) => settings.Open<IAuditStore>(
        uri => new MongoAuditStore(uri, settings.ConnectTimeout, retention),
        file => new SqliteAuditStore(file, retention));

    /// <summary>Writes records durably. Writing one twice is harmless.</summary>
    Task WriteAsync(IReadOnlyList<AuditRecord> records, CancellationToken cancel);

    /// <summary>Returns records, the latest first.</summary>
    Task<IReadOnlyList<AuditRecord>> ListAsync(AuditQuery query, CancellationToken cancel);

    /// <summary>Removes expired records, unless the store does so itself.</summary>
    Task RemoveExpiredAsync(DateTimeOffset now, CancellationToken cancel);
}
