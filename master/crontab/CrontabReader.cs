using System.Text.RegularExpressions;
using Dts.Common.Cron;
using Dts.Common.Hosting;
using Dts.Common.Jobs;
using Dts.Master.Jobs;

namespace Dts.Master.Crontab;

/// <summary>Reads a crontab line by line, as cron does, and turns each line into a job, a variable or a refusal.</summary>
/// <remarks>Pure, and not thread-safe: one reader reads one crontab.</remarks>
internal sealed partial class CrontabReader
{
    private const int LinesMax = 100_000;
    private const int EnvBytesMax = 32 << 20; // For all jobs together: etcd has a copy for each.

    private readonly CrontabFormat _format;
    private readonly ImportOptions _options;
    private readonly CronZone _defaultZone;
    private readonly CrontabVariables _variables = new();
    private readonly CrontabNames _names;
    private readonly List<CrontabLine> _lines = [];
    private readonly List<string> _comment = []; // The comment lines directly above the next line.
    private JobNote? _note; // DTS's own comment about the next line.
    private int _jobs;
    private long _envBytes;

    private CrontabReader(CrontabFormat format, ImportOptions options, CronZone defaultZone) =>
        (_format, _options, _defaultZone, _names) = (format, options, defaultZone, new CrontabNames(options.Prefix));

    /// <summary>Reads all lines, or stops after <see cref="JobSet.JobsMax"/> jobs and one more.</summary>
    /// <exception cref="FormatException">
    /// There are too many lines, the format is not clear, or the options name a user for a crontab that names its own.
    /// </exception>
    public static CrontabContent Read(string text, ImportOptions options, CronZone defaultZone, CancellationToken cancel = default)
    {
        if (text.AsSpan().Count('\n') > LinesMax)
        {
            throw new FormatException($"body has {text.AsSpan().Count('\n')} lines; expected at most {LinesMax}");
        }

        var hasWindowsLines = text.Contains("\r\n", StringComparison.Ordinal);
        var lines = text.TrimStart('\uFEFF').Replace("\r\n", "\n", StringComparison.Ordinal).Split('\n');
        var format = options.Format ?? CrontabFormats.Detect(lines);
        if (format == CrontabFormat.System && options.User.Length > 0)
        {
            throw new FormatException(
                $"user is \"{Display.Line(options.User)}\"; expected none: each line of a system crontab names its own");
        }

        var reader = new CrontabReader(format, options, defaultZone);
        for (var i = 0; i < lines.Length && reader._jobs <= JobSet.JobsMax; i++)
        {
            cancel.ThrowIfCancellationRequested();
            reader.ReadLine(i + 1, lines[i]);
        }

        return new CrontabContent(format, reader._lines, [.. reader.NotesForAll(hasWindowsLines)]);
    }

    /// <summary>The job of a line, without DTS's own comments; null = cron and DTS cannot agree on it.</summary>
    internal static Job? Build(
        CrontabText.Entry entry, CrontabVariables variables, string description, List<string> notes, out string why)
    {
        if (entry.IsQuiet)
        {
            notes.Add("the leading - is dropped: it only stops cron from logging the line");
        }

        if (CrontabSchedule.Read(entry.Schedule, notes, out why) is not { } schedule)
        {
            return null;
        }

        if (CrontabCommand.Read(entry.Command, variables.ShellNow, out var hasInput) is not { } command)
        {
            why = $"% passes a standard input to the command, which DTS writes as a here-document of sh; "
                + $"{Display.Line(variables.ShellNow)} has no such here-documents";
            return null;
        }

        if (hasInput)
        {
            notes.Add("% passes a standard input to the command: it became a here-document");
        }

        return variables.Apply(new Job("", command, schedule, Description: description, User: entry.User));
    }

    private IEnumerable<string> NotesForAll(bool hasWindowsLines)
    {
        if (!_lines.OfType<CrontabLine.Imported>().Any())
        {
            yield break;
        }

        if (hasWindowsLines)
        {
            yield return "the lines end with CR LF; cron passes the CR to the commands, DTS drops it";
        }

        if (_lines.OfType<CrontabLine.Imported>().Any(line => line.Job.TimeZone.Length == 0))
        {
            yield return $"schedules without CRON_TZ use the zone {_defaultZone} (setting timeZone); cron uses its host's zone";
        }

        yield return "a job may run on any worker, unless its target names some; cron runs it on its own host";
        yield return "a fire is skipped while the job's previous run is in flight (overlap forbid); cron starts a second run";
        if (_format == CrontabFormat.User && _options.User.Length == 0)
        {
            yield return "the commands run as the worker's jobUser; for another user import with ?user=";
        }
    }

    private void ReadLine(int number, string line)
    {
        switch (CrontabText.Parse(line, _format))
        {
            case CrontabText.Comment comment:
                ReadComment(number, comment.Text);
                return;
            case CrontabText.Variable variable:
                var notes = _variables.Set(variable.Name, variable.Value, out var why);
                _lines.Add(notes is null
                    ? new CrontabLine.Refused(number, why)
                    : new CrontabLine.Variable(number, variable.Name, notes));
                break;
            case CrontabText.Entry entry:
                _lines.Add(ReadEntry(number, entry));
                break;
            case CrontabText.Broken broken:
                _lines.Add(new CrontabLine.Refused(number, broken.Reason));
                break;
            default:
                break;
        }

        _comment.Clear();
        _note = null;
    }

    private void ReadComment(int number, string text)
    {
        if (JobNote.TryParse(number, text) is { } note)
        {
            if (note.IsWhole)
            {
                _lines.Add(Finish(number, [], note.Over([]), null));
            }

            _note = note.IsWhole ? null : note;
        }
        else if (IsDisabledEntry(text))
        {
            _lines.Add(new CrontabLine.Disabled(number));
            _comment.Clear();
        }
        else if (!text.Any(char.IsLetterOrDigit) || Heading().IsMatch(text))
        {
            _comment.Clear();
        }
        else
        {
            _comment.Add(text);
        }
    }

    private bool IsDisabledEntry(string text) =>
        text.Length > 0
            && (char.IsAsciiDigit(text[0]) || text[0] is '*' or '@')
            && CrontabText.Parse(text, _format) is CrontabText.Entry entry
            && (text[0] == '@' || CronExpression.TryParse(entry.Schedule, "-", out _, out _));

    private CrontabLine ReadEntry(int number, CrontabText.Entry entry)
    {
        List<string> notes = [];
        var comment = string.Join('\n', _comment);
        if (Build(entry, _variables, comment, notes, out var why) is not { } built)
        {
            return new CrontabLine.Refused(number, why);
        }

        if ((_envBytes += _variables.EnvBytes) > EnvBytesMax)
        {
            return new CrontabLine.Refused(
                number, $"its variables and those of the jobs above have more than {EnvBytesMax} bytes together; expected fewer variables");
        }

        built = built with { User = _format == CrontabFormat.User ? _options.User : entry.User };
        return _note is { } note
            ? Finish(number, notes, note.Over(JobMembers.ToObject(built)), null)
            : Finish(number, notes, (built, ""), () => _names.Pick(entry, comment));
    }

    private IReadOnlyDictionary<string, string> WithLabels(IReadOnlyDictionary<string, string> own) => _options.Labels.Count == 0
        ? own
        : own.Where(label => !_options.Labels.ContainsKey(label.Key)).Concat(_options.Labels).ToDictionary();

    /// <summary>Checks a job that was read.</summary>
    /// <param name="pick">Names the job; null = it has a name.</param>
    private CrontabLine Finish(int number, List<string> notes, (Job? Job, string Fault) read, Func<string>? pick)
    {
        if (read.Job is not { } job)
        {
            return new CrontabLine.Refused(number, read.Fault);
        }

        job = job with { Enabled = job.Enabled && !_options.Paused, Labels = WithLabels(job.Labels) };
        var fault = SaveRules.FindFault(pick is null ? job : job with { Name = "-" }, _defaultZone);
        if (fault is null && pick is null && !_names.TryTake(job.Name))
        {
            fault = $"name \"{Display.Line(job.Name)}\" is the name of a line above; expected another";
        }

        if (fault is not null)
        {
            return new CrontabLine.Refused(number, fault);
        }

        _jobs++;
        return new CrontabLine.Imported(number, pick is null ? job : job with { Name = pick() }, notes);
    }

    /// <summary>The line above the columns: "m h dom mon dow command".</summary>
    [GeneratedRegex(@"^\W*(m|min|minute|minutes)\b.*\b(h|hr|hour|hours)\b.*\b(dom|day|mday|d)\b", RegexOptions.IgnoreCase)]
    private static partial Regex Heading();
}
