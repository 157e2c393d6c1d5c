using Dts.Common.Cron;
using Dts.Master.Jobs;
using Xunit;

namespace Dts.Tests.Unit.Cron;

/// <summary>What is refused, and in which words.</summary>
public sealed class CronErrorTable
{
    [Theory]
    // the number of fields
    [InlineData("",                     "the schedule is empty; write 5 fields such as 0 3 * * *, or a name such as @daily")]
    [InlineData("* * * *",              "4 fields; a schedule has 5 (minute first), 6 (second first) or 7 (second first, year last)")]
    [InlineData("* * * * * * * *",      "8 fields; a schedule has 5 (minute first), 6 (second first) or 7 (second first, year last)")]
    [InlineData("0 12 1 1 * 2027",      "6 fields are second first; for a year write 7: 0 0 12 1 1 * 2027")]
    [InlineData("0 12 32 1 * 2027",      "6 fields are second first; for a year write 7")]
    [InlineData("0 12 1 1 * 2027-2030", "6 fields are second first; for a year write 7: 0 0 12 1 1 * 2027-2030")]

    // characters that look like blanks
    [InlineData("0\u00A03 * * *",    "character 2 is U+00A0, a no-break space; write a plain space")]
    [InlineData("*/5 * * * *\u00A0", "character 12 is U+00A0, a no-break space; write a plain space")]
    [InlineData("0 3\u3000* * *",    "character 4 is U+3000, which looks like a space; write a plain space")]
    [InlineData("0 3 *\v* *",        "character 6 is U+000B, which looks like a space; write a plain space")]
    [InlineData("\uFEFF0 3 * * *",   "character 1 is U+FEFF, which is invisible; remove it")]
    [InlineData("@every\u200B90s",   "character 7 is U+200B, which is invisible; remove it")]

    // values out of range
    [InlineData("60 * * * *",                   "60 is above 59 in minutes (field 1)")]
    [InlineData("* 24 * * *",                   "24 is above 23 in hours (field 2); midnight is 0")]
    [InlineData("* 25 * * *",                   "25 is above 23 in hours (field 2); minutes come before hours")]
    [InlineData("2 30 * * *",                   "30 is above 23 in hours (field 2); minutes come before hours")]
    [InlineData("* * 0 * *",                    "0 is below 1 in days of month (field 3)")]
    [InlineData("* * 32 * *",                   "32 is above 31 in days of month (field 3)")]
    [InlineData("* * * 0 *",                    "0 is below 1 in months (field 4)")]
    [InlineData("* * * 13 *",                   "13 is above 12 in months (field 4)")]
    [InlineData("* * * * 8",                    "8 is above 7 in days of week (field 5)")]
    [InlineData("0 0 12 1 1 * 1969",            "1969 is below 1970 in years (field 7)")]
    [InlineData("0 0 12 1 1 * 2100",            "2100 is above 2099 in years (field 7)")]
    [InlineData("0 12 1 1 2027",                "2027 is above 7 in days of week (field 5); a year is the last of 7 fields")]
    [InlineData("* * 32W * *",                  "32 is above 31 in days of month (field 3)")]
    [InlineData("99999999999999999999 * * * *", "999999999999… is above 59 in minutes (field 1)")]
    [InlineData("0 0 0 0 0",                    "0 is below 1 in days of month (field 3)")]

    // steps
    [InlineData("*/0 * * * *",  "a step without a number from 1 up in minutes (field 1), character 3")]
    [InlineData("*/60 * * * *", "step 60 is above 59 in minutes (field 1), character 3; for every 60 minutes write @every 60m")]
    [InlineData("*/90 * * * *", "step 90 is above 59 in minutes (field 1), character 3; for every 90 minutes write @every 90m")]
    [InlineData("0 */24 * * *", "step 24 is above 23 in hours (field 2), character 5; for every 24 hours write @every 24h")]
    [InlineData("0 0 */40 * *", "step 40 is above 30 in days of month (field 3), character 7; for every 40 days write @every 40d")]
    [InlineData("*/x * * * *",  "a step without a number from 1 up in minutes (field 1), character 3")]
    [InlineData("*/ * * * *",   "a step without a number from 1 up in minutes (field 1), character 3")]

    // names
    [InlineData("a * * * *",       "a is not a value in minutes (field 1)")]
    [InlineData("MON * * * *",     "MON is not a value in minutes (field 1); it is a day of the week")]
    [InlineData("* * * MON *",     "MON is not a value in months (field 4); it is a day of the week")]
    [InlineData("* * * * JAN",     "JAN is not a value in days of week (field 5); it is a month")]
    [InlineData("* * * * MONDA",   "MONDA is not a value in days of week (field 5); write MON")]
    [InlineData("* * * * MONDAYX", "'X' is unexpected in days of week (field 5), character 15")]
    [InlineData("* * * JANUARI *", "JANUARI is not a value in months (field 4); write JAN")]
    [InlineData("* * * * FOO",     "FOO is not a value in days of week (field 5)")]
    [InlineData("* * * * L",       "L is not a value in days of week (field 5); 5L is the last Friday of the month")]
    [InlineData("* * W * *",       "W is not a value in days of month (field 3); it stands only in the days of month")]
    [InlineData("L * * * *",       "L is not a value in minutes (field 1); it stands only in the days of month")]
    [InlineData("R * * * *",       "R is not a value in minutes (field 1)")]

    // as written
    [InlineData("* * * * foo",     "foo is not a value in days of week (field 5)")]
    [InlineData("* * * * Monda",   "Monda is not a value in days of week (field 5); write MON")]
    [InlineData(" *\t*  * * mondayx", "'x' is unexpected in days of week (field 5), character 15")]
    [InlineData("l * * * *",       "l is not a value in minutes (field 1); it stands only in the days of month")]
    [InlineData("0 12 1 Jan * 2027", "6 fields are second first; for a year write 7: 0 0 12 1 Jan * 2027")]
    [InlineData("@Every 90X",
        "@every \"90X\" is not a duration; write a whole number with each unit: 90s, 15m, 1h30m, 7d; plan times are whole seconds")]
    [InlineData("@at 2026-12-24t18:00", "@at \"2026-12-24t18:00\" has no zone; end it with Z for UTC, or with an offset such as +01:00")]
    [InlineData("@Daily x",        "@Daily stands alone; \"x\" is too much")]

    // hashes, special days
    [InlineData("* * L5 * *",            "'5' is unexpected in days of month (field 3), character 6")]
    [InlineData("* * L-31 * *",          "L- without a number of days from 0 to 30 in days of month (field 3), character 7")]
    [InlineData("* * 15W-20 * *",        "'-' is unexpected in days of month (field 3), character 8")]
    [InlineData("* * * * MON#6",         "# without a number from 1 to 5 in days of week (field 5), character 13")]
    [InlineData("* * * * MON#0",         "# without a number from 1 to 5 in days of week (field 5), character 13")]
    [InlineData("* * * * MON#",          "# without a number from 1 to 5 in days of week (field 5), character 13")]
    [InlineData("* * * * MON-FRI#1",     "'#' is unexpected in days of week (field 5), character 16")]
    [InlineData("* * * * 5L#2",          "'#' is unexpected in days of week (field 5), character 11")]
    [InlineData("H * * * *",             "H is not a value in minutes (field 1): it is derived from the job's name, and none was given")]
    [InlineData("H(5-2) * * * *",        "H(5-2) runs backwards in minutes (field 1)", "backup")]
    [InlineData("H(5-60) * * * *",       "60 is above 59 in minutes (field 1), character 5", "backup")]
    [InlineData("H(5 * * * *",           "the end came too soon in minutes (field 1), character 4; '-' was expected", "backup")]
    [InlineData("H/60 * * * *",          "step 60 is above 59 in minutes (field 1), character 3; "
        + "for every 60 minutes write @every 60m", "backup")]
    [InlineData("0 0 0 1 1 ? H",         "H is not a value in years (field 7)", "backup")]
    [InlineData("0 0 0 1 1 ? 2030-2027", "2030-2027 runs backwards in years (field 7)")]
    [InlineData("0 0 1W,2L * *",         "'L' is unexpected in days of month (field 3), character 9")]

    // what never fires, in any year
    [InlineData("0 0 30 2 *",         "the schedule never fires: no year from 1970 to 2099 has such a day")]
    [InlineData("0 0 31 4,6,9,11 *",  "the schedule never fires: no year from 1970 to 2099 has such a day")]
    [InlineData("0 0 0 29 2 ? 2027",  "the schedule never fires: no year from 1970 to 2099 has such a day")]
    [InlineData("0 0 L-30 2 *",       "the schedule never fires: no year from 1970 to 2099 has such a day")]
    [InlineData("0 0 0 ? 2 1#5 2027", "the schedule never fires: no year from 1970 to 2099 has such a day")]

    // @every
    [InlineData("@every",              "@every needs a duration of at least 1s; write a whole number with each unit: 90s, 15m, 1h30m, 7d")]
    [InlineData("@every 90",           "@every \"90\" is not a duration; write a whole number with each unit: 90s, 15m, 1h30m, 7d")]
    [InlineData("@every 0s",           "@every needs a duration of at least 1s; write a whole number with each unit: 90s, 15m, 1h30m, 7d")]
    [InlineData("@every 500ms",
        "@every \"500ms\" is not a duration; write a whole number with each unit: 90s, 15m, 1h30m, 7d; plan times are whole seconds")]
    [InlineData("@every 1.5h",
        "@every \"1.5h\" is not a duration; write a whole number with each unit: 90s, 15m, 1h30m, 7d; plan times are whole seconds")]
    [InlineData("@every -5m",          "@every \"-5m\" is not a duration; write a whole number with each unit: 90s, 15m, 1h30m, 7d")]
    [InlineData("@every 5y",
        "@every \"5y\" is not a duration; write a whole number with each unit: 90s, 15m, 1h30m, 7d; plan times are whole seconds")]
    [InlineData("@every 4000d",        "@every \"4000d\" is above 3650d")]
    [InlineData("@every 99999999999s",
        "@every \"99999999999s\" is not a duration; write a whole number with each unit: 90s, 15m, 1h30m, 7d")]
    [InlineData("@every 1h 30m",       "@every \"1h 30m\" is not a duration; write a whole number with each unit: 90s, 15m, 1h30m, 7d")]

    // @at
    [InlineData("@at",                        "@at \"\" is not an instant; write 2026-12-24T18:00:00Z, and commas between several")]
    [InlineData("@at tomorrow",               "@at \"tomorrow\" is not an instant; write 2026-12-24T18:00:00Z, and commas between several")]
    [InlineData("@at 2026-12-24",
        "@at \"2026-12-24\" is not an instant; write 2026-12-24T18:00:00Z, and commas between several")]
    [InlineData("@at 2026-12-24T18:00:00",
        "@at \"2026-12-24T18:00:00\" has no zone; end it with Z for UTC, or with an offset such as +01:00")]
    [InlineData("@at 2026-12-24T18:00",
        "@at \"2026-12-24T18:00\" has no zone; end it with Z for UTC, or with an offset such as +01:00")]
    [InlineData("@at 2026-13-24T18:00:00Z",
        "@at \"2026-13-24T18:00:00Z\" is not an instant; write 2026-12-24T18:00:00Z, and commas between several")]
    [InlineData("@at 1969-12-24T18:00:00Z",   "@at \"1969-12-24T18:00:00Z\" is outside 1970 to 2099")]
    [InlineData("@at 2026-12-24T18:00:00.5Z",
        "@at \"2026-12-24T18:00:00.5Z\" is not an instant; write 2026-12-24T18:00:00Z, and commas between several")]
    [InlineData("@at 2026-12-24T18:00:00Z,",  "@at \"\" is not an instant; write 2026-12-24T18:00:00Z, and commas between several")]

    // other names
    [InlineData("@reboot",  "@reboot is refused: a job belongs to the cluster, not to one host's boot; use a systemd unit for that")]
    [InlineData("@foo",     "\"@foo\" is not known; there are @yearly @monthly @weekly @daily @hourly @minutely, "
        + "@every 90s and @at 2026-12-24T18:00:00Z")]
    [InlineData("@daily 5", "@daily stands alone; \"5\" is too much")]

    // what does not belong
    [InlineData("-5 * * * *",            "'-' is unexpected in minutes (field 1)")]
    [InlineData("5- * * * *",            "the end came too soon in minutes (field 1), character 3")]
    [InlineData("*5 * * * *",            "'5' is unexpected in minutes (field 1), character 2")]
    [InlineData("5* * * * *",            "'*' is unexpected in minutes (field 1), character 2")]
    [InlineData("1,,2 * * * *",          "',' is unexpected in minutes (field 1), character 3")]
    [InlineData("1, * * * *",            "the end came too soon in minutes (field 1), character 3")]
    [InlineData(",1 * * * *",            "',' is unexpected in minutes (field 1)")]
    [InlineData("* * * * * | 0 0 * * *", "| is reserved; a job has one schedule")]
    [InlineData("* * * * é",             "U+00E9 is unexpected in days of week (field 5)")]
    [InlineData("1-2-3 * * * *",         "'-' is unexpected in minutes (field 1), character 4")]
    [InlineData("1/2/3 * * * *",         "'/' is unexpected in minutes (field 1), character 4")]
    [InlineData("1-5/2-3 * * * *",       "'-' is unexpected in minutes (field 1), character 6")]
    [InlineData("٣ * * * *",             "U+0663 is unexpected in minutes (field 1)")]
    public void The_schedule_is_refused_with(string text, string message, string hashKey = "")
    {
        Assert.False(CronExpression.TryParse(text, hashKey, out _, out var error));
        Assert.Equal(message, error);
        Assert.DoesNotContain('\n', error);
        Assert.Equal(error, Assert.Throws<CronFormatException>(() => CronExpression.Parse(text, hashKey)).Message);
    }

    [Theory]
    [InlineData("Berlin",              "unknown time zone \"Berlin\"; did you mean Europe/Berlin?")]
    [InlineData("europe/berlin",       "unknown time zone \"europe/berlin\"; did you mean Europe/Berlin?")]
    [InlineData("Europe/Berln",        "unknown time zone \"Europe/Berln\"; did you mean Europe/Berlin?")]
    [InlineData("Europe/Munich",       "unknown time zone \"Europe/Munich\"; write an IANA id such as Europe/Berlin or UTC")]
    [InlineData("America/NewYork",     "unknown time zone \"America/NewYork\"; did you mean America/New_York?")]
    [InlineData("Asia/Calcuta",        "unknown time zone \"Asia/Calcuta\"; did you mean Asia/Calcutta?")]
    [InlineData("PST",                 "unknown time zone \"PST\"; write an IANA id such as Europe/Berlin or UTC")]
    [InlineData("CEST",                "unknown time zone \"CEST\"; did you mean CET?")]
    [InlineData("utc",                 "unknown time zone \"utc\"; did you mean Etc/UTC or UTC?")]
    [InlineData("GMT+2",               "unknown time zone \"GMT+2\"; did you mean Etc/GMT+2 or Etc/GMT-2?")]
    [InlineData("right/Europe/Berlin", "unknown time zone \"right/Europe/Berlin\"; did you mean Europe/Berlin?")]
    [InlineData("posix/UTC",           "unknown time zone \"posix/UTC\"; did you mean Etc/UTC or UTC?")]
    [InlineData("../../etc/passwd",    "unknown time zone \"../../etc/passwd\"; write an IANA id such as Europe/Berlin or UTC")]
    [InlineData("/etc/localtime",      "unknown time zone \"/etc/localtime\"; write an IANA id such as Europe/Berlin or UTC")]
    [InlineData("Europe",              "unknown time zone \"Europe\"; write an IANA id such as Europe/Berlin or UTC")]
    [InlineData("Europe/",             "unknown time zone \"Europe/\"; write an IANA id such as Europe/Berlin or UTC")]
    [InlineData("",                    "unknown time zone \"\"; write an IANA id such as Europe/Berlin or UTC")]
    [InlineData("Europe/Berlin ",      "unknown time zone \"Europe/Berlin \"; did you mean Europe/Berlin?")]
    [InlineData("Mars/Olympus_Mons",   "unknown time zone \"Mars/Olympus_Mons\"; write an IANA id such as Europe/Berlin or UTC")]
    [InlineData("tzdata.zi",           "unknown time zone \"tzdata.zi\"; write an IANA id such as Europe/Berlin or UTC")]
    public void The_zone_is_refused_with(string id, string message)
    {
        Assert.False(CronZone.TryGet(id, out _, out var error));
        Assert.Equal(message, ZoneNames.Explain(id, error));
        Assert.Equal(error, Assert.Throws<CronFormatException>(() => CronZone.Get(id)).Message);
    }
}
