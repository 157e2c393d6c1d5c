using System.Globalization;
using Dts.Common.Hosting;
using Dts.Common.Jobs;
using Dts.Common.Logs;

namespace Dts.Master.Alerts;

/// <summary>Writes messages for people. Texts of jobs stay on one line each, with their control characters visible.</summary>
internal static class AlertText
{
    private const int LinesMax = 10;
    private const int CharactersMax = 2000;

    /// <param name="record">The run's record; null = there is none, or the log store is unavailable.</param>
    /// <param name="publicUrl">The console's address; empty = not known.</param>
    public static AlertNotice NoticeOf(AlertMessage message, RunRecord? record, string publicUrl)
    {
        var what = message.Rule == AlertSender.TestRule ? "test" : WordOf(message.What);
        var (url, lines) = (UrlOf(message, publicUrl), LinesOf(record?.Output ?? ""));
        return new AlertNotice(
            message.Id,
            what,
            NullIfEmpty(message.JobName),
            NullIfEmpty(message.Worker),
            message.Rule,
            message.At,
            message.Since,
            NullIfEmpty(message.RunId),
            message.Ending?.Word(),
            record?.ExitCode,
            message.Times,
            message.Reason,
            message.LastLine,
            lines,
            url,
            message.Text.Length > 0 ? Fill(message, what, url) : Sentence(message, what, lines, url));
    }

    /// <summary>The first sentence of a message, and the subject of a mail.</summary>
    public static string Head(AlertNotice notice) => Head(notice.Event, notice.Job ?? notice.Worker ?? "", notice.Times);

    private static string Head(string what, string subject, int times)
    {
        var about = Display.Visible(subject);
        return what switch
        {
            "test" => "DTS sends messages to this channel",
            "recovered" => $"{about} has recovered",
            "failing" when times > 1 => string.Create(CultureInfo.InvariantCulture, $"{about} is failing, {times} times in a row"),
            "failing" => $"{about} is failing",
            "missed" => $"{about} missed a planned time",
            "lost" => $"a run of {about} was lost",
            "slow" => $"a run of {about} takes long",
            "noSuccess" => $"{about} has not succeeded for some time",
            "workerGone" => $"worker {about} is gone",
            "ledgerFault" => $"the ledger of {about} has a fault",
            _ => $"{about}: {what}",
        };
    }

    private static string Sentence(AlertMessage message, string what, string lines, string? url)
    {
        var head = Head(what, message.JobName.Length > 0 ? message.JobName : message.Worker, message.Times);
        return string.Join('\n', new[] { $"{head}: {Display.Visible(message.Reason)}", lines, url }.Where(part => part is { Length: > 0 }));
    }

    private static string Fill(AlertMessage message, string what, string? url)
    {
        // In one pass, so that no text of a job becomes a placeholder.
        var parts = message.Text.Split('{');
        return parts[0] + string.Concat(parts.Skip(1).Select(part => part.Split('}', 2) is [var name, var rest]
            ? (ValueOf(name) is { } value ? Display.Visible(value) : $"{{{name}}}") + rest
            : "{" + part));

        string? ValueOf(string name) => name switch
        {
            "job" => message.JobName,
            "worker" => message.Worker,
            "event" => what,
            "reason" => message.Reason,
            "lastLine" => message.LastLine,
            "url" => url ?? "",
            _ => null,
        };
    }

    private static string LinesOf(string output)
    {
        var lines = output.TrimEnd().Split('\n');
        var last = string.Join('\n', lines.TakeLast(LinesMax).Select(line => Display.Visible(line.TrimEnd('\r'))));
        return last.Length <= CharactersMax ? last : "…" + last[^CharactersMax..];
    }

    private static string? UrlOf(AlertMessage message, string publicUrl) => publicUrl.Length == 0 ? null
        : message.JobName.Length == 0 ? $"{publicUrl}/workers"
        : message.RunId.Length == 0 ? $"{publicUrl}/jobs/{Uri.EscapeDataString(message.JobName)}"
        : $"{publicUrl}/runs/{Uri.EscapeDataString(message.JobName)}/{Uri.EscapeDataString(message.RunId)}";

    public static string WordOf(AlertEvent what) => System.Text.Json.JsonNamingPolicy.CamelCase.ConvertName(what.ToString());

    private static string? NullIfEmpty(string text) => text.Length > 0 ? text : null;
}
