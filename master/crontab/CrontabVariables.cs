using System.Text;
using Dts.Common.Cron;
using Dts.Common.Hosting;
using Dts.Common.Jobs;

namespace Dts.Master.Crontab;

/// <summary>The variables of a crontab at one of its lines. Each applies to the lines after it.</summary>
internal sealed class CrontabVariables
{
    public const string Zone = "CRON_TZ";
    public const string Shell = "SHELL";

    private const string DefaultShell = "/bin/sh";
    private const int NamesMax = 200;
    private const int BytesMax = 32 << 10;

    private readonly Dictionary<string, string> _env = [];
    private Dictionary<string, string>? _shared; // A copy for all jobs until the next variable.

    public string ShellNow { get; private set; } = DefaultShell;

    /// <summary>The zone of the next schedules; empty = the default.</summary>
    public string ZoneNow { get; private set; } = "";

    public IReadOnlyDictionary<string, string> Env => _env;

    /// <summary>The size of <see cref="Env"/> in UTF-8.</summary>
    public int EnvBytes { get; private set; }

    /// <summary>Sets a variable, and returns differences in meaning; null = the line is refused.</summary>
    public IReadOnlyList<string>? Set(string name, string value, out string why)
    {
        why = "";
        switch (name)
        {
            case Shell:
                ShellNow = value.Length > 0 ? value : DefaultShell;
                return [];
            case Zone:
                ZoneNow = value;
                return [];
            case "LOGNAME":
                return ["LOGNAME is left out: cron sets it to the user that the command runs as, and so does the worker"];
            default:
                break;
        }

        if (JobRules.FindBadEnv(new Dictionary<string, string> { [name] = value }) is { } fault)
        {
            why = $"{fault}; the jobs after it are read without it";
            return null;
        }

        var bytes = EnvBytes + BytesOf(name, value) - (_env.TryGetValue(name, out var former) ? BytesOf(name, former) : 0);
        if (bytes > BytesMax || (_env.Count == NamesMax && former is null))
        {
            why = $"{Display.Line(name)} is one too many: expected at most {NamesMax} variables with {BytesMax} bytes; "
                + "the jobs after it are read without it";
            return null;
        }

        (_env[name], EnvBytes, _shared) = (value, bytes, null);
        return [.. Notes(name, value)];
    }

    private static int BytesOf(string name, string value) => Encoding.UTF8.GetByteCount(name) + Encoding.UTF8.GetByteCount(value);

    /// <summary>The job with the members that variables set.</summary>
    public Job Apply(Job job) => job with
    {
        Shell = ShellNow,
        TimeZone = ZoneNow.Length > 0 ? ZoneNow : _env.TryGetValue("TZ", out var zone) && IsZone(zone) ? zone : "",
        Cwd = _env.TryGetValue("HOME", out var home) && home.StartsWith('/') ? home : "",
        Env = _shared ??= new Dictionary<string, string>(_env),
    };

    private IEnumerable<string> Notes(string name, string value)
    {
        if (name == "MAILTO" && value.Length > 0)
        {
            yield return $"no mail goes to {Display.Line(value)}: a run's record keeps its output; commands still find MAILTO in env";
        }

        if (name is "MAILFROM" or "CONTENT_TYPE" or "CONTENT_TRANSFER_ENCODING")
        {
            yield return $"{name} is only a variable here: no mail is sent";
        }

        if (name == "RANDOM_DELAY")
        {
            yield return "RANDOM_DELAY is only a variable here: runs start on time; H in a schedule spreads jobs";
        }

        if (name == "HOME" && value.StartsWith('/'))
        {
            yield return "HOME is also the folder that the commands start in (cwd), as in cron";
        }

        if (name == "TZ")
        {
            yield return !IsZone(value) ? "TZ is no zone that DTS knows: only the commands see it, as in cron"
                : ZoneNow.Length > 0 ? "TZ holds for the commands, CRON_TZ for the schedules, as in cronie"
                : "TZ is also the zone of the schedules here; cron applies it to the commands only";
        }

        if (value.Contains('$'))
        {
            yield return $"{name} keeps its $ as text: cron does not expand variables either";
        }
    }

    private static bool IsZone(string text) => text.Length > 0 && CronZone.TryGet(text, out _, out _);
}
