using System.Text.RegularExpressions;
using Dts.Common.Hosting;

namespace Dts.Master.Crontab;

/// <summary>A crontab's five fields and DTS's expression for them.</summary>
internal static partial class CrontabSchedule
{
    private const int DayOfMonth = 2;
    private const int DayOfWeek = 4;

    private static readonly (int Low, int High)[] Limits = [(0, 59), (0, 23), (1, 31), (1, 12), (0, 6)];

    private static readonly string[] Names = ["@yearly", "@annually", "@monthly", "@weekly", "@daily", "@midnight", "@hourly"];

    /// <summary>DTS's expression for a schedule; null = cron reads it differently, and <paramref name="why"/> says how.</summary>
    public static string? Read(string schedule, List<string> notes, out string why)
    {
        why = "";
        var fields = schedule.Split(' ');
        if (fields.Length != Limits.Length)
        {
            return schedule;
        }

        if (fields.SelectMany(field => field.Split(',')).FirstOrDefault(item => StepFromValue().IsMatch(item)) is { } step)
        {
            var value = Display.Line(step[..step.IndexOf('/')]);
            why = $"cron refuses {Display.Line(step)} or reads it as {value} alone; write {value}-{value}, or a range with a step";
            return null;
        }

        for (var i = 0; i < fields.Length; i++)
        {
            if (fields[i].Contains('~'))
            {
                var limits = Limits[i];
                var hashed = Random().Replace(fields[i], match => Hashed(match, limits));
                notes.Add($"{Display.Line(fields[i])} is a random time that cron draws at each start; "
                    + $"{Display.Line(hashed)} is a fixed time that depends on the job's name");
                fields[i] = hashed;
            }
        }

        if (HasStarredDays(fields))
        {
            notes.Add(
                "both day fields are set and one begins with *: cron runs on days that match both, DTS on days that match either");
        }

        return string.Join(' ', fields);
    }

    /// <summary>Whether an expression means the same to cron and DTS.</summary>
    public static bool MeansTheSame(string expression)
    {
        var fields = expression.Split(' ');
        return fields.Length == Limits.Length
            ? fields.All(field => field.Split(',').All(IsItem)) && !HasStarredDays(fields)
            : Names.Contains(expression);
    }

    /// <summary>Whether cron runs on days that match both day fields: it does if one begins with a star.</summary>
    private static bool HasStarredDays(string[] fields) =>
        IsRestricted(fields[DayOfMonth])
            && IsRestricted(fields[DayOfWeek])
            && (fields[DayOfMonth].StartsWith('*') || fields[DayOfWeek].StartsWith('*'));

    private static bool IsRestricted(string field) => field is not ("*" or "*/1" or "?");

    private static bool IsItem(string item) =>
        Item().Match(item) is { Success: true } match
            && (!match.Groups["to"].Success
                || !int.TryParse(match.Groups["from"].Value, out var from)
                || !int.TryParse(match.Groups["to"].Value, out var to)
                || from <= to);

    private static string Hashed(Match match, (int Low, int High) limits)
    {
        var from = match.Groups[1].Value is { Length: > 0 } low ? low : $"{limits.Low}";
        var to = match.Groups[2].Value is { Length: > 0 } high ? high : $"{limits.High}";
        return $"H({from}-{to})";
    }

    [GeneratedRegex(@"^(\d+|[A-Za-z]{3,9})/\d+\z")]
    private static partial Regex StepFromValue();

    [GeneratedRegex(@"(\d*)~(\d*)")]
    private static partial Regex Random();

    [GeneratedRegex(@"^(\*(/\d+)?|(?<from>\d+)(-(?<to>\d+)(/\d+)?)?|[A-Za-z]{3}(-[A-Za-z]{3})?)\z")]
    private static partial Regex Item();
}
