
namespace Dts.Master;

/// <summary>The lines that only the master prints; see <see cref="Dts.Common.Hosting.Log"/>.</summary>
internal static partial class MasterLog
{
    [LoggerMessage(601, LogLevel.Information, "listening on http://{Address}:{Port}")]
    public static partial void Listening(this ILogger log, System.Net.IPAddress address, int port);

    [LoggerMessage(602, LogLevel.Error, "request {Path} failed")]
    public static partial void RequestFailed(this ILogger log, string path, Exception bug);

    [LoggerMessage(603, LogLevel.Warning,
        "refused {Count} requests with a wrong apiToken, the latest from {Address}; their answers are delayed")]
    public static partial void TokenRefused(this ILogger log, System.Net.IPAddress address, int count);

    [LoggerMessage(604, LogLevel.Warning, "{Row} is left out of the answer to {Path}: {Why}")]
    public static partial void RowSkipped(this ILogger log, string row, string path, string why);

    [LoggerMessage(605, LogLevel.Warning,
        "endings cannot be read ({Reason}); lists of jobs show the endings that were known before, until the log store is back")]
    public static partial void EndingsUnread(this ILogger log, string reason);

    [LoggerMessage(606, LogLevel.Information, "endings are read again after {Seconds:F1} s")]
    public static partial void EndingsRead(this ILogger log, double seconds);
}
