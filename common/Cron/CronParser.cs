using System.Globalization;

namespace Dts.Common.Cron;

/// <summary>Parses a schedule: counts its fields, reads the names that begin with @, and refuses what never fires.</summary>
internal static class CronParser
{
    private const int LengthMax = 4096;
    private const long PeriodMax = 3650L * Calendar.SecondsPerDay;

    private static readonly CronField[] Fields =
        [CronField.Second, CronField.Minute, CronField.Hour, CronField.DayOfMonth, CronField.Month, CronField.DayOfWeek, CronField.Year];

    /// <summary>A schedule, or the error if there is none.</summary>
    public readonly record struct Result(Schedule? Schedule, string Text, bool IsHashed, string Error);

    public static Result Parse(string text, string hashKey)
    {
        if (text.Length > LengthMax)
        {
            return Fail($"the schedule has {text.Length} characters; {LengthMax} are allowed");
        }

        if (FindOddBlank(text) is { } blank)
        {
            return Fail(blank);
        }

        Span<char> written = stackalloc char[text.Length];
        Span<char> upper = stackalloc char[text.Length];
        var length = CronText.Canonicalize(text, written, upper);
        written = written[..length];
        upper = upper[..length];
        if (upper.Length == 0)
        {
            return Fail("the schedule is empty; write 5 fields such as 0 3 * * *, or a name such as @daily");
        }

        return upper[0] == '@' ? ParseNamed(written, upper, hashKey) : ParseFields(text, written, upper, hashKey);
    }

    /// <summary>
    /// Names the first character that looks like a space or is invisible, but does not separate fields. Text copied from a web page
    /// has such characters.
    /// </summary>
    private static string? FindOddBlank(string text)
    {
        for (var i = 0; i < text.Length; i++)
        {
            if (text[i] is not (' ' or '\t' or '\r' or '\n') and (< '!' or > '~'))
            {
                var looks = text[i] == '\u00A0' ? ", a no-break space; write a plain space"
                    : char.IsWhiteSpace(text[i]) ? ", which looks like a space; write a plain space"
                    : char.GetUnicodeCategory(text[i]) == UnicodeCategory.Format ? ", which is invisible; remove it"
                    : "";
                if (looks.Length > 0)
                {
                    return $"character {i + 1} is {CronText.Show(text[i])}{looks}";
                }
            }
        }

        return null;
    }

    private static Result ParseFields(string original, ReadOnlySpan<char> written, ReadOnlySpan<char> text, string hashKey)
    {
        var count = text.Count(' ') + 1;
        if (FindWrongShape(written, count, hashKey) is { } wrong)
        {
            return Fail(wrong);
        }

        var values = new FieldValues { IsEveryYear = count < 7 };
        if (count == 5)
        {
            values.Add(CronField.Second, 0);
        }

        var isRepeating = false;
        var isHashed = false;
        var isAnyDay = false;
        var start = 0;
        for (var i = 0; i < count; i++)
        {
            var index = count == 5 ? i + 1 : i;
            var length = text[start..].IndexOf(' ');
            var own = start..(length < 0 ? text.Length : start + length);
            var reader = new FieldReader(Fields[index], i + 1, text[own], written[own], start);
            var field = new FieldParser(Fields[index], reader, hashKey, values);
            if (!field.Parse())
            {
                return Fail(field.Error);
            }

            start += length + 1;
            isRepeating |= Fields[index].IsTime && field.IsRepeating;
            isHashed |= field.IsHashed;
            switch (index)
            {
                case 3: isAnyDay = field.IsAny; break;
                case 5 when field.IsAny: values.Clear(CronField.DayOfWeek); break;
                case 5 when isAnyDay: values.Clear(CronField.DayOfMonth); break;
                case 6: values.IsEveryYear = field.IsAny; break;
                default: break;
            }
        }

        var times = new WallTimes(values);
        return times.Next(0) == Schedule.Never
            ? Fail("the schedule never fires: no year from 1970 to 2099 has such a day")
            : Succeed(new FieldSchedule(times, hasFixedTimes: !isRepeating), original, text, isHashed);
    }

    private static string? FindWrongShape(ReadOnlySpan<char> text, int count, string hashKey)
    {
        if (text.Contains('|'))
        {
            return "| is reserved; a job has one schedule";
        }

        if (count is < 5 or > 7)
        {
            var fields = count == 1 ? "field" : "fields";
            return $"{count} {fields}; a schedule has 5 (minute first), 6 (second first) or 7 (second first, year last)";
        }

        if (count != 6 || !LooksLikeYear(text[(text.LastIndexOf(' ') + 1)..]))
        {
            return null;
        }

        var meant = $"0 {text}";
        return "6 fields are second first; for a year write 7" + (Parse(meant, hashKey).Schedule is null ? "" : $": {meant}");
    }

    private static bool LooksLikeYear(ReadOnlySpan<char> field) => field.Length >= 4
        && int.TryParse(field[..4], NumberStyles.None, CultureInfo.InvariantCulture, out var year)
        && year is >= Calendar.FirstYear and <= Calendar.LastYear;

    private static Result ParseNamed(ReadOnlySpan<char> written, ReadOnlySpan<char> text, string hashKey)
    {
        var space = text.IndexOf(' ');
        var name = space < 0 ? text : text[..space];
        var writtenName = written[..name.Length];
        var rest = space < 0 ? "" : text[(space + 1)..];
        var writtenRest = space < 0 ? "" : written[(space + 1)..];
        switch (name)
        {
            case "@EVERY": return ParseEvery(writtenRest, rest);
            case "@AT": return ParseAt(writtenRest, rest);
            case "@REBOOT":
                return Fail("@reboot is refused: a job belongs to the cluster, not to one host's boot; use a systemd unit for that");
            default: break;
        }

        var fields = name switch
        {
            "@YEARLY" or "@ANNUALLY" => "0 0 1 1 *",
            "@MONTHLY" => "0 0 1 * *",
            "@WEEKLY" => "0 0 * * 0",
            "@DAILY" or "@MIDNIGHT" => "0 0 * * *",
            "@HOURLY" => "0 * * * *",
            "@MINUTELY" or "@EVERY_MINUTE" => "* * * * *",
            "@EVERY_SECOND" => "* * * * * *",
            _ => "",
        };
        if (fields.Length == 0)
        {
            return Fail($"{CronText.Quote(writtenName)} is not known; there are @yearly @monthly @weekly @daily @hourly @minutely, "
                    + "@every 90s and @at 2026-12-24T18:00:00Z");
        }

        return rest.Length > 0
            ? Fail($"{writtenName} stands alone; {CronText.Quote(writtenRest)} is too much")
            : Parse(fields, hashKey) with { Text = name.ToString().ToLowerInvariant() };
    }

    private static Result ParseEvery(ReadOnlySpan<char> written, ReadOnlySpan<char> text)
    {
        const string example = "write a whole number with each unit: 90s, 15m, 1h30m, 7d";
        var period = 0L;
        for (var at = 0; at < text.Length;)
        {
            var digits = text[at..].IndexOfAnyExceptInRange('0', '9');
            if (digits is < 1 or > 9)
            {
                return Fail($"@every {CronText.Quote(written)} is not a duration; {example}");
            }

            var size = text[at + digits] switch { 'S' => 1, 'M' => 60, 'H' => 3600, 'D' => 86400, 'W' => 604800, _ => 0 };
            if (size == 0 || text[(at + digits)..].StartsWith("MS"))
            {
                return Fail($"@every {CronText.Quote(written)} is not a duration; {example}; plan times are whole seconds");
            }

            period += long.Parse(text.Slice(at, digits), NumberStyles.None, CultureInfo.InvariantCulture) * size;
            at += digits + 1;
            if (period > PeriodMax)
            {
                return Fail($"@every {CronText.Quote(written)} is above {PeriodMax / Calendar.SecondsPerDay}d");
            }
        }

        return period > 0
            ? new Result(new EverySchedule(period), $"@every {CronText.Duration(period)}", false, "")
            : Fail($"@every needs a duration of at least 1s; {example}");
    }

    private static Result ParseAt(ReadOnlySpan<char> written, ReadOnlySpan<char> text)
    {
        var instants = new SortedSet<long>();
        foreach (var range in text.Split(','))
        {
            var item = text[range].Trim(' ');
            var shown = CronText.Quote(written[range].Trim(' '));
            if (item.Length >= 16 && !item.EndsWith("Z") && !item[16..].ContainsAny('+', '-'))
            {
                return Fail($"@at {shown} has no zone; end it with Z for UTC, or with an offset such as +01:00");
            }

            if (!DateTimeOffset.TryParseExact(
                item,
                ["yyyy-MM-dd'T'HH:mm:ssK", "yyyy-MM-dd'T'HH:mmK"],
                CultureInfo.InvariantCulture,
                DateTimeStyles.AssumeUniversal,
                out var instant))
            {
                return Fail($"@at {shown} is not an instant; write 2026-12-24T18:00:00Z, and commas between several");
            }

            if (instant.UtcDateTime.Year is < Calendar.FirstYear or > Calendar.LastYear)
            {
                return Fail($"@at {shown} is outside {Calendar.FirstYear} to {Calendar.LastYear}");
            }

            instants.Add(instant.ToUnixTimeSeconds());
        }

        var canonical = "@at " + string.Join(',', instants.Select(CronText.Instant));
        return new Result(new AtSchedule([.. instants]), canonical, false, "");
    }

    private static Result Succeed(Schedule schedule, string original, ReadOnlySpan<char> canonical, bool isHashed) =>
        new(schedule, canonical.SequenceEqual(original) ? original : canonical.ToString(), isHashed, "");

    private static Result Fail(string error) => new(null, "", false, error);
}
