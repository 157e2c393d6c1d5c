using System.Globalization;
using System.Text;
using Dts.Common.Cron;
using Dts.Common.Hosting;
using Dts.Common.Jobs;
using Dts.Master.Versions;

namespace Dts.Master.Jobs;

/// <summary>The rules for saving a job, and for a request to run one, beyond <see cref="JobRules"/>.</summary>
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

    /// <summary>Explains why a variable's new value is refused: viewers see that text in place of values. Null = all are fine.</summary>
    public static string? FindHidden(Job? former, Job job)
    {
        const string Hidden = JobDiff.HiddenText;
        var wrong = job.Env.FirstOrDefault(one => one.Value == Hidden && former?.Env.GetValueOrDefault(one.Key) != Hidden).Key;
        return wrong is null
            ? null
            : $"env {Display.Line(wrong)} is {Hidden}, which viewers see instead of the value; expected the value, as operators see it";
    }

    /// <summary>The first fault of a job's time zone and expression; null = none.</summary>
    public static string? FindBadSchedule(Job job, CronZone defaultZone) =>
        (job.TimeZone.Length == 0 || CronZone.TryGet(job.TimeZone, out _, out var refusal)
            ? null
            : $"timeZone: {ZoneNames.Explain(job.TimeZone, refusal)}")
        ?? (JobSchedule.TryParse(job, defaultZone, out _, out var error) ? null : error);

    /// <summary>Explains why a new schedule is refused: it has no plan time left; null = it has one, or it is not new.</summary>
    /// <param name="former">The job that had the schedule before; null = there was none.</param>
    public static string? FindOver(Job? former, Job job, CronZone defaultZone, DateTimeOffset now) =>
        former is not null && HaveOneSchedule(former, job) ? null
        : !JobSchedule.TryParse(job, defaultZone, out var schedule, out var error) ? error
        : schedule.Next(now) is not null ? null
        : $"cronExpr \"{Display.Line(job.CronExpr)}\" never fires from now on; expected an expression that does";

    /// <summary>Explains why a new channel of the job's alert is refused: no master has it. Null = it is known, or not new.</summary>
    /// <param name="expected">Returns what was expected instead of a channel; null = the channel is known.</param>
    public static string? FindUnknownChannel(Job? former, Job job, Func<string, string?> expected) =>
        job.Alert is { Channel: var channel } && channel != former?.Alert?.Channel && expected(channel) is { } known
            ? $"alert.channel is \"{Display.Line(channel)}\"; expected {known}"
            : null;

    /// <summary>
    /// True for equal times, zone and mode. In mode all the target must be equal, too: each worker has its own account of plan times.
    /// </summary>
    public static bool HaveOneSchedule(Job job, Job other) =>
        job.CronExpr == other.CronExpr
            && job.TimeZone == other.TimeZone
            && job.Mode == other.Mode
            && (job.Mode == JobMode.One || job.Target == other.Target);

    /// <summary>Replaces the names of a job and its dependents with the names that they are stored under.</summary>
    public static Job WithNames(Job job, Func<string, string> storedName, List<string> warnings)
    {
        var stored = job with
        {
            Name = storedName(job.Name),
            Then = [.. job.Then.Select(storedName)],
            OnFailure = [.. job.OnFailure.Select(storedName)],
            Always = [.. job.Always.Select(storedName)],
        };
        if (stored.Name != job.Name)
        {
            warnings.Add("name had separate letters and accents; it was saved in Unicode's composed form (NFC)");
        }

        return stored;
    }

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

    /// <summary>The fault of variables in a request to run; null = none. etcd stores them with the run, so their size is limited.</summary>
    public static string? FindBadRequestEnv(IReadOnlyDictionary<string, string> env) => JobRules.FindBadEnv(env)
        ?? (env.Sum(entry => Encoding.UTF8.GetByteCount(entry.Key) + Encoding.UTF8.GetByteCount(entry.Value)) is var bytes
            and > RequestEnvBytesMax
            ? $"env has {bytes} bytes; expected at most {RequestEnvBytesMax}"
            : null);

    /// <summary>Explains why a name is refused that looks like another name or like nothing; null = the name is fine.</summary>
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

    private static int? FindInvisible(string text) =>
        text.EnumerateRunes().Where(IsInvisible).Select(rune => (int?)rune.Value).FirstOrDefault();

    /// <summary>Every space but U+0020, and every character that a renderer may leave out (Default_Ignorable_Code_Point).</summary>
    private static bool IsInvisible(Rune rune) => Rune.GetUnicodeCategory(rune) switch
    {
        UnicodeCategory.SpaceSeparator => rune.Value != ' ',
        UnicodeCategory.Format or UnicodeCategory.Control or UnicodeCategory.LineSeparator or UnicodeCategory.ParagraphSeparator => true,
        _ => rune.Value is 0x034F or 0x115F or 0x1160 or 0x17B4 or 0x17B5 or (>= 0x180B and <= 0x180F) or 0x2065 or 0x2800 or 0x3164
            or (>= 0xFE00 and <= 0xFE0F) or 0xFFA0 or (>= 0xFFF0 and <= 0xFFF8) or (>= 0xE0000 and <= 0xE0FFF),
    };
}
