using System.Text;
using System.Text.Json.Nodes;
using Dts.Common.Cron;
using Dts.Common.Hosting;
using Dts.Common.Jobs;
using Dts.Master.Jobs;

namespace Dts.Master.Crontab;

/// <summary>Writes jobs as a crontab that cron can use and that <see cref="CrontabReader"/> reads back into the same jobs.</summary>
/// <remarks>
/// Members that a line cannot express stand above it as <c># dts: {…}</c>; they are found by reading the line back. A job that cron would
/// misread, or that is paused, is only a comment: <c># dts-job: {…}</c>, below one that says why.
/// </remarks>
internal static class CrontabWriter
{
    /// <summary>The most bytes of a command, or of a variable's line, that every cron reads; Vixie's cuts off the rest.</summary>
    private const int BytesMax = 998;

    public static string Write(IEnumerable<Job> jobs, CronZone defaultZone)
    {
        // Variables apply to all lines after them, so jobs with few come first.
        var sorted = jobs.OrderBy(job => job.Env.Count).ThenBy(job => job.TimeZone, StringComparer.Ordinal)
            .ThenBy(job => job.Shell, StringComparer.Ordinal).ThenBy(job => job.Name, StringComparer.Ordinal).ToList();
        var format = sorted.Count > 0 && sorted.All(job => job.User.Length > 0) ? CrontabFormat.System : CrontabFormat.User;
        var text = new StringBuilder();
        text.Append(CrontabFormats.Header).Append(format == CrontabFormat.System ? "system" : "user").Append('\n');
        text.Append("# Lines that begin with \"# dts\" hold what crontabs cannot express: cron skips them, imports into DTS read them.\n");
        var variables = new CrontabVariables();
        _ = TrySet(text, variables, CrontabVariables.Zone, defaultZone.Id);
        _ = TrySet(text, variables, CrontabVariables.Shell, "/bin/bash"); // The worker's default.
        foreach (var job in sorted)
        {
            text.Append('\n').Append(Lines(job, format, variables, defaultZone));
        }

        return text.ToString();
    }

    private static string Lines(Job job, CrontabFormat format, CrontabVariables variables, CronZone defaultZone)
    {
        var shell = job.Shell.Length > 0 ? job.Shell : "/bin/bash";
        var written = CrontabCommand.Write(job.Command, shell);
        var why = !job.Enabled ? "it is paused"
            : !CrontabSchedule.MeansTheSame(job.CronExpr) ? "cron refuses its schedule, or reads another from it"
            : (shell + job.User).Any(char.IsWhiteSpace) ? "its shell or user has a blank"
            : written is null ? "no line can express its command"
            : Encoding.UTF8.GetByteCount(written) is > BytesMax and var bytes
                ? $"its command takes {bytes} bytes, and cron reads {BytesMax}"
            : "";
        if (why.Length > 0)
        {
            return Comment(job, why);
        }

        var text = new StringBuilder();
        var needed = job.Env.OrderBy(variable => variable.Key, StringComparer.Ordinal)
            .Prepend(new(CrontabVariables.Shell, shell))
            .Prepend(new(CrontabVariables.Zone, job.TimeZone.Length > 0 ? job.TimeZone : defaultZone.Id));
        foreach (var (name, value) in needed)
        {
            if (!TrySet(text, variables, name, value))
            {
                return text + Comment(job, $"no line of {BytesMax} bytes can express its variable {Display.Line(name)}");
            }
        }

        var user = format == CrontabFormat.System ? job.User + ' ' : "";
        var line = $"{job.CronExpr} {user}{written}";
        var comment = IsRead(job.Description, format) ? $"# {job.Description}\n" : "";
        var above = WithoutNote(comment.Length > 0 ? job.Description : "", line, format, variables);
        var own = JobMembers.ToObject(job);
        foreach (var (name, value) in above)
        {
            if (own.ContainsKey(name) && JsonNode.DeepEquals(own[name], value))
            {
                own.Remove(name);
            }
        }

        return $"{text}{comment}# {JobNote.OfLine}{Json(own)}\n{line}\n";
    }

    /// <summary>Whether the reader finds a description in a comment above a line.</summary>
    private static bool IsRead(string description, CrontabFormat format)
    {
        if (description.Length == 0 || description.Contains('\n') || JobNote.TryParse(0, description) is not null)
        {
            return false;
        }

        var read = CrontabReader.Read($"# {description}\n0 0 * * * root true", new ImportOptions(format), CronZone.Utc);
        return read.Jobs.SingleOrDefault()?.Job.Description == description;
    }

    /// <summary>The members of the job that the reader builds from a line alone.</summary>
    private static JsonObject WithoutNote(string description, string line, CrontabFormat format, CrontabVariables variables) =>
        CrontabText.Parse(line, format) is CrontabText.Entry entry
            && CrontabReader.Build(entry, variables, description, [], out _) is { } built
            ? JobMembers.ToObject(built)
            : [];

    private static string Comment(Job job, string why) =>
        $"# cron does not run \"{Display.Line(job.Name)}\": {why}\n# {JobNote.OfJob}{Json(JobMembers.ToObject(job))}\n";

    /// <summary>Writes a variable, unless it has this value already; false = no line can express it.</summary>
    private static bool TrySet(StringBuilder text, CrontabVariables variables, string name, string value)
    {
        var known = name switch
        {
            CrontabVariables.Zone => variables.ZoneNow,
            CrontabVariables.Shell => variables.ShellNow,
            _ => variables.Env.GetValueOrDefault(name),
        };
        if (known == value)
        {
            return true;
        }

        if (LineOf(name, value) is not { } line || variables.Set(name, value, out _) is null)
        {
            return false;
        }

        text.Append(line).Append('\n');
        return true;
    }

    private static string? LineOf(string name, string value)
    {
        var plain = $"{name}={value}";
        string[] lines = [.. value.Length > 0 ? (string[])[plain] : [], $"{name}=\"{value}\"", $"{name}='{value}'"]; // Cron refuses "A=".
        return plain.AsSpan().ContainsAny('\n', '\r') ? null : Array.Find(lines, line =>
            Encoding.UTF8.GetByteCount(line) <= BytesMax
                && CrontabText.Parse(line, CrontabFormat.User) is CrontabText.Variable read
                && (read.Name, read.Value) == (name, value));
    }

    private static string Json(JsonObject members) => members.ToJsonString(JobsJson.Readable.Options);
}
