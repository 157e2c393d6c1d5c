namespace Dts.Tests.Unit.Master.Crontab;

/// <summary>Lines of crontabs and what cron does with them.</summary>
/// <param name="Text">A line with a command; where it has several lines, variables come first.</param>
/// <param name="Next">
/// The first two times after 2026-11-22T10:00Z, in UTC. A brute force over Vixie cron's rules found them, minute by minute, not DTS.
/// </param>
/// <param name="Command">What the shell gets with -c.</param>
/// <param name="Env">NAME=VALUE, with ';' between.</param>
/// <param name="Note">A part of what the report says about the line; empty = it says nothing.</param>
/// <param name="VarNote">A part of what the report says about the last variable; empty = it says nothing.</param>
public sealed record CrontabRow(
    string Text,
    string Next,
    string Command,
    string Env = "",
    string User = "",
    string Shell = "/bin/sh",
    string Zone = "",
    string Cwd = "",
    string Note = "",
    string VarNote = "",
    bool System = false)
{
    public override string ToString() => Text;
}

internal static class CrontabTable
{
    public static IReadOnlyList<CrontabRow> Rows { get; } =
    [
        // Minutes
        new("* * * * * /usr/local/bin/heartbeat", "11-22T10:01 11-22T10:02", "/usr/local/bin/heartbeat"),
        new("*/1 * * * * /opt/app/poll", "11-22T10:01 11-22T10:02", "/opt/app/poll"),
        new("*/2 * * * * /opt/app/bin/queue --once", "11-22T10:02 11-22T10:04", "/opt/app/bin/queue --once"),
        new("*/5 * * * * /usr/bin/php /var/www/cron.php", "11-22T10:05 11-22T10:10", "/usr/bin/php /var/www/cron.php"),
        new("*/10 * * * * /usr/bin/python3 /opt/sync/sync.py", "11-22T10:10 11-22T10:20", "/usr/bin/python3 /opt/sync/sync.py"),
        new("*/15 * * * * /home/deploy/bin/pull.sh >/dev/null 2>&1", "11-22T10:15 11-22T10:30", "/home/deploy/bin/pull.sh >/dev/null 2>&1"),
        new("*/20 * * * * cd /srv/app && ./run.sh", "11-22T10:20 11-22T10:40", "cd /srv/app && ./run.sh"),
        new("*/30 * * * * /usr/sbin/ntpdate -s time.example.com", "11-22T10:30 11-22T11:00", "/usr/sbin/ntpdate -s time.example.com"),
        new("0,30 * * * * /usr/local/bin/report --half", "11-22T10:30 11-22T11:00", "/usr/local/bin/report --half"),
        new("5,20,35,50 * * * * /usr/bin/fetchmail -s", "11-22T10:05 11-22T10:20", "/usr/bin/fetchmail -s"),
        new("1-59/2 * * * * /usr/local/bin/odd", "11-22T10:01 11-22T10:03", "/usr/local/bin/odd"),
        new("0-58/2 * * * * /usr/local/bin/even", "11-22T10:02 11-22T10:04", "/usr/local/bin/even"),
        new("7-57/10 * * * * /usr/local/bin/sevens", "11-22T10:07 11-22T10:17", "/usr/local/bin/sevens"),
        new("0-10,50-59 * * * * /usr/local/bin/round-the-hour", "11-22T10:01 11-22T10:02", "/usr/local/bin/round-the-hour"),
        new("0-30/10,45 * * * * /usr/local/bin/mixed", "11-22T10:10 11-22T10:20", "/usr/local/bin/mixed"),
        new("59 * * * * /usr/local/bin/late", "11-22T10:59 11-22T11:59", "/usr/local/bin/late"),
        new("00 * * * * /usr/local/bin/leading-zero", "11-22T11:00 11-22T12:00", "/usr/local/bin/leading-zero"),
        new("05 * * * * /usr/local/bin/five-past", "11-22T10:05 11-22T11:05", "/usr/local/bin/five-past"),
        new("3-3 * * * * /usr/local/bin/one", "11-22T10:03 11-22T11:03", "/usr/local/bin/one"),
        new("*/45 * * * * /usr/local/bin/uneven", "11-22T10:45 11-22T11:00", "/usr/local/bin/uneven"),
        new("*,5 * * * * /usr/local/bin/all", "11-22T10:01 11-22T10:02", "/usr/local/bin/all"),

        // Hours
        new("0 * * * * run-parts /etc/cron.hourly", "11-22T11:00 11-22T12:00", "run-parts /etc/cron.hourly"),
        new("17 * * * * /usr/bin/updatedb", "11-22T10:17 11-22T11:17", "/usr/bin/updatedb"),
        new("0 3 * * * /usr/local/sbin/backup", "11-23T03:00 11-24T03:00", "/usr/local/sbin/backup"),
        new(
            "30 2 * * * mysqldump --all-databases | gzip > /backup/all.sql.gz",
            "11-23T02:30 11-24T02:30",
            "mysqldump --all-databases | gzip > /backup/all.sql.gz"),
        new("0 */2 * * * /usr/bin/certbot renew --quiet", "11-22T12:00 11-22T14:00", "/usr/bin/certbot renew --quiet"),
        new("0 */6 * * * /usr/bin/rsync -a /data/ backup:/data/", "11-22T12:00 11-22T18:00", "/usr/bin/rsync -a /data/ backup:/data/"),
        new("15 */4 * * * /opt/scan/scan.sh", "11-22T12:15 11-22T16:15", "/opt/scan/scan.sh"),
        new("0 0,12 * * * /usr/bin/certbot renew", "11-22T12:00 11-23T00:00", "/usr/bin/certbot renew"),
        new("0 9-17 * * * /usr/local/bin/office-hours", "11-22T11:00 11-22T12:00", "/usr/local/bin/office-hours"),
        new("*/10 8-18 * * * /usr/local/bin/daytime", "11-22T10:10 11-22T10:20", "/usr/local/bin/daytime"),
        new("0 0-23/2 * * * /usr/local/bin/every-other", "11-22T12:00 11-22T14:00", "/usr/local/bin/every-other"),
        new("30 1,13 * * * /usr/local/bin/twice", "11-22T13:30 11-23T01:30", "/usr/local/bin/twice"),
        new("45 23 * * * /usr/local/bin/end-of-day", "11-22T23:45 11-23T23:45", "/usr/local/bin/end-of-day"),
        new("0 0 * * * /usr/sbin/logrotate /etc/logrotate.conf", "11-23T00:00 11-24T00:00", "/usr/sbin/logrotate /etc/logrotate.conf"),
        new("5 4 * * * savelog -q /var/log/app.log", "11-23T04:05 11-24T04:05", "savelog -q /var/log/app.log"),
        new("*/5 0-5,22,23 * * * /usr/local/bin/night", "11-22T22:00 11-22T22:05", "/usr/local/bin/night"),
        new("0 22-23 * * * /usr/local/bin/late-night", "11-22T22:00 11-22T23:00", "/usr/local/bin/late-night"),
        new("59 23 * * * /usr/local/bin/close", "11-22T23:59 11-23T23:59", "/usr/local/bin/close"),
        new("0 1-5/2 * * * /usr/local/bin/small-hours", "11-23T01:00 11-23T03:00", "/usr/local/bin/small-hours"),
        new("12 06 * * * /usr/local/bin/morning", "11-23T06:12 11-24T06:12", "/usr/local/bin/morning"),

        // Days
        new("0 0 1 * * /usr/local/bin/monthly-report", "12-01T00:00 2027-01-01T00:00", "/usr/local/bin/monthly-report"),
        new("0 4 1,15 * * /usr/local/bin/invoices", "12-01T04:00 12-15T04:00", "/usr/local/bin/invoices"),
        new("0 0 */2 * * /usr/local/bin/every-other-day", "11-23T00:00 11-25T00:00", "/usr/local/bin/every-other-day"),
        new("0 0 1-7 * * /usr/local/bin/first-week", "12-01T00:00 12-02T00:00", "/usr/local/bin/first-week"),
        new("30 6 28 * * /usr/local/bin/payroll", "11-28T06:30 12-28T06:30", "/usr/local/bin/payroll"),
        new("0 0 31 * * /usr/local/bin/long-months", "12-31T00:00 2027-01-31T00:00", "/usr/local/bin/long-months"),
        new("0 5 * * 1 tar -zcf /var/backups/home.tgz /home/", "11-23T05:00 11-30T05:00", "tar -zcf /var/backups/home.tgz /home/"),
        new("0 0 * * 0 /usr/local/bin/sunday", "11-29T00:00 12-06T00:00", "/usr/local/bin/sunday"),
        new("0 0 * * 7 /usr/local/bin/sunday-too", "11-29T00:00 12-06T00:00", "/usr/local/bin/sunday-too"),
        new("30 4 * * 1-5 /usr/local/bin/weekdays", "11-23T04:30 11-24T04:30", "/usr/local/bin/weekdays"),
        new("0 9 * * MON-FRI /usr/local/bin/weekday-names", "11-23T09:00 11-24T09:00", "/usr/local/bin/weekday-names"),
        new("0 9 * * mon /usr/local/bin/monday", "11-23T09:00 11-30T09:00", "/usr/local/bin/monday"),
        new("0 9 * * Mon,Wed,Fri /usr/local/bin/three-days", "11-23T09:00 11-25T09:00", "/usr/local/bin/three-days"),
        new("0 10 * * 6,0 /usr/local/bin/weekend", "11-28T10:00 11-29T10:00", "/usr/local/bin/weekend"),
        new("0 10 * * sat,sun /usr/local/bin/weekend-names", "11-28T10:00 11-29T10:00", "/usr/local/bin/weekend-names"),
        new("47 6 * * 7 run-parts --report /etc/cron.weekly", "11-29T06:47 12-06T06:47", "run-parts --report /etc/cron.weekly"),
        new("0 8 * * 1,3,5 /usr/local/bin/odd-days", "11-23T08:00 11-25T08:00", "/usr/local/bin/odd-days"),
        new("0 8 * * 5-7 /usr/local/bin/long-weekend", "11-27T08:00 11-28T08:00", "/usr/local/bin/long-weekend"),
        new("0 8 * * 0-6 /usr/local/bin/each-day", "11-23T08:00 11-24T08:00", "/usr/local/bin/each-day"),
        new("0 8 * * */2 /usr/local/bin/step-days", "11-24T08:00 11-26T08:00", "/usr/local/bin/step-days"),
        new("0 0 10-20/5 * * /usr/local/bin/mid-month", "12-10T00:00 12-15T00:00", "/usr/local/bin/mid-month"),
        new("15 14 1 * * $HOME/bin/monthly", "12-01T14:15 2027-01-01T14:15", "$HOME/bin/monthly"),
        new("0 12 24 12 * /usr/local/bin/eve", "12-24T12:00 2027-12-24T12:00", "/usr/local/bin/eve"),

        // Months
        new("0 0 1 1 * /usr/local/bin/new-year", "2027-01-01T00:00 2028-01-01T00:00", "/usr/local/bin/new-year"),
        new("0 0 1 */3 * /usr/local/bin/quarter", "2027-01-01T00:00 2027-04-01T00:00", "/usr/local/bin/quarter"),
        new("0 0 1 1,4,7,10 * /usr/local/bin/quarters", "2027-01-01T00:00 2027-04-01T00:00", "/usr/local/bin/quarters"),
        new("0 0 1 jan,jul * /usr/local/bin/half-years", "2027-01-01T00:00 2027-07-01T00:00", "/usr/local/bin/half-years"),
        new("0 2 * 6-8 * /usr/local/bin/summer", "2027-06-01T02:00 2027-06-02T02:00", "/usr/local/bin/summer"),
        new("0 2 * JUN-AUG * /usr/local/bin/summer-names", "2027-06-01T02:00 2027-06-02T02:00", "/usr/local/bin/summer-names"),
        new("0 0 29 2 * /usr/local/bin/leap-day", "2028-02-29T00:00 2032-02-29T00:00", "/usr/local/bin/leap-day"),
        new("0 7 1 */2 * /usr/local/bin/odd-months", "2027-01-01T07:00 2027-03-01T07:00", "/usr/local/bin/odd-months"),
        new("0 0 25 dec * /usr/local/bin/christmas", "12-25T00:00 2027-12-25T00:00", "/usr/local/bin/christmas"),
        new("5 5 5 5 * /usr/local/bin/fives", "2027-05-05T05:05 2028-05-05T05:05", "/usr/local/bin/fives"),
        new("0 0 * 11 1-5 /usr/local/bin/november", "11-23T00:00 11-24T00:00", "/usr/local/bin/november"),

        // Both day fields: either will do
        new("0 0 13 * 5 /usr/local/bin/thirteenth-or-friday", "11-27T00:00 12-04T00:00", "/usr/local/bin/thirteenth-or-friday"),
        new("30 4 1,15 * 5 /usr/local/bin/from-the-manual", "11-27T04:30 12-01T04:30", "/usr/local/bin/from-the-manual"),
        new("0 0 1 * mon /usr/local/bin/first-or-monday", "11-23T00:00 11-30T00:00", "/usr/local/bin/first-or-monday"),
        new("0 6 1-7 * 2 /usr/local/bin/first-week-or-tuesday", "11-24T06:00 12-01T06:00", "/usr/local/bin/first-week-or-tuesday"),
        new("0 0 13 * * /usr/local/bin/any-weekday", "12-13T00:00 2027-01-13T00:00", "/usr/local/bin/any-weekday"),
        new("0 0 * * 5 /usr/local/bin/any-day", "11-27T00:00 12-04T00:00", "/usr/local/bin/any-day"),

        // Both day fields, one begins with *: cron asks for both, DTS for either
        new(
            "0 0 */2 * 1 /usr/local/bin/star-day",
            "11-23T00:00 11-25T00:00",
            "/usr/local/bin/star-day",
            Note: "both day fields are set and one begins with *"),
        new(
            "0 0 1-7 * */2 /usr/local/bin/star-weekday",
            "11-24T00:00 11-26T00:00",
            "/usr/local/bin/star-weekday",
            Note: "both day fields are set and one begins with *"),
        new(
            "0 0 */10 * 1-5 /usr/local/bin/star-ten",
            "11-23T00:00 11-24T00:00",
            "/usr/local/bin/star-ten",
            Note: "both day fields are set and one begins with *"),

        // Names
        new("@hourly /usr/local/bin/hourly", "11-22T11:00 11-22T12:00", "/usr/local/bin/hourly"),
        new("@daily /usr/local/bin/daily", "11-23T00:00 11-24T00:00", "/usr/local/bin/daily"),
        new("@midnight /usr/local/bin/midnight", "11-23T00:00 11-24T00:00", "/usr/local/bin/midnight"),
        new("@weekly /usr/local/bin/weekly", "11-29T00:00 12-06T00:00", "/usr/local/bin/weekly"),
        new("@monthly /usr/local/bin/monthly", "12-01T00:00 2027-01-01T00:00", "/usr/local/bin/monthly"),
        new("@yearly /usr/local/bin/yearly", "2027-01-01T00:00 2028-01-01T00:00", "/usr/local/bin/yearly"),
        new("@annually /usr/local/bin/annually", "2027-01-01T00:00 2028-01-01T00:00", "/usr/local/bin/annually"),
        new("@daily /usr/bin/find /tmp -mtime +7 -delete", "11-23T00:00 11-24T00:00", "/usr/bin/find /tmp -mtime +7 -delete"),
        new("@hourly cd /srv && make -s sync", "11-22T11:00 11-22T12:00", "cd /srv && make -s sync"),
        new("@DAILY /usr/local/bin/upper", "11-23T00:00 11-24T00:00", "/usr/local/bin/upper"),
        new("@every 2h /usr/local/bin/every", "11-22T12:00 11-22T14:00", "/usr/local/bin/every"),
        new("@every_minute /usr/local/bin/freebsd", "11-22T10:01 11-22T10:02", "/usr/local/bin/freebsd"),

        // Blanks
        new("0\t3\t*\t*\t*\t/usr/local/bin/tabs", "11-23T03:00 11-24T03:00", "/usr/local/bin/tabs"),
        new("0   3   *   *   *   /usr/local/bin/wide", "11-23T03:00 11-24T03:00", "/usr/local/bin/wide"),
        new("   0 3 * * * /usr/local/bin/indented", "11-23T03:00 11-24T03:00", "/usr/local/bin/indented"),
        new("\t0 3 * * * /usr/local/bin/tab-indented", "11-23T03:00 11-24T03:00", "/usr/local/bin/tab-indented"),
        new("0 3 * * * echo  two   blanks", "11-23T03:00 11-24T03:00", "echo  two   blanks"),
        new("0 3 * * * echo tab\there", "11-23T03:00 11-24T03:00", "echo tab\there"),
        new("0 3 * * * echo end  ", "11-23T03:00 11-24T03:00", "echo end  "),
        new("@daily\t/usr/local/bin/name-tab", "11-23T00:00 11-24T00:00", "/usr/local/bin/name-tab"),
        new("0 \t 3 \t * \t * \t * \t /usr/local/bin/both", "11-23T03:00 11-24T03:00", "/usr/local/bin/both"),

        // Commands as the shell gets them
        new("10 3 * * * echo \"a # is no comment\"", "11-23T03:10 11-24T03:10", "echo \"a # is no comment\""),
        new(
            "10 3 * * * /usr/local/bin/job # a comment for the shell",
            "11-23T03:10 11-24T03:10",
            "/usr/local/bin/job # a comment for the shell"),
        new(
            "10 3 * * * test -x /usr/sbin/anacron || ( cd / && run-parts --report /etc/cron.daily )",
            "11-23T03:10 11-24T03:10",
            "test -x /usr/sbin/anacron || ( cd / && run-parts --report /etc/cron.daily )"),
        new(
            "10 3 * * * [ -x /usr/lib/php/sessionclean ] && /usr/lib/php/sessionclean",
            "11-23T03:10 11-24T03:10",
            "[ -x /usr/lib/php/sessionclean ] && /usr/lib/php/sessionclean"),
        new("10 3 * * * /bin/sh -c 'echo \"$0\" | tr a b'", "11-23T03:10 11-24T03:10", "/bin/sh -c 'echo \"$0\" | tr a b'"),
        new("10 3 * * * FOO=bar BAZ=\"x y\" /opt/run", "11-23T03:10 11-24T03:10", "FOO=bar BAZ=\"x y\" /opt/run"),
        new("10 3 * * * awk '{print $1}' /var/log/x > /tmp/y", "11-23T03:10 11-24T03:10", "awk '{print $1}' /var/log/x > /tmp/y"),
        new("10 3 * * * echo `hostname` $(id -u)", "11-23T03:10 11-24T03:10", "echo `hostname` $(id -u)"),
        new(
            "10 3 * * * nice -n 19 ionice -c3 /usr/local/bin/heavy",
            "11-23T03:10 11-24T03:10",
            "nice -n 19 ionice -c3 /usr/local/bin/heavy"),
        new(
            "10 3 * * * flock -n /tmp/x.lock /usr/local/bin/locked",
            "11-23T03:10 11-24T03:10",
            "flock -n /tmp/x.lock /usr/local/bin/locked"),
        new(
            "10 3 * * * timeout 300 curl -fsS https://example.com/ping",
            "11-23T03:10 11-24T03:10",
            "timeout 300 curl -fsS https://example.com/ping"),
        new("10 3 * * * /usr/bin/env python3 -m app.tasks", "11-23T03:10 11-24T03:10", "/usr/bin/env python3 -m app.tasks"),
        new(
            "10 3 * * * docker exec web php artisan schedule:run >> /dev/null 2>&1",
            "11-23T03:10 11-24T03:10",
            "docker exec web php artisan schedule:run >> /dev/null 2>&1"),
        new("10 3 * * * if [ -f /tmp/go ]; then rm /tmp/go; fi", "11-23T03:10 11-24T03:10", "if [ -f /tmp/go ]; then rm /tmp/go; fi"),
        new("10 3 * * * for i in 1 2 3; do echo $i; done", "11-23T03:10 11-24T03:10", "for i in 1 2 3; do echo $i; done"),
        new(
            "10 3 * * * sleep $((RANDOM * 60)); /usr/local/bin/spread",
            "11-23T03:10 11-24T03:10",
            "sleep $((RANDOM * 60)); /usr/local/bin/spread"),
        new("10 3 * * * /usr/local/bin/über --größe=5", "11-23T03:10 11-24T03:10", "/usr/local/bin/über --größe=5"),
        new("10 3 * * * echo 日本語", "11-23T03:10 11-24T03:10", "echo 日本語"),
        new("10 3 * * * (echo a; echo b) 2>&1 | logger -t job", "11-23T03:10 11-24T03:10", "(echo a; echo b) 2>&1 | logger -t job"),
        new("10 3 * * * a && b || c", "11-23T03:10 11-24T03:10", "a && b || c"),
        new("10 3 * * * { date; uptime; } >> /tmp/load", "11-23T03:10 11-24T03:10", "{ date; uptime; } >> /tmp/load"),
        new("10 3 * * * ! grep -q x /etc/passwd", "11-23T03:10 11-24T03:10", "! grep -q x /etc/passwd"),
        new("10 3 * * * \"/opt/my app/run\" now", "11-23T03:10 11-24T03:10", "\"/opt/my app/run\" now"),
        new("10 3 * * * su - www -c \"cd /srv && ./x\"", "11-23T03:10 11-24T03:10", "su - www -c \"cd /srv && ./x\""),
        new("10 3 * * * sudo -u app /srv/app/bin/tick", "11-23T03:10 11-24T03:10", "sudo -u app /srv/app/bin/tick"),
        new(
            "10 3 * * * php -q /home/site/public_html/cron/index.php",
            "11-23T03:10 11-24T03:10",
            "php -q /home/site/public_html/cron/index.php"),
        new(
            "10 3 * * * wget -q -O - \"https://example.com/cron.php?key=a&b=c\" >/dev/null",
            "11-23T03:10 11-24T03:10",
            "wget -q -O - \"https://example.com/cron.php?key=a&b=c\" >/dev/null"),
        new("10 3 * * * echo $PATH > /tmp/path", "11-23T03:10 11-24T03:10", "echo $PATH > /tmp/path"),
        new("10 3 * * * . /etc/profile; /opt/x", "11-23T03:10 11-24T03:10", ". /etc/profile; /opt/x"),
        new("10 3 * * * echo \\\\ \\n", "11-23T03:10 11-24T03:10", "echo \\\\ \\n"),
        new("10 3 * * * echo a=b c=d", "11-23T03:10 11-24T03:10", "echo a=b c=d"),
        new("10 3 * * * X=1", "11-23T03:10 11-24T03:10", "X=1"),
        new("10 3 * * * /bin/true;", "11-23T03:10 11-24T03:10", "/bin/true;"),
        new("10 3 * * * echo it's \"quoted'\"", "11-23T03:10 11-24T03:10", "echo it's \"quoted'\""),
        new("10 3 * * * curl -H 'X: 1' http://localhost:8080/", "11-23T03:10 11-24T03:10", "curl -H 'X: 1' http://localhost:8080/"),
        new("10 3 * * * exec /usr/local/bin/execd", "11-23T03:10 11-24T03:10", "exec /usr/local/bin/execd"),

        // Percent signs
        new("0 1 * * * date +\\%F", "11-23T01:00 11-24T01:00", "date +%F"),
        new("0 1 * * * date \"+\\%Y-\\%m-\\%d \\%H:\\%M\"", "11-23T01:00 11-24T01:00", "date \"+%Y-%m-%d %H:%M\""),
        new("0 1 * * * mysqldump db > /b/$(date +\\%u).sql", "11-23T01:00 11-24T01:00", "mysqldump db > /b/$(date +%u).sql"),
        new(
            "0 1 * * * mail -s x a@example.com%Hello,%%bye%",
            "11-23T01:00 11-24T01:00",
            "exec <<'DTS_STDIN'\nHello,\n\nbye\nDTS_STDIN\nmail -s x a@example.com",
            Note: "% passes a standard input to the command"),
        new(
            "0 1 * * * cat%one%two",
            "11-23T01:00 11-24T01:00",
            "exec <<'DTS_STDIN'\none\ntwo\nDTS_STDIN\ncat",
            Note: "% passes a standard input to the command"),
        new(
            "0 1 * * * cat%50\\% off",
            "11-23T01:00 11-24T01:00",
            "exec <<'DTS_STDIN'\n50% off\nDTS_STDIN\ncat",
            Note: "% passes a standard input to the command"),
        new("0 1 * * * cat%", "11-23T01:00 11-24T01:00", "cat"),
        new(
            "0 1 * * * cat > /tmp/x%a\\b",
            "11-23T01:00 11-24T01:00",
            "exec <<'DTS_STDIN'\na\\b\nDTS_STDIN\ncat > /tmp/x",
            Note: "% passes a standard input to the command"),
        new(
            "0 1 * * * cat% lead",
            "11-23T01:00 11-24T01:00",
            "exec <<'DTS_STDIN'\n lead\nDTS_STDIN\ncat",
            Note: "% passes a standard input to the command"),
        new(
            "0 1 * * * cat%$HOME `x`",
            "11-23T01:00 11-24T01:00",
            "exec <<'DTS_STDIN'\n$HOME `x`\nDTS_STDIN\ncat",
            Note: "% passes a standard input to the command"),
        new(
            "0 1 * * * echo \\\\%b",
            "11-23T01:00 11-24T01:00",
            "exec <<'DTS_STDIN'\nb\nDTS_STDIN\necho \\\\",
            Note: "% passes a standard input to the command"),
        new("0 1 * * * eval \"$(cat)\"%echo a%echo b", "11-23T01:00 11-24T01:00", "echo a\necho b"),
        new(
            "0 1 * * * cat%DTS_STDIN",
            "11-23T01:00 11-24T01:00",
            "exec <<'DTS_STDIN_'\nDTS_STDIN\nDTS_STDIN_\ncat",
            Note: "% passes a standard input to the command"),
        new(
            "0 1 * * * wc -l%%",
            "11-23T01:00 11-24T01:00",
            "exec <<'DTS_STDIN'\n\nDTS_STDIN\nwc -l",
            Note: "% passes a standard input to the command"),
        new("0 1 * * * echo 100\\%", "11-23T01:00 11-24T01:00", "echo 100%"),
        new("0 1 * * * printf \"\\%s\\%\\%\\n\" 5", "11-23T01:00 11-24T01:00", "printf \"%s%%\\n\" 5"),

        // Variables
        new("FOO=bar\n0 2 * * * /usr/local/bin/job", "11-23T02:00 11-24T02:00", "/usr/local/bin/job", Env: "FOO=bar"),
        new("FOO = bar\n0 2 * * * /usr/local/bin/job", "11-23T02:00 11-24T02:00", "/usr/local/bin/job", Env: "FOO=bar"),
        new("FOO=\"two words\"\n0 2 * * * /usr/local/bin/job", "11-23T02:00 11-24T02:00", "/usr/local/bin/job", Env: "FOO=two words"),
        new("FOO='single'\n0 2 * * * /usr/local/bin/job", "11-23T02:00 11-24T02:00", "/usr/local/bin/job", Env: "FOO=single"),
        new("FOO=two words\n0 2 * * * /usr/local/bin/job", "11-23T02:00 11-24T02:00", "/usr/local/bin/job", Env: "FOO=two words"),
        new("FOO=\"  kept  \"\n0 2 * * * /usr/local/bin/job", "11-23T02:00 11-24T02:00", "/usr/local/bin/job", Env: "FOO=  kept  "),
        new("FOO=   cut   \n0 2 * * * /usr/local/bin/job", "11-23T02:00 11-24T02:00", "/usr/local/bin/job", Env: "FOO=cut"),
        new("FOO=\n0 2 * * * /usr/local/bin/job", "11-23T02:00 11-24T02:00", "/usr/local/bin/job", Env: "FOO="),
        new("FOO=\"\"\n0 2 * * * /usr/local/bin/job", "11-23T02:00 11-24T02:00", "/usr/local/bin/job", Env: "FOO="),
        new("\"FOO\"=x\n0 2 * * * /usr/local/bin/job", "11-23T02:00 11-24T02:00", "/usr/local/bin/job", Env: "FOO=x"),
        new("  FOO=x\n0 2 * * * /usr/local/bin/job", "11-23T02:00 11-24T02:00", "/usr/local/bin/job", Env: "FOO=x"),
        new("FOO=a=b\n0 2 * * * /usr/local/bin/job", "11-23T02:00 11-24T02:00", "/usr/local/bin/job", Env: "FOO=a=b"),
        new("FOO=a#b\n0 2 * * * /usr/local/bin/job", "11-23T02:00 11-24T02:00", "/usr/local/bin/job", Env: "FOO=a#b"),
        new("FOO=a # b\n0 2 * * * /usr/local/bin/job", "11-23T02:00 11-24T02:00", "/usr/local/bin/job", Env: "FOO=a # b"),
        new("FOO=50%\n0 2 * * * /usr/local/bin/job", "11-23T02:00 11-24T02:00", "/usr/local/bin/job", Env: "FOO=50%"),
        new("FOO=it\"s\n0 2 * * * /usr/local/bin/job", "11-23T02:00 11-24T02:00", "/usr/local/bin/job", Env: "FOO=it\"s"),
        new("A=1\nB=2\n0 2 * * * /usr/local/bin/job", "11-23T02:00 11-24T02:00", "/usr/local/bin/job", Env: "A=1;B=2"),
        new("A=1\nA=2\n0 2 * * * /usr/local/bin/job", "11-23T02:00 11-24T02:00", "/usr/local/bin/job", Env: "A=2"),
        new(
            "PATH=/usr/local/bin:/usr/bin\n0 2 * * * /usr/local/bin/job",
            "11-23T02:00 11-24T02:00",
            "/usr/local/bin/job",
            Env: "PATH=/usr/local/bin:/usr/bin"),
        new(
            "PATH=$HOME/bin:$PATH\n0 2 * * * /usr/local/bin/job",
            "11-23T02:00 11-24T02:00",
            "/usr/local/bin/job",
            Env: "PATH=$HOME/bin:$PATH",
            VarNote: "cron does not expand variables either"),
        new("SHELL=/bin/bash\n0 2 * * * /usr/local/bin/job", "11-23T02:00 11-24T02:00", "/usr/local/bin/job", Shell: "/bin/bash"),
        new("SHELL=\"/bin/bash\"\n0 2 * * * /usr/local/bin/job", "11-23T02:00 11-24T02:00", "/usr/local/bin/job", Shell: "/bin/bash"),
        new("SHELL=/usr/bin/zsh\n0 2 * * * /usr/local/bin/job", "11-23T02:00 11-24T02:00", "/usr/local/bin/job", Shell: "/usr/bin/zsh"),
        new(
            "SHELL=/bin/bash\nSHELL=/bin/sh\n0 2 * * * /usr/local/bin/job",
            "11-23T02:00 11-24T02:00",
            "/usr/local/bin/job",
            Shell: "/bin/sh"),
        new("SHELL=\n0 2 * * * /usr/local/bin/job", "11-23T02:00 11-24T02:00", "/usr/local/bin/job", Shell: "/bin/sh"),
        new(
            "MAILTO=ops@example.com\n0 2 * * * /usr/local/bin/job",
            "11-23T02:00 11-24T02:00",
            "/usr/local/bin/job",
            Env: "MAILTO=ops@example.com",
            VarNote: "no mail goes to ops@example.com"),
        new("MAILTO=\"\"\n0 2 * * * /usr/local/bin/job", "11-23T02:00 11-24T02:00", "/usr/local/bin/job", Env: "MAILTO="),
        new("MAILTO=\n0 2 * * * /usr/local/bin/job", "11-23T02:00 11-24T02:00", "/usr/local/bin/job", Env: "MAILTO="),
        new(
            "MAILFROM=x@example.com\n0 2 * * * /usr/local/bin/job",
            "11-23T02:00 11-24T02:00",
            "/usr/local/bin/job",
            Env: "MAILFROM=x@example.com",
            VarNote: "no mail is sent"),
        new(
            "HOME=/srv/app\n0 2 * * * /usr/local/bin/job",
            "11-23T02:00 11-24T02:00",
            "/usr/local/bin/job",
            Env: "HOME=/srv/app",
            Cwd: "/srv/app",
            VarNote: "cwd"),
        new("LOGNAME=alice\n0 2 * * * /usr/local/bin/job", "11-23T02:00 11-24T02:00", "/usr/local/bin/job", VarNote: "LOGNAME is left out"),
        new(
            "RANDOM_DELAY=10\n0 2 * * * /usr/local/bin/job",
            "11-23T02:00 11-24T02:00",
            "/usr/local/bin/job",
            Env: "RANDOM_DELAY=10",
            VarNote: "runs start on time"),
        new("CRON_TZ=Europe/Berlin\n0 2 * * * /usr/local/bin/job", "11-23T01:00 11-24T01:00", "/usr/local/bin/job", Zone: "Europe/Berlin"),
        new(
            "CRON_TZ=\"America/New_York\"\n0 2 * * * /usr/local/bin/job",
            "11-23T07:00 11-24T07:00",
            "/usr/local/bin/job",
            Zone: "America/New_York"),
        new(
            "TZ=Europe/Berlin\n0 2 * * * /usr/local/bin/job",
            "11-23T01:00 11-24T01:00",
            "/usr/local/bin/job",
            Env: "TZ=Europe/Berlin",
            Zone: "Europe/Berlin",
            VarNote: "cron applies it to the commands only"),
        new(
            "CRON_TZ=Asia/Tokyo\nTZ=Europe/Berlin\n0 2 * * * /usr/local/bin/job",
            "11-22T17:00 11-23T17:00",
            "/usr/local/bin/job",
            Env: "TZ=Europe/Berlin",
            Zone: "Asia/Tokyo",
            VarNote: "as in cronie"),
        new(
            "TZ=MET-1MEST\n0 2 * * * /usr/local/bin/job",
            "11-23T02:00 11-24T02:00",
            "/usr/local/bin/job",
            Env: "TZ=MET-1MEST",
            VarNote: "only the commands see it"),
        new("CRON_TZ=Europe/Berlin\nCRON_TZ=\n0 2 * * * /usr/local/bin/job", "11-23T02:00 11-24T02:00", "/usr/local/bin/job"),

        // System crontabs
        new(
            "17 * * * * root cd / && run-parts --report /etc/cron.hourly",
            "11-22T10:17 11-22T11:17",
            "cd / && run-parts --report /etc/cron.hourly",
            User: "root",
            System: true),
        new(
            "25 6 * * * root test -x /usr/sbin/anacron || ( cd / && run-parts --report /etc/cron.daily )",
            "11-23T06:25 11-24T06:25",
            "test -x /usr/sbin/anacron || ( cd / && run-parts --report /etc/cron.daily )",
            User: "root",
            System: true),
        new(
            "09,39 * * * * root [ -x /usr/lib/php/sessionclean ] && if [ ! -d /run/systemd/system ]; then /usr/lib/php/sessionclean; fi",
            "11-22T10:09 11-22T10:39",
            "[ -x /usr/lib/php/sessionclean ] && if [ ! -d /run/systemd/system ]; then /usr/lib/php/sessionclean; fi",
            User: "root",
            System: true),
        new(
            "*/5 * * * * www-data /usr/bin/php -f /var/www/nextcloud/cron.php",
            "11-22T10:05 11-22T10:10",
            "/usr/bin/php -f /var/www/nextcloud/cron.php",
            User: "www-data",
            System: true),
        new(
            "0 */12 * * * root test -x /usr/bin/certbot && certbot -q renew",
            "11-22T12:00 11-23T00:00",
            "test -x /usr/bin/certbot && certbot -q renew",
            User: "root",
            System: true),
        new(
            "5-55/10 * * * * root command -v debian-sa1 > /dev/null && debian-sa1 1 1",
            "11-22T10:05 11-22T10:15",
            "command -v debian-sa1 > /dev/null && debian-sa1 1 1",
            User: "root",
            System: true),
        new(
            "57 0 * * 0 root /usr/share/mdadm/checkarray --cron --all --idle --quiet",
            "11-29T00:57 12-06T00:57",
            "/usr/share/mdadm/checkarray --cron --all --idle --quiet",
            User: "root",
            System: true),
        new("@daily postgres vacuumdb -a", "11-23T00:00 11-24T00:00", "vacuumdb -a", User: "postgres", System: true),
        new("*/10 * * * * _svc /opt/svc", "11-22T10:10 11-22T10:20", "/opt/svc", User: "_svc", System: true),
        new("0 4 * * * app.user-1 /opt/x", "11-23T04:00 11-24T04:00", "/opt/x", User: "app.user-1", System: true),
        new("0 4 * * * svc$ /opt/x", "11-23T04:00 11-24T04:00", "/opt/x", User: "svc$", System: true),
        new("@weekly nobody /usr/local/bin/w", "11-29T00:00 12-06T00:00", "/usr/local/bin/w", User: "nobody", System: true),
        new("10 3 * * * user@example.com /opt/x", "11-23T03:10 11-24T03:10", "/opt/x", User: "user@example.com", System: true),
        new("10 3 * * * backup tar\tczf /b.tgz /etc", "11-23T03:10 11-24T03:10", "tar\tczf /b.tgz /etc", User: "backup", System: true),
        new(
            "-*/15 * * * * root /usr/lib/sa/sa1",
            "11-22T10:15 11-22T10:30",
            "/usr/lib/sa/sa1",
            Note: "leading -",
            User: "root",
            System: true),
        new("0 1 * * * root date +\\%F", "11-23T01:00 11-24T01:00", "date +%F", User: "root", System: true),

        // Random times
        new("0~0 * * * * /usr/local/bin/only-one", "11-22T11:00 11-22T12:00", "/usr/local/bin/only-one", Note: "depends on the job"),
        new("30 4~4 * * * /usr/local/bin/four", "11-23T04:30 11-24T04:30", "/usr/local/bin/four", Note: "depends on the job"),
    ];
}
