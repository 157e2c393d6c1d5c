using System.Globalization;
using Dts.Common.Cron;
using Dts.Common.Jobs;
using Dts.Master.Crontab;
using Dts.Tests.Support;
using Xunit;

namespace Dts.Tests.Unit.Master.Crontab;

public sealed class CrontabReaderTests
{
    public static TheoryData<CrontabRow> Rows { get; } = [.. CrontabTable.Rows];

    [Theory]
    [MemberData(nameof(Rows))]
    public void A_line_becomes_the_job_that_cron_would_run(CrontabRow row)
    {
        ArgumentNullException.ThrowIfNull(row);
        var read = Read(row.Text, new ImportOptions(row.System ? CrontabFormat.System : CrontabFormat.User));

        Assert.Equal([], read.Lines.OfType<CrontabLine.Refused>());
        var line = Assert.Single(read.Jobs);
        var job = line.Job;
        Assert.Equal(row.Next, NextTimes(job));
        Assert.Equal(row.Command, job.Command);
        Assert.Equal(row.Env, string.Join(';', job.Env.Select(variable => $"{variable.Key}={variable.Value}")));
        Assert.Equal((row.User, row.Shell, row.Zone, row.Cwd), (job.User, job.Shell, job.TimeZone, job.Cwd));
        Assert.True(JobName.TryParse(job.Name, out _, out var error), error);
        AssertNote(row.Note, line.Notes);
        AssertNote(row.VarNote, read.Lines.OfType<CrontabLine.Variable>().LastOrDefault()?.Notes ?? []);
    }

    [Fact]
    public void The_table_has_two_hundred_lines() => Assert.True(CrontabTable.Rows.Count >= 200, $"{CrontabTable.Rows.Count}");

    [Theory]
    [InlineData("@reboot /usr/local/bin/start",            "a job belongs to the cluster, not to one host's boot")]
    [InlineData("*/90 * * * * /usr/local/bin/x",           "@every 90m")]
    [InlineData("5/15 * * * * /usr/local/bin/x",           "cron refuses 5/15 or reads it as 5 alone")]
    [InlineData("60 * * * * /usr/local/bin/x",             "60")]
    [InlineData("0 0 30 2 * /usr/local/bin/x",             "never fires")]
    [InlineData("0 24 * * * /usr/local/bin/x",             "24")]
    [InlineData("0 0 * * 8 /usr/local/bin/x",              "8")]
    [InlineData("* * * * *",                               "the line has no command; expected 5 fields and a command")]
    [InlineData("@daily",                                  "the line has no command; expected a schedule and a command")]
    [InlineData("@fortnightly /usr/local/bin/x",           "is not known")]
    [InlineData("hello world",                             "the line has no command")]
    [InlineData("FOO=\"open",                              "has no closing \"")]
    [InlineData("FOO=\"a\" b",                             "goes on after its closing \"")]
    [InlineData("DTS_JOB=x",                               "begins with DTS_")]
    [InlineData("a.b=x",                                   "is not a variable's name")]
    [InlineData("SHELL=/bin/tcsh\n0 1 * * * cat%input",    "/bin/tcsh has no such here-documents")]
    [InlineData("SHELL=bash\n0 1 * * * true",              "shell is \"bash\"; expected an absolute path")]
    [InlineData("CRON_TZ=Berlin\n0 1 * * * true",          "Europe/Berlin")]
    [InlineData("# dts: {\"name\":\n0 1 * * * true",       "in line 1 is not a JSON object")]
    [InlineData("# dts: {\"name\":7}\n0 1 * * * true",     "name is 7; expected a text")]
    [InlineData("# dts: {\"user\":\"a\",\"user\":\"b\"}\n0 1 * * * true", "expected members of a job, each once")]
    [InlineData("# dts: {\"x\":\"\\ud800\"}\n0 1 * * * true", "text that is not Unicode")]
    [InlineData("# dts: {\"\\ud800\":1}\n0 1 * * * true",  "text that is not Unicode")]
    public void A_line_that_cannot_be_a_job_is_refused_with_a_reason(string text, string reason)
    {
        var read = Read(text, new ImportOptions(CrontabFormat.User));

        var refused = Assert.Single(read.Lines.OfType<CrontabLine.Refused>());
        Assert.Contains(reason, refused.Reason, StringComparison.Ordinal);
        Assert.Equal(text.Split('\n').Length, refused.Number);
        Assert.Empty(read.Jobs);
    }

    [Theory]
    [InlineData("a/b:c", "user")]
    [InlineData("-x",    "user")]
    public void A_user_that_is_not_allowed_in_jobs_is_refused(string user, string field)
    {
        var read = Read($"0 1 * * * {user} true", new ImportOptions(CrontabFormat.System));

        Assert.StartsWith(field, Assert.Single(read.Lines.OfType<CrontabLine.Refused>()).Reason, StringComparison.Ordinal);
    }

    [Fact]
    public void A_variable_applies_only_to_the_lines_after_it()
    {
        var read = Read("0 1 * * * first\nX=1\n0 1 * * * second\nX=2\n0 1 * * * third", new ImportOptions());

        Assert.Equal(["", "1", "2"], read.Jobs.Select(line => line.Job.Env.GetValueOrDefault("X", "")));
    }

    [Fact]
    public void The_comment_directly_above_a_line_is_its_description()
    {
        var read = Read(
            """
            # m h  dom mon dow   command
            0 1 * * * first

            # About the file.

            # Makes a backup
            # of all databases.
            0 2 * * * second
            0 3 * * * third
            # ---- reports ----
            #
            # Weekly report
            0 4 * * * fourth
            #0 5 * * * disabled
            0 6 * * * fifth
            # A variable
            X=1
            0 7 * * * sixth
            """,
            new ImportOptions());

        Assert.Equal(
            ["", "Makes a backup\nof all databases.", "", "Weekly report", "", ""], read.Jobs.Select(line => line.Job.Description));
        Assert.Equal(14, Assert.Single(read.Lines.OfType<CrontabLine.Disabled>()).Number);
    }

    [Fact]
    public void The_template_comments_of_a_new_crontab_describe_no_job()
    {
        var read = Read(
            """
            # Edit this file to introduce tasks to be run by cron.
            #
            # For example, you can run a backup of all your user accounts
            # at 5 a.m every week with:
            # 0 5 * * 1 tar -zcf /var/backups/home.tgz /home/
            #
            # For more information see the manual pages of crontab(5) and cron(8)
            #
            # m h  dom mon dow   command
            */5 * * * * /usr/local/bin/poll
            """,
            new ImportOptions());

        Assert.Equal("", Assert.Single(read.Jobs).Job.Description);
    }

    [Theory]
    [InlineData("/usr/local/bin/backup.sh --full /data",                              "backup")]
    [InlineData("/usr/bin/php /var/www/site/cron.php",                                "cron")]
    [InlineData("php artisan schedule:run >> /dev/null 2>&1",                         "artisan-schedule-run")]
    [InlineData("cd /srv/app && ./bin/sync.py",                                       "sync")]
    [InlineData("test -x /usr/sbin/anacron || ( cd / && run-parts /etc/cron.daily )", "cd")]
    [InlineData("[ -x /usr/bin/certbot ] && certbot renew -q",                        "certbot-renew")]
    [InlineData("nice -n 19 ionice -c 3 /opt/heavy",                                  "heavy")]
    [InlineData("flock -n /tmp/x.lock /opt/locked",                                   "locked")]
    [InlineData("timeout -k 5 300 /opt/slow",                                         "slow")]
    [InlineData("FOO=bar /opt/run",                                                   "run")]
    [InlineData("sudo -u app /srv/tick",                                              "tick")]
    [InlineData("/usr/bin/env python3 /opt/x/y.py",                                   "y")]
    [InlineData("bash -c '/opt/inner.sh'",                                            "inner")]
    [InlineData("python3 -m app.tasks",                                               "app.tasks")]
    [InlineData("\"/opt/my app/run\" now",                                            "run-now")]
    [InlineData("/opt/Größe",                                                         "Größe")]
    public void A_job_is_named_after_its_command(string command, string name) => Assert.Equal(name, CrontabNames.OfCommand(command));

    [Theory]
    [InlineData("#Ansible: nightly backup\n0 1 * * * x",                  "nightly-backup")]
    [InlineData("# Puppet Name: rotate logs\n0 1 * * * x",                "rotate-logs")]
    [InlineData("# tell the time\n0 1 * * * ''",                          "tell-the-time")]
    [InlineData("# dts: {\"name\":\"given by DTS\"}\n0 1 * * * x",        "given by DTS")]
    public void A_comment_can_name_a_job(string text, string name) =>
        Assert.Equal(name, Assert.Single(Read(text, new ImportOptions()).Jobs).Job.Name);

    [Fact]
    public void Names_are_unique_and_the_same_on_each_import()
    {
        const string text = "0 1 * * * /opt/a\n0 2 * * * /opt/a\n0 2 * * * /opt/a\n0 3 * * * /opt/b";

        var names = Names(text);

        Assert.Equal(names, Names(text));
        Assert.Equal(4, names.Distinct().Count());
        Assert.Equal(("a", "b"), (names[0], names[3]));
        Assert.Equal(names, Names(text + "\n0 9 * * * /opt/a")[..4]);
        Assert.Equal("web1-a", Names(text, new ImportOptions(Prefix: "web1-"))[0]);
    }

    [Fact]
    public void Reading_stops_one_job_beyond_the_limit()
    {
        var names = Names(string.Concat(Enumerable.Repeat("* * * * * /opt/x\n", JobSet.JobsMax + 5)));

        Assert.Equal(JobSet.JobsMax + 1, names.Count);
        Assert.Equal(("x", $"{names[1]}-2", $"{names[1]}-{JobSet.JobsMax}"), (names[0], names[2], names[^1]));
    }

    [Fact]
    public void A_crontab_with_too_many_lines_is_refused()
    {
        var wrong = Assert.Throws<FormatException>(() => Read(new string('\n', 100_001), new ImportOptions()));

        Assert.Equal("body has 100001 lines; expected at most 100000", wrong.Message);
    }

    [Fact]
    public void Reading_ends_when_it_is_cancelled() => Assert.Throws<OperationCanceledException>(() =>
        CrontabReader.Read("* * * * * x", new ImportOptions(), CronZone.Utc, new CancellationToken(canceled: true)));

    [Fact]
    public void Jobs_share_the_variables_above_them_whose_number_is_limited()
    {
        var read = Read(Variables(300, "") + "* * * * * a\n* * * * * b\na0000=1\n* * * * * c", new ImportOptions());

        var jobs = read.Jobs.Select(line => line.Job).ToList();
        Assert.All(jobs, job => Assert.Equal(200, job.Env.Count));
        Assert.Same(jobs[0].Env, jobs[1].Env);
        Assert.Equal(("", "1"), (jobs[1].Env["a0000"], jobs[2].Env["a0000"]));
        var refused = read.Lines.OfType<CrontabLine.Refused>().ToList();
        Assert.Equal(100, refused.Count);
        Assert.StartsWith("a0200 is one too many: expected at most 200 variables", refused[0].Reason, StringComparison.Ordinal);
    }

    [Fact]
    public void The_bytes_of_variables_are_limited_per_job_and_for_all_jobs()
    {
        var text = Variables(199, new string('x', 150)) + "b=" + new string('x', 5000) + "\n"
            + string.Concat(Enumerable.Repeat("* * * * * a\n", 1100));

        var read = Read(text, new ImportOptions());

        var refused = read.Lines.OfType<CrontabLine.Refused>().ToList();
        Assert.StartsWith("b is one too many", refused[0].Reason, StringComparison.Ordinal);
        const int jobs = (32 << 20) / (199 * 155);
        Assert.Equal((jobs, 1100 - jobs), (read.Jobs.Count(), refused.Count - 1));
        Assert.StartsWith(
            "its variables and those of the jobs above have more than 33554432 bytes", refused[1].Reason, StringComparison.Ordinal);
    }

    [Fact]
    public void The_options_of_an_import_apply_to_all_its_jobs()
    {
        var options = new ImportOptions(User: "app", Paused: true, Labels: new Dictionary<string, string> { ["team"] = "pay" });

        var job = Assert.Single(Read("0 1 * * * x", options).Jobs).Job;

        Assert.Equal(("app", false, "pay"), (job.User, job.Enabled, job.Labels["team"]));
        Assert.Throws<FormatException>(() => Read("0 1 * * * root x", options with { Format = CrontabFormat.System }));
    }

    [Fact]
    public void The_options_of_an_import_apply_to_jobs_in_comments_of_DTS_too()
    {
        var options = new ImportOptions(Paused: true, Labels: new Dictionary<string, string> { ["team"] = "pay" });

        var read = Read(
            """
            # dts-job: {"name":"a","command":"x","cronExpr":"@every 5m","labels":{"os":"deb"}}
            # dts: {"name":"b","labels":{"team":"x"}}
            0 1 * * * y
            """,
            options);

        Assert.Equal(
            [("a", false, "os=deb team=pay"), ("b", false, "team=pay")],
            read.Jobs.Select(line => (
                line.Job.Name, line.Job.Enabled, string.Join(' ', line.Job.Labels.Select(label => $"{label.Key}={label.Value}")))));
    }

    [Theory]
    [InlineData("* * * * * root /usr/local/bin/x",                               "system")]
    [InlineData("* * * * * /usr/local/bin/x root",                               "user")]
    [InlineData("* * * * * cd /srv",                                             "user")]
    [InlineData("* * * * * backup",                                              "user")]
    [InlineData("* * * * * app /usr/local/bin/x\n* * * * * www-data y",          "system")]
    [InlineData("@daily postgres vacuumdb -a",                                   "system")]
    [InlineData("X=1\n# nothing",                                                "user")]
    [InlineData("# dts-crontab: system\n* * * * * app x",                        "system")]
    [InlineData("* * * * * app x",                                               "the sixth word of line 1 may be a user or a command")]
    [InlineData("# c\n* * * * * /opt/x\n* * * * * root x",                       "line 2 reads as a user's crontab, line 3 has")]
    public void The_format_is_detected_by_the_lines_or_must_be_given(string text, string expected)
    {
        if (expected.Contains(' '))
        {
            var wrong = Assert.Throws<FormatException>(() => Read(text, new ImportOptions()));
            Assert.Contains(expected, wrong.Message, StringComparison.Ordinal);
        }
        else
        {
            Assert.Equal(expected, $"{Read(text, new ImportOptions()).Format}".ToLowerInvariant());
        }
    }

    [Theory]
    [InlineData("cat%one%two",                     "one\ntwo\n")]
    [InlineData("cat%50\\% off",                   "50% off\n")]
    [InlineData("cat; echo after%x",               "x\nafter\n")]
    [InlineData("read a; echo $a; cat%1%2%3",      "1\n2\n3\n")]
    [InlineData("cat # comment%x",                 "x\n")]
    [InlineData("echo 100\\%",                     "100%\n")]
    [InlineData("eval \"$(cat)\"%echo a%echo b",   "a\nb\n")]
    public async Task The_shell_does_what_cron_would_make_it_do(string written, string output)
    {
        var job = Assert.Single(Read($"0 1 * * * {written}", new ImportOptions(CrontabFormat.User)).Jobs).Job;

        Assert.Equal(output, await Tool.RunAsync(job.Shell, "-c", job.Command));
        Assert.Equal(output, await Tool.RunAsync("/bin/bash", "-c", job.Command));
    }

    [Fact]
    public void Windows_lines_are_read_without_their_CR()
    {
        var read = Read("X=1\r\n0 1 * * * /opt/x\r\n", new ImportOptions());

        Assert.Equal(("1", "/opt/x"), (read.Jobs.Single().Job.Env["X"], read.Jobs.Single().Job.Command));
        Assert.Contains(read.Notes, note => note.Contains("CR LF", StringComparison.Ordinal));
    }

    [Fact]
    public void Any_text_is_read_without_an_exception()
    {
        var random = Some.Random();
        const string letters = "0123456789*/,-%\\ \t\n\n#@=\"'~{}:aLMORNTZdts";
        for (var i = 0; i < 3000; i++)
        {
            var text = new string([.. Enumerable.Range(0, random.Next(1, 120)).Select(_ => letters[random.Next(letters.Length)])]);

            var read = Read(text, new ImportOptions(random.Next(2) == 0 ? CrontabFormat.User : CrontabFormat.System));

            Assert.All(read.Jobs, line => Assert.Null(Dts.Master.Jobs.SaveRules.FindFault(line.Job, CronZone.Utc)));
        }
    }

    private static string Variables(int count, string value) =>
        string.Concat(Enumerable.Range(0, count).Select(n => $"a{n:0000}={value}\n"));

    private static CrontabContent Read(string text, ImportOptions options) => CrontabReader.Read(text, options, CronZone.Utc);

    private static List<string> Names(string text, ImportOptions? options = null) =>
        [.. Read(text, options ?? new ImportOptions()).Jobs.Select(line => line.Job.Name)];

    private static string NextTimes(Job job)
    {
        Assert.True(JobSchedule.TryParse(job, CronZone.Utc, out var schedule, out var error), error);
        var first = schedule.Next(Some.Now)!.Value;
        return string.Join(' ', new[] { first, schedule.Next(first)!.Value }.Select(time =>
            time.ToString(time.Year == 2026 ? "MM-dd'T'HH:mm" : "yyyy-MM-dd'T'HH:mm", CultureInfo.InvariantCulture)));
    }

    private static void AssertNote(string expected, IReadOnlyList<string> notes)
    {
        if (expected.Length == 0)
        {
            Assert.Empty(notes);
        }
        else
        {
            Assert.Contains(expected, Assert.Single(notes), StringComparison.Ordinal);
        }
    }
}
