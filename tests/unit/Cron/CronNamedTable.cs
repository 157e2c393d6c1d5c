using Xunit;

namespace Dts.Tests.Unit.Cron;

public sealed class CronNamedTable
{
    [Theory]
    // the names
    [InlineData("@yearly",     "2026-11-22 10:07", "2027-01-01 00:00, 2028-01-01 00:00, 2029-01-01 00:00")]
    [InlineData("@annually",   "2026-11-22 10:07", "2027-01-01 00:00, 2028-01-01 00:00, 2029-01-01 00:00")]
    [InlineData("@monthly",    "2026-11-22 10:07", "2026-12-01 00:00, 2027-01-01 00:00, 2027-02-01 00:00")]
    [InlineData("@weekly",     "2026-11-22 10:07", "2026-11-29 00:00, 2026-12-06 00:00, 2026-12-13 00:00")]
    [InlineData("@daily",      "2026-11-22 10:07", "2026-11-23 00:00, 2026-11-24 00:00, 2026-11-25 00:00")]
    [InlineData("@midnight",   "2026-11-22 10:07", "2026-11-23 00:00, 2026-11-24 00:00, 2026-11-25 00:00")]
    [InlineData("@hourly",     "2026-11-22 10:07", "2026-11-22 11:00, 12:00, 13:00")]
    [InlineData("@minutely",   "2026-11-22 10:07", "2026-11-22 10:08, 10:09, 10:10")]
    [InlineData("@every_minute", "2026-11-22 10:07", "2026-11-22 10:08, 10:09, 10:10")]
    [InlineData("@every_second", "2026-11-22 10:07", "2026-11-22 10:07:01, 10:07:02, 10:07:03")]

    // in any case, with space around
    [InlineData("@Daily",      "2026-11-22 10:07", "2026-11-23 00:00, 2026-11-24 00:00, 2026-11-25 00:00")]
    [InlineData("@HOURLY",     "2026-11-22 10:07", "2026-11-22 11:00, 12:00, 13:00")]
    [InlineData("  @weekly  ", "2026-11-22 10:07", "2026-11-29 00:00, 2026-12-06 00:00, 2026-12-13 00:00")]
    public void Names_for_schedules(string text, string from, string next) =>
        CronRow.Check(text, "UTC", from, next);

    [Theory]
    // multiples of the period since 1970-01-01T00:00:00Z, whenever the job was saved
    [InlineData("@every 1s",      "2026-11-22 10:07:00.250", "2026-11-22 10:07:01, 10:07:02")]
    [InlineData("@every 10s",     "2026-11-22 10:07:03",     "2026-11-22 10:07:10, 10:07:20")]
    [InlineData("@every 90s",     "2026-11-22 10:07",        "2026-11-22 10:07:30, 10:09, 10:10:30")]
    [InlineData("@every 7s",      "1970-01-01 00:00",        "1970-01-01 00:00:07, 00:00:14, 00:00:21")]
    [InlineData("@every 1m",      "2026-11-22 10:07",        "2026-11-22 10:08, 10:09")]
    [InlineData("@every 7m",      "1970-01-01 00:59",        "1970-01-01 01:03, 01:10")]
    [InlineData("@every 90m",     "2026-11-22 10:07",        "2026-11-22 10:30, 12:00, 13:30")]
    [InlineData("@every 1h30m",   "2026-11-22 10:07",        "2026-11-22 10:30, 12:00, 13:30")]
    [InlineData("@every 30m1h",   "2026-11-22 10:07",        "2026-11-22 10:30, 12:00, 13:30")]
    [InlineData("@every 1h",      "2026-11-22 10:07",        "2026-11-22 11:00, 12:00")]
    [InlineData("@every 1d",      "2026-11-22 10:07",        "2026-11-23 00:00, 2026-11-24 00:00")]
    [InlineData("@every 24h",     "2026-11-22 10:07",        "2026-11-23 00:00, 2026-11-24 00:00")]
    // 1970-01-01 was a Thursday
    [InlineData("@every 1w",      "2026-11-22 10:07",        "2026-11-26 00:00, 2026-12-03 00:00")]
    [InlineData("@every 7d",      "2026-11-22 10:07",        "2026-11-26 00:00, 2026-12-03 00:00")]
    [InlineData("@EVERY 2H",      "2026-11-22 10:07",        "2026-11-22 12:00, 14:00")]
    [InlineData("@every 12h",     "2099-12-31 10:07",        "2099-12-31 12:00, never")]
    [InlineData("@every 60s",     "1969-07-20 20:17",        "1970-01-01 00:00, 00:01")]
    public void Every_so_often(string text, string from, string next) => CronRow.Check(text, "UTC", from, next);

    [Theory]
    // real time throughout: an hour is an hour
    [InlineData("@every 30m", "2026-10-25 02:20+02", "2026-10-25 02:30+02, 02:00+01, 02:30+01, 03:00+01")]
    [InlineData("@every 30m", "2027-03-28 01:20",    "2027-03-28 01:30+01, 03:00+02, 03:30+02")]
    [InlineData("@every 1d",  "2027-03-27 12:00",    "2027-03-28 01:00+01, 2027-03-29 02:00+02")]
    public void Every_so_often_in_Berlin(string text, string from, string next) => CronRow.Check(text, "Europe/Berlin", from, next);

    [Theory]
    [InlineData("@at 2026-12-24T18:00:00Z",                           "2026-11-22 10:07",    "2026-12-24 18:00, never")]
    [InlineData("@at 2026-12-24T18:00Z",                              "2026-11-22 10:07",    "2026-12-24 18:00, never")]
    [InlineData("@at 2026-12-24t18:00:00z",                           "2026-11-22 10:07",    "2026-12-24 18:00, never")]
    [InlineData("@at 2026-12-24T18:00:00+01:00",                      "2026-11-22 10:07",    "2026-12-24 17:00, never")]
    [InlineData("@at 2026-12-24T18:00:00-05:30",                      "2026-11-22 10:07",    "2026-12-24 23:30, never")]
    [InlineData("@at 2026-12-24T18:00:00Z",                           "2026-12-24 17:59:59", "2026-12-24 18:00, never")]
    [InlineData("@at 2026-12-24T18:00:00Z",                           "2026-12-24 18:00",    "never")]
    [InlineData("@at 2027-01-01T00:00:00Z, 2026-12-24T18:00:00Z",     "2026-11-22 10:07",    "2026-12-24 18:00, 2027-01-01 00:00, never")]
    [InlineData("@at 2026-12-24T18:00:00Z,2026-12-24T19:00:00+01:00", "2026-11-22 10:07",    "2026-12-24 18:00, never")]
    [InlineData("@at 2020-01-01T00:00:00Z,2026-12-24T18:00:00Z",      "2026-11-22 10:07",    "2026-12-24 18:00, never")]
    [InlineData("@at 2020-01-01T00:00:00Z",                           "2026-11-22 10:07",    "never")]
    public void At_instants(string text, string from, string next) => CronRow.Check(text, "UTC", from, next);
}
