using Dts.Common.Cron;
using Dts.Master.Jobs;
using Xunit;

namespace Dts.Tests.Unit.Cron;

/// <summary>Schedules in plain English, for a job named "job", and what is said about them on 1 July 2026.</summary>
public sealed class CronWordsTable
{
    [Theory]
    [InlineData("* * * * *",                  "UTC",              "every minute, UTC")]
    [InlineData("*/5 * * * *",                "UTC",              "every 5 minutes, UTC")]
    [InlineData("*/7 * * * *",                "UTC",              "at minutes 0, 7, 14, 21, 28, 35, 42, 49 and 56 of every hour, UTC")]
    [InlineData("5/10 * * * *",               "UTC",              "at minutes 5, 15, 25, 35, 45 and 55 of every hour, UTC")]
    [InlineData("0 * * * *",                  "UTC",              "every hour on the hour, UTC")]
    [InlineData("30 * * * *",                 "UTC",              "every hour at 30 past, UTC")]
    [InlineData("0,30 * * * *",               "UTC",              "every 30 minutes, UTC")]
    [InlineData("0 9 * * *",                  "UTC",              "at 09:00 every day, UTC")]
    [InlineData("0 9,17 * * *",               "UTC",              "at 09:00 and 17:00 every day, UTC")]
    [InlineData("30 9,12,17 * * *",           "UTC",              "at 09:30, 12:30 and 17:30 every day, UTC")]
    [InlineData("0 9-17 * * *",               "UTC",              "every hour on the hour from 09:00 to 17:59, UTC")]
    [InlineData("*/15 9-17 * * MON-FRI",      "UTC",              "every 15 minutes from 09:00 to 17:59 on Monday to Friday, UTC")]
    [InlineData("0 */2 * * *",                "UTC",              "every 2 hours from 00:00, UTC")]
    [InlineData("15 1/2 * * *",               "UTC",              "every 2 hours from 01:15, UTC")]
    [InlineData("0 */5 * * *",                "UTC",              "at 00:00, 05:00, 10:00, 15:00 and 20:00 every day, UTC")]
    [InlineData("*/10 */2 * * *",             "UTC",
        "every 10 minutes during hours 0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20 and 22, UTC")]
    [InlineData("* 2 * * *",                  "UTC",              "every minute from 02:00 to 02:59, UTC")]
    [InlineData("* 22-2 * * *",               "UTC",              "every minute from 22:00 to 02:59, UTC")]
    [InlineData("* * * * * *",                "UTC",              "every second, UTC")]
    [InlineData("*/10 * * * * *",             "UTC",              "every 10 seconds, UTC")]
    [InlineData("5/20 * * * * *",             "UTC",              "at seconds 5, 25 and 45 of every minute, UTC")]
    [InlineData("*/10 */5 * * * *",           "UTC",
        "every 10 seconds during minutes 0, 5, 10, 15, 20, 25, 30, 35, 40, 45, 50 and 55, UTC")]
    [InlineData("5,20 0 * * * *",             "UTC",              "at seconds 5 and 20 of every minute during minute 0, UTC")]
    [InlineData("15 30 * * * *",              "UTC",              "every hour at 30:15 past, UTC")]
    [InlineData("0 0 12 * * *",               "UTC",              "at 12:00 every day, UTC")]
    [InlineData("30 15 9 * * MON",            "UTC",              "at 09:15:30 on Monday, UTC")]
    [InlineData("0 0 1 * *",                  "UTC",              "at 00:00 on day 1 of the month, UTC")]
    [InlineData("0 0 1,15 * FRI",             "UTC",              "at 00:00 on days 1 and 15 of the month or on Friday, UTC")]
    [InlineData("0 0 1-7 * *",                "UTC",              "at 00:00 on days 1 to 7 of the month, UTC")]
    [InlineData("0 0 L * *",                  "UTC",              "at 00:00 on the last day of the month, UTC")]
    [InlineData("0 0 L-3 * *",                "UTC",              "at 00:00 on the day 3 days before the last of the month, UTC")]
    [InlineData("0 0 L-1,L * *",              "UTC",
        "at 00:00 on the last day of the month or on the day 1 day before the last of the month, UTC")]
    [InlineData("0 0 LW * *",                 "UTC",              "at 00:00 on the last weekday of the month, UTC")]
    [InlineData("0 0 L-3W * *",               "UTC",
        "at 00:00 on the weekday nearest 3 days before the last of the month, UTC")]
    [InlineData("0 0 15W * *",                "UTC",              "at 00:00 on the weekday nearest day 15 of the month, UTC")]
    [InlineData("0 0 * * FRIL",               "UTC",              "at 00:00 on the last Friday of the month, UTC")]
    [InlineData("0 0 * * FRI#3",              "UTC",              "at 00:00 on the third Friday of the month, UTC")]
    [InlineData("0 0 * * MON#1,THU#3",        "UTC",
        "at 00:00 on the first Monday of the month or on the third Thursday of the month, UTC")]
    [InlineData("0 0 * * SUN",                "UTC",              "at 00:00 on Sunday, UTC")]
    [InlineData("0 0 * * 0,6",                "UTC",              "at 00:00 on Saturday and Sunday, UTC")]
    [InlineData("0 0 * * 1,2,3,5",            "UTC",              "at 00:00 on Monday to Wednesday and Friday, UTC")]
    [InlineData("0 0 29 2 *",                 "UTC",              "at 00:00 on day 29 of the month in February, UTC")]
    [InlineData("0 0 31 * *",                 "UTC",              "at 00:00 on day 31 of the month, UTC")]
    [InlineData("0 0 1 JAN,MAR-MAY *",        "UTC",              "at 00:00 on day 1 of the month in January and March to May, UTC")]
    [InlineData("0 0 0 1 1 ? 2027",           "UTC",              "at 00:00 on 1 January in 2027, UTC")]
    [InlineData("0 0 0 1 1 ? 2027-2030,2040", "UTC",
        "at 00:00 on 1 January in 2027 to 2030 and 2040, UTC")]
    [InlineData("30 3 1,15 6 *",              "Europe/Berlin",
        "at 03:30 on 1 and 15 June every year, Europe/Berlin time")]
    [InlineData("*/15 9-17 1-7 12 *",         "UTC",
        "every 15 minutes from 09:00 to 17:59 on 1 to 7 December every year, UTC")]
    [InlineData("0 0 28,29 2 *",              "UTC",              "at 00:00 on 28 and 29 February every year, UTC")]
    [InlineData("0 0 1 1 FRI",                "UTC",              "at 00:00 on day 1 of the month or on Friday in January, UTC")]
    [InlineData("0 0 * 6 *",                  "UTC",              "at 00:00 every day in June, UTC")]
    [InlineData("*/5 * * 6-8 *",              "UTC",              "every 5 minutes in June to August, UTC")]
    [InlineData("H H * * *",                  "UTC",              "at 23:43 every day, UTC")]
    [InlineData("H/15 * * * *",               "UTC",              "at minutes 13, 28, 43 and 58 of every hour, UTC")]
    [InlineData("@daily",                     "UTC",              "at 00:00 every day, UTC")]
    [InlineData("@hourly",                    "UTC",              "every hour on the hour, UTC")]
    [InlineData("@weekly",                    "UTC",              "at 00:00 on Sunday, UTC")]
    [InlineData("@yearly",                    "UTC",              "at 00:00 on 1 January every year, UTC")]
    [InlineData("@every 90s",                 "UTC",              "every 1m30s, counted from 1970-01-01 00:00 UTC")]
    [InlineData("@every 1h30m",               "UTC",              "every 1h30m, counted from 1970-01-01 00:00 UTC")]
    [InlineData("@at 2026-12-24T18:00:00Z",   "UTC",              "at 2026-12-24T18:00:00Z, once")]
    [InlineData("@at 2026-12-24T18:00:00Z,2027-01-01T00:00:00Z", "UTC",
        "at 2026-12-24T18:00:00Z and 2027-01-01T00:00:00Z, once each")]
    [InlineData("30 2 * * *",                 "Europe/Berlin",    "at 02:30 every day, Europe/Berlin time")]
    [InlineData("*/15 2 * * *",               "Europe/Berlin",    "at 02:00, 02:15, 02:30 and 02:45 every day, Europe/Berlin time")]
    [InlineData("*/15 * * * *",               "Europe/Berlin",    "every 15 minutes, Europe/Berlin time")]
    [InlineData("0 0 * * *",                  "Asia/Beirut",      "at 00:00 every day, Asia/Beirut time")]
    [InlineData("0 2,3 * * *",                "Europe/Berlin",    "at 02:00 and 03:00 every day, Europe/Berlin time")]
    [InlineData("0 */2 * * *",                "Europe/Berlin",    "every 2 hours from 00:00, Europe/Berlin time")]
    [InlineData("0 0 13 * FRI",               "Europe/Berlin",    "at 00:00 on day 13 of the month or on Friday, Europe/Berlin time")]
    [InlineData("0 0 12 * * *",               "America/New_York", "at 12:00 every day, America/New_York time")]
    [InlineData("*/5 * * * * *",              "UTC",              "every 5 seconds, UTC")]
    [InlineData("0 0 */2 * *",                "UTC",
        "at 00:00 on days 1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29 and 31 of the month, UTC")]
    [InlineData("0 0 * * */2",                "UTC",              "at 00:00 on Tuesday, Thursday, Saturday and Sunday, UTC")]
    [InlineData("*/45 * * * * *",             "UTC",              "at seconds 0 and 45 of every minute, UTC")]
    [InlineData("30 9-17 * * *",              "UTC",              "every hour at 30 past from 09:00 to 17:59, UTC")]
    [InlineData("15 30 9-17 * * *",           "UTC",              "every hour at 30:15 past from 09:00 to 17:59, UTC")]
    [InlineData("0 0-9,12 * * *",             "UTC",              "every hour on the hour during hours 0 to 9 and 12, UTC")]
    [InlineData("1 0,5-23 * * *",             "UTC",              "every hour at 01 past from 05:00 to 00:59, UTC")]
    [InlineData("0 0 */2 * MON",              "UTC",
        "at 00:00 on days 1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29 and 31 of the month or on Monday, UTC")]
    [InlineData("59 59 23 31 12 ? 2099",      "UTC",              "at 23:59:59 on 31 December in 2099, UTC")]
    [InlineData("*/20 5-7 10 * * *",          "UTC",              "every 20 seconds during minutes 5 to 7 from 10:00 to 10:59, UTC")]
    [InlineData("0 0 28-3 * *",               "UTC",              "at 00:00 on days 1 to 3 and 28 to 31 of the month, UTC")]
    [InlineData("0 0 ? * 5#5",                "UTC",              "at 00:00 on the fifth Friday of the month, UTC")]
    [InlineData("0 0 1W * *",                 "UTC",              "at 00:00 on the weekday nearest day 1 of the month, UTC")]
    [InlineData("0 12 L,15 1,7 *",            "UTC",
        "at 12:00 on day 15 of the month or on the last day of the month in January and July, UTC")]
    [InlineData("0 3 * * *",                  "Asia/Kathmandu",   "at 03:00 every day, Asia/Kathmandu time")]
    [InlineData("@every 7d",                  "UTC",              "every 7d, counted from 1970-01-01 00:00 UTC")]
    [InlineData("@every 26h3s",               "UTC",              "every 1d2h3s, counted from 1970-01-01 00:00 UTC")]
    [InlineData("0-29 * * * *",               "UTC",              "at minutes 0 to 29 of every hour, UTC")]
    [InlineData("0-30/10 4,16 * * *",         "UTC",              "at minutes 0, 10, 20 and 30 during hours 4 and 16, UTC")]
    public void The_description_is(string text, string zone, string description) =>
        Assert.Equal(description, CronExpression.Parse(text, "job").Describe(CronZone.Get(zone)));

    [Theory]
    [InlineData("*/7 * * * *",       "UTC",
        "*/7 in minutes starts again at 0: from 56 to 0 it is only 4; for an even pace write @every 7m")]
    [InlineData("0 */5 * * *",       "UTC",
        "*/5 in hours starts again at 0: from 20 to 0 it is only 4; for an even pace write @every 5h")]
    [InlineData("* * * * * *",       "UTC",
        "6 fields are second first here; a system whose sixth field is a year reads: every minute")]
    [InlineData("*/10 * * * * *",    "UTC",
        "6 fields are second first here; a system whose sixth field is a year reads: every 10 minutes")]
    [InlineData("5/20 * * * * *",    "UTC",
        "6 fields are second first here; a system whose sixth field is a year reads: at minutes 5, 25 and 45 of every hour")]
    [InlineData("*/10 */5 * * * *",  "UTC",
        "6 fields are second first here; a system whose sixth field is a year reads: every 10 minutes during hours 0, 5, 10, 15 and 20")]
    [InlineData("5,20 0 * * * *",    "UTC",
        "6 fields are second first here; a system whose sixth field is a year reads: at 00:05 and 00:20 every day")]
    [InlineData("0 0 12 * * *",      "UTC",
        "6 fields are second first here; a system whose sixth field is a year reads: at 00:00 on day 12 of the month")]
    [InlineData("0 0 1,15 * FRI",    "UTC",
        "day of month and day of week are both set: the job runs on days that match either")]
    [InlineData("0 0 29 2 *",        "UTC",              "months without day 29 are left out; L is the last day of any month")]
    [InlineData("0 0 31 * *",        "UTC",              "months without day 31 are left out; L is the last day of any month")]
    [InlineData("0 0 31W * *",       "UTC",              "months without day 31 are left out; L is the last day of any month")]
    [InlineData("0 0 L-30 * *",      "UTC",              "months without day 31 are left out; L is the last day of any month")]
    [InlineData("0 0 L-28W,30 * *",  "UTC",              "months without day 29 are left out; L is the last day of any month")]
    [InlineData("0 0 0 1 1 ? 2020",  "UTC",              "no plan time is left: the job never fires again")]
    [InlineData("@at 2026-06-30T23:59:59Z", "UTC",       "no plan time is left: the job never fires again")]
    [InlineData("0 */10 2 28 3 ? 2027", "Europe/Berlin", "no plan time is left: the job never fires again")]
    [InlineData("30 2 * * *",        "Europe/Berlin",
        "2026-10-25: the clocks of Europe/Berlin go from 03:00 to 02:00; 02:30 comes twice and runs the first time only")]
    [InlineData("30 2 * * *",        "Europe/Berlin",
        "2027-03-28: the clocks of Europe/Berlin go from 02:00 to 03:00; 02:30 does not exist and runs at 03:00")]
    [InlineData("*/15 2 * * *",      "Europe/Berlin",
        "2026-10-25: the clocks of Europe/Berlin go from 03:00 to 02:00; what is planned between runs twice")]
    [InlineData("*/15 2 * * *",      "Europe/Berlin",
        "2027-03-28: the clocks of Europe/Berlin go from 02:00 to 03:00; what is planned between does not run")]
    [InlineData("0 0 * * *",         "Asia/Beirut",
        "2027-03-28: the clocks of Asia/Beirut go from 00:00 to 01:00; 00:00 does not exist and runs at 01:00")]
    [InlineData("0 2,3 * * *",       "Europe/Berlin",
        "2026-10-25: the clocks of Europe/Berlin go from 03:00 to 02:00; 02:00 comes twice and runs the first time only")]
    [InlineData("0 2,3 * * *",       "Europe/Berlin",
        "2027-03-28: the clocks of Europe/Berlin go from 02:00 to 03:00; 02:00 does not exist and runs at 03:00")]
    [InlineData("0 */2 * * *",       "Europe/Berlin",
        "2026-10-25: the clocks of Europe/Berlin go from 03:00 to 02:00; what is planned between runs twice")]
    [InlineData("0 */2 * * *",       "Europe/Berlin",
        "2027-03-28: the clocks of Europe/Berlin go from 02:00 to 03:00; what is planned between does not run")]
    [InlineData("0 0 13 * FRI",      "Europe/Berlin",
        "day of month and day of week are both set: the job runs on days that match either")]
    [InlineData("0 0 12 * * *",      "America/New_York",
        "6 fields are second first here; a system whose sixth field is a year reads: at 00:00 on day 12 of the month")]
    [InlineData("*/5 * * * * *",     "UTC",
        "6 fields are second first here; a system whose sixth field is a year reads: every 5 minutes")]
    [InlineData("*/45 * * * * *",    "UTC",
        "6 fields are second first here; a system whose sixth field is a year reads: at minutes 0 and 45 of every hour")]
    [InlineData("*/45 * * * * *",    "UTC",
        "*/45 in seconds starts again at 0: from 45 to 0 it is only 15; for an even pace write @every 45s")]
    [InlineData("0 0 */2 * MON",     "UTC",
        "day of month and day of week are both set: the job runs on days that match either; "
            + "a crontab that takes */n for a star asks for both")]
    [InlineData("*/20 5-7 10 * * *", "UTC",
        "6 fields are second first here; "
            + "a system whose sixth field is a year reads: every 20 minutes from 05:00 to 07:59 on day 10 of the month")]
    public void The_warnings_include(string text, string zone, string warning) =>
        Assert.Contains(warning, CronExpression.Parse(text, "job").Warnings(CronZone.Get(zone), At));

    [Theory]
    [InlineData("* * * * *",                  "UTC")]
    [InlineData("*/5 * * * *",                "UTC")]
    [InlineData("5/10 * * * *",               "UTC")]
    [InlineData("0 * * * *",                  "UTC")]
    [InlineData("30 * * * *",                 "UTC")]
    [InlineData("0,30 * * * *",               "UTC")]
    [InlineData("0 9 * * *",                  "UTC")]
    [InlineData("0 9,17 * * *",               "UTC")]
    [InlineData("30 9,12,17 * * *",           "UTC")]
    [InlineData("0 9-17 * * *",               "UTC")]
    [InlineData("*/15 9-17 * * MON-FRI",      "UTC")]
    [InlineData("0 */2 * * *",                "UTC")]
    [InlineData("15 1/2 * * *",               "UTC")]
    [InlineData("*/10 */2 * * *",             "UTC")]
    [InlineData("* 2 * * *",                  "UTC")]
    [InlineData("* 22-2 * * *",               "UTC")]
    [InlineData("15 30 * * * *",              "UTC")]
    [InlineData("30 15 9 * * MON",            "UTC")]
    [InlineData("0 0 1 * *",                  "UTC")]
    [InlineData("0 0 1-7 * *",                "UTC")]
    [InlineData("0 0 L * *",                  "UTC")]
    [InlineData("0 0 L-3 * *",                "UTC")]
    [InlineData("0 0 L-1,L * *",              "UTC")]
    [InlineData("0 0 LW * *",                 "UTC")]
    [InlineData("0 0 L-3W * *",               "UTC")]
    [InlineData("0 0 15W * *",                "UTC")]
    [InlineData("0 0 * * FRIL",               "UTC")]
    [InlineData("0 0 * * FRI#3",              "UTC")]
    [InlineData("0 0 * * MON#1,THU#3",        "UTC")]
    [InlineData("0 0 * * SUN",                "UTC")]
    [InlineData("0 0 * * 0,6",                "UTC")]
    [InlineData("0 0 * * 1,2,3,5",            "UTC")]
    [InlineData("0 0 1 JAN,MAR-MAY *",        "UTC")]
    [InlineData("0 0 31W,30,L * *",           "UTC")]
    [InlineData("0 0 L-30 1,3 *",             "UTC")]
    [InlineData("0 0 0 1 1 ? 2027",           "UTC")]
    [InlineData("0 0 0 1 1 ? 2027-2030,2040", "UTC")]
    [InlineData("0 0 * 6 *",                  "UTC")]
    [InlineData("*/5 * * 6-8 *",              "UTC")]
    [InlineData("H H * * *",                  "UTC")]
    [InlineData("H/15 * * * *",               "UTC")]
    [InlineData("@daily",                     "UTC")]
    [InlineData("@hourly",                    "UTC")]
    [InlineData("@weekly",                    "UTC")]
    [InlineData("@yearly",                    "UTC")]
    [InlineData("@every 90s",                 "UTC")]
    [InlineData("@every 1h30m",               "UTC")]
    [InlineData("@at 2026-12-24T18:00:00Z",   "UTC")]
    [InlineData("@at 2026-12-24T18:00:00Z,2027-01-01T00:00:00Z", "UTC")]
    [InlineData("*/15 * * * *",               "Europe/Berlin")]
    [InlineData("0 0 */2 * *",                "UTC")]
    [InlineData("0 0 * * */2",                "UTC")]
    [InlineData("30 9-17 * * *",              "UTC")]
    [InlineData("15 30 9-17 * * *",           "UTC")]
    [InlineData("0 0-9,12 * * *",             "UTC")]
    [InlineData("1 0,5-23 * * *",             "UTC")]
    [InlineData("59 59 23 31 12 ? 2099",      "UTC")]
    [InlineData("0 0 28-3 * *",               "UTC")]
    [InlineData("0 0 ? * 5#5",                "UTC")]
    [InlineData("0 0 1W * *",                 "UTC")]
    [InlineData("0 12 L,15 1,7 *",            "UTC")]
    [InlineData("0 3 * * *",                  "Asia/Kathmandu")]
    [InlineData("@every 7d",                  "UTC")]
    [InlineData("@every 26h3s",               "UTC")]
    [InlineData("0-29 * * * *",               "UTC")]
    [InlineData("0-30/10 4,16 * * *",         "UTC")]
    public void There_is_no_warning_about(string text, string zone) =>
        Assert.Empty(CronExpression.Parse(text, "job").Warnings(CronZone.Get(zone), At));

    private static DateTimeOffset At => new(2026, 7, 1, 0, 0, 0, TimeSpan.Zero);
}
