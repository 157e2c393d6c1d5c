
namespace Dts.Master;

/// <summary>The lines that only the master prints; see <see cref="Dts.Common.Hosting.Log"/>.</summary>
internal static partial class MasterLog
{
    [LoggerMessage(601, LogLevel.Information, "listening on http://{Address}:{Port}")]
    public static partial void Listening(this ILogger log, System.Net.IPAddress address, int port);

    [LoggerMessage(602, LogLevel.Error, "request {Path} failed")]
    public static partial void RequestFailed(this ILogger log, string path, Exception bug);

    [LoggerMessage(603, LogLevel.Warning,
        "refused {Count} requests with a wrong token, the latest from {Address}; their answers are delayed")]
    public static partial void TokenRefused(this ILogger log, System.Net.IPAddress address, int count);

    [LoggerMessage(604, LogLevel.Warning, "{Row} is left out of the answer to {Path}: {Why}")]
    public static partial void RowSkipped(this ILogger log, string row, string path, string why);

    [LoggerMessage(605, LogLevel.Warning,
        "endings cannot be read ({Reason}); lists of jobs show older endings until the log store is back")]
    public static partial void EndingsUnread(this ILogger log, string reason);

    [LoggerMessage(606, LogLevel.Information, "endings are read again after {Seconds:F1} s")]
    public static partial void EndingsRead(this ILogger log, double seconds);

    [LoggerMessage(607, LogLevel.Error,
        "endings of {Job} cannot be read; lists keep its older endings, and they are read again within the hour")]
    public static partial void EndingsUnreadable(this ILogger log, string job, Exception bug);

    [LoggerMessage(651, LogLevel.Information, "audit: {Who} ({Role} by {Via}, from {Address}): {Act} {Target}: {Outcome} {Detail}")]
    public static partial void Audited(
        this ILogger log, string who, string role, string via, string address, string act, string target, string outcome, string detail);

    [LoggerMessage(652, LogLevel.Warning,
        "records of the audit trail cannot be written to the log store ({Why}); they wait in memory, and changes are still accepted")]
    public static partial void AuditWaits(this ILogger log, string why);

    [LoggerMessage(653, LogLevel.Information, "records of the audit trail are written to the log store again")]
    public static partial void AuditWritten(this ILogger log);

    [LoggerMessage(654, LogLevel.Error,
        "{Count} records of the audit trail are only in the journal: {Most} were already waiting for the log store")]
    public static partial void AuditDropped(this ILogger log, int count, int most);

    [LoggerMessage(641, LogLevel.Warning,
        "versions of jobs cannot be written to the log store ({Why}); {Count} wait in etcd, saves are still accepted, next try in 30 s")]
    public static partial void VersionsWait(this ILogger log, string why, int count);

    [LoggerMessage(642, LogLevel.Information, "versions of jobs are written to the log store again")]
    public static partial void VersionsMoved(this ILogger log);

    [LoggerMessage(643, LogLevel.Warning,
        "the oldest {Count} versions of jobs are removed: more than {Most}, or more than {Bytes} bytes, wait in etcd for the log store")]
    public static partial void VersionsDropped(this ILogger log, int count, int most, long bytes);

    [LoggerMessage(661, LogLevel.Warning,
        "alerts: {Count} endings were not checked, because the queue of {Most} was full; messages about them are missing")]
    public static partial void AlertsNotJudged(this ILogger log, int count, int most);

    [LoggerMessage(662, LogLevel.Warning, "alerts: channels cannot be read ({Why}); the {Count} known ones stay in use")]
    public static partial void AlertChannelsUnread(this ILogger log, string why, int count);

    [LoggerMessage(663, LogLevel.Warning, "alerts: channel {Channel} did not accept a message ({Why}); it will be sent again")]
    public static partial void AlertNotDelivered(this ILogger log, string channel, string why);

    [LoggerMessage(664, LogLevel.Error,
        "alerts: channel {Channel} has not accepted a message in a day and {Tries} tries ({Why}); the message is dropped")]
    public static partial void AlertGivenUp(this ILogger log, string channel, int tries, string why);
}
