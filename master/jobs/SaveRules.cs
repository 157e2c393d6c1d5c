using System.Globalization;
using System.Text;
using Dts.Common.Cron;
using Dts.Common.Hosting;
using Dts.Common.Jobs;

namespace Dts.Master.Jobs;

/// <summary>What a job must be like to be saved, and a request to be taken, beyond <see cref="JobRules"/>.</summary>
internal static class SaveRules
{
    private const int RequestEnvBytesMax = 32 << 10;
    private const int LabelsMax = 32; // Each master holds the labels of all jobs in memory.
    private const int LabelNameMax = 63;
    private const int LabelValueMax = 256;

    /// <summary>The first fault of a job to be saved that does not depend on the time; null = none.</summary>
    public static string? FindFault(Job job, CronZone defaultZone) =>
        JobRules.FindUnrunnable(job)
        ?? FindConfusing(job.Name)
        ?? FindBadLabels(job.Labels)
        ?? (job.Alert is { } alert ? JobRules.FindBadAlert("alert.", alert) : null)
        ?? FindBadSchedule(job, defaultZone);

    /// <summary>The first fault of a job's time zone and expression; null = none.</summary>
    public static string? FindBadSchedule(Job job, CronZone defaultZone) =>
        (job.TimeZone.Length == 0 || CronZone.TryGet(job.TimeZone, out _, out var refusal)
            ? null
            : $"timeZone: {ZoneNames.Explain(job.TimeZone, refusal)}")
        ?? (JobSchedule.TryParse(job, defaultZone, out _, out var error) ? null : error);

    /// <summary>Says why a schedule that begins now is refused: it has no plan time left; null = it has one.</summary>
    public static string? FindOver(Job job, CronZone defaultZone, DateTimeOffset now) =>
        JobSchedule.TryParse(job, defaultZone, out var schedule, out var error)
            ? schedule.Next(now) is null
                ? $"cronExpr \"{Display.Line(job.CronExpr)}\" never fires from now on; expected an expression that does"
                : null
            : error;

    /// <summary>Returns the job with LF line ends: a shell takes the CR of a CRLF for part of a word.</summary>
    public static Job WithUnixLines(Job job, List<string> warnings)
    {
        if (!job.Command.Contains("\r\n", StringComparison.Ordinal))
        {
            return job;
        }

        warnings.Add("command had Windows line ends (CRLF); they were saved as LF");
        return job with { Command = job.Command.Replace("\r\n", "\n", StringComparison.Ordinal) };
    }

    /// <summary>What is wrong with variables that come with a request to run; null = nothing. They go through etcd with the run.</summary>
    public static string? FindBadRequestEnv(IReadOnlyDictionary<string, string> env) => JobRules.FindBadEnv(env)
        ?? (env.Sum(entry => Encoding.UTF8.GetByteCount(entry.Key) + Encoding.UTF8.GetByteCount(entry.Value)) is var bytes
            and > RequestEnvBytesMax
            ? $"env has {bytes} bytes; expected at most {RequestEnvBytesMax}"
            : null);

    /// <summary>Says why a name is refused that looks like another name or like nothing; null = the name is fine.</summary>
    public static string? FindConfusing(string text) =>
        text is "." or ".." ? $"name is \"{text}\", which a URL takes for a folder; expected another name"
        : text.Length > 0 && (char.IsWhiteSpace(text[0]) || char.IsWhiteSpace(text[^1]))
            ? $"name \"{Display.Line(text)}\" begins or ends with a blank; expected none there"
        : FindInvisible(text) is { } code
            ? $"name \"{Display.Line(text)}\" has the invisible character U+{code.ToString("X4", CultureInfo.InvariantCulture)}; "
                + "expected visible letters"
        : null;

    private static string? FindBadLabels(IReadOnlyDictionary<string, string> labels) => labels.Count > LabelsMax
        ? $"labels has {labels.Count} labels; expected at most {LabelsMax}"
        : labels
            .Where(label => label.Key.Length is 0 or > LabelNameMax
                || label.Value.Length > LabelValueMax
                || label.Key.Any(char.IsControl)
                || label.Value.Any(char.IsControl))
            .Select(label => $"labels has \"{Display.Line($"{label.Key}={label.Value}")}\"; "
                + $"expected a name of 1 to {LabelNameMax} and a value of at most {LabelValueMax} characters, without control characters")
            .FirstOrDefault();

    private static int? FindInvisible(string text)
    {
        foreach (var rune in text.EnumerateRunes())
        {
            if (IsInvisible(rune))
            {
                return rune.Value;
            }
        }

        return null;
    }

    /// <summary>Every space but U+0020, and every character that a renderer may leave out (Default_Ignorable_Code_Point).</summary>
    private static bool IsInvisible(Rune rune) => Rune.GetUnicodeCategory(rune) switch
    {
        UnicodeCategory.SpaceSeparator => rune.Value != ' ',
        UnicodeCategory.Format or UnicodeCategory.Control or UnicodeCategory.LineSeparator or UnicodeCategory.ParagraphSeparator => true,
        _ => rune.Value is 0x034F or 0x115F or 0x1160 or 0x17B4 or 0x17B5 or (>= 0x180B and <= 0x180F) or 0x2065 or 0x2800 or 0x3164
            or (>= 0xFE00 and <= 0xFE0F) or 0xFFA0 or (>= 0xFFF0 and <= 0xFFF8) or (>= 0xE0000 and <= 0xE0FFF),
    };
}
