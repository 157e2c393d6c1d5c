using Dts.Common.Cron;
using Dts.Common.Jobs;
using Dts.Master.Crontab;
using Dts.Master.Versions;
using Dts.Tests.Support;
using Xunit;

namespace Dts.Tests.Unit.Master.Crontab;

public sealed class CrontabWriterTests
{
    private static readonly string[] Texts =
    [
        "true", "", " ", "a b", "50%", "a\nb", "a\\\nb", "\\%", "\"quoted\"", "it's", "x ", " x", "#c", "é日本", "a\tb", "yes", "null", "1",
        "-", "a: b", "*", "&a", "|", "exec <<'DTS_STDIN'\nin\nDTS_STDIN\ncat", "dts: {}", "0 1 * * * x", "m h dom", "a\n", "\n", "\u2028",
        "a\r\nb", "- x", "~", "trailing \nblank", "{}", "[]", "'", "\"", "😀", "\\😀 \\\\uD83D\\uDE00", "a😀\nb",
    ];

    private static readonly string[] LabelTexts = Array.FindAll(
        Texts, text => !text.Any(letter => char.IsControl(letter) || letter == '\u2028'));

    private static readonly string[] Schedules =
    [
        "* * * * *", "0 3 * * MON-FRI", "@daily", "@every 90s", "0 0 0 ? * 2#1", "*/7 1-5/2 1,15 JAN-MAR *", "0 0 */2 * 1",
        "22-2 * * * *", "5/15 * * * *", "H H * * *", "0 0 L * *", "@at 2027-12-24T18:00:00Z", "0 0 13 * 5",
    ];

    private static readonly string[] EnvNames = ["A", "B", "HOME", "TZ", "MAILTO", "PATH", "LOGNAME"];

    [Fact]
    public void Jobs_survive_the_way_through_a_crontab()
    {
        var random = Some.Random();
        for (var i = 0; i < 300; i++)
        {
            var jobs = Enumerable.Range(0, random.Next(1, 12)).Select(n => RandomJob(random, n)).ToList();

            var text = CrontabWriter.Write(jobs, CronZone.Utc);
            var read = CrontabReader.Read(text, new ImportOptions(), CronZone.Utc);

            Assert.True(!read.Lines.OfType<CrontabLine.Refused>().Any(), $"{string.Join('\n', read.Lines)}\n{text}");
            AssertSame(jobs, read.Jobs.Select(line => line.Job));
        }
    }

    [Fact]
    public void Jobs_survive_the_way_through_JSON_and_YAML()
    {
        var random = Some.Random();
        for (var i = 0; i < 300; i++)
        {
            var jobs = Enumerable.Range(0, random.Next(0, 12)).Select(n => RandomJob(random, n)).ToList();
            foreach (var text in new[] { JobSet.WriteJson(jobs), JobSet.WriteYaml(jobs) })
            {
                var read = JobSet.Read(System.Text.Encoding.UTF8.GetBytes(text), "");

                Assert.True(read.All(item => item.Fault.Length == 0), $"{string.Join('\n', read)}\n{text}");
                AssertSame(jobs, read.Select(item => item.Job!));
            }
        }
    }

    [Fact]
    public void Plain_jobs_become_a_crontab_that_cron_can_use()
    {
        Job[] jobs =
        [
            new("backup", "mysqldump db > /b/$(date +%u).sql", "30 2 * * *", "Nightly backup", Shell: "/bin/sh"),
            new("two lines", "echo a\necho b", "0 3 * * *"),
            new("with input", "exec <<'DTS_STDIN'\nhello\nDTS_STDIN\nmail -s x root", "0 4 * * *"),
            new("paused", "true", "0 5 * * *", Enabled: false),
        ];

        Assert.Equal(
            """
            # dts-crontab: user
            # Lines that begin with "# dts" hold what crontabs cannot express: cron skips them, imports into DTS read them.
            CRON_TZ=UTC
            SHELL=/bin/bash

            # cron does not run "paused": it is paused
            # dts-job: {"name":"paused",…}

            # dts: {"name":"two lines",…}
            0 3 * * * eval "$(cat)"%echo a%echo b

            # dts: {"name":"with input",…}
            0 4 * * * mail -s x root%hello

            SHELL=/bin/sh
            # Nightly backup
            # dts: {"name":"backup","timeZone":""}
            30 2 * * * mysqldump db > /b/$(date +\%u).sql

            """,
            Shortened(CrontabWriter.Write(jobs, CronZone.Utc)));
    }

    [Theory]
    [InlineData("* * * * *", "", "EMPTY=\"\"")]
    [InlineData("@every 90s", "", "# cron does not run \"a\": cron refuses its schedule, or reads another from it")]
    [InlineData("* * * * *", "a\nb", "# cron does not run \"a\": no line of 998 bytes can express its variable EMPTY")]
    public void A_variable_is_written_as_cron_reads_it_or_its_job_is_a_comment_that_says_why(string schedule, string value, string line)
    {
        var job = Some.Job("a", schedule) with { Env = new Dictionary<string, string> { ["EMPTY"] = value } };
        var text = CrontabWriter.Write([job], CronZone.Utc);

        Assert.Contains(line, text.Split('\n'));
        Assert.DoesNotContain("EMPTY=", text.Split('\n'));
        Assert.Equal(line[0] == '#', text.Contains("\n# dts-job: ", StringComparison.Ordinal));
    }

    [Fact]
    public void A_line_that_is_too_long_for_cron_is_a_comment_that_names_the_job_and_the_length()
    {
        var (fits, over) = ($": {new string('é', 498)}", $": {new string('é', 498)}a");
        Dictionary<string, string> Env(int length) => new() { ["A"] = new string('x', length) };
        Job[] jobs =
        [
            Some.Job("a", "@daily") with { Command = fits },
            Some.Job("b", "@daily") with { Command = over },
            Some.Job("c", "@daily") with { Env = Env(996) },
            Some.Job("d", "@daily") with { Env = Env(997) },
        ];
        var text = CrontabWriter.Write(jobs, CronZone.Utc);

        Assert.Equal(
            [
                "# cron does not run \"b\": its command takes 999 bytes, and cron reads 998",
                "# cron does not run \"d\": no line of 998 bytes can express its variable A",
            ],
            text.Split('\n').Where(line => line.StartsWith("# cron", StringComparison.Ordinal)));
        Assert.All(
            text.Split('\n').Where(line => !line.StartsWith('#')),
            line => Assert.InRange(System.Text.Encoding.UTF8.GetByteCount(line), 0, "@daily ".Length + 998));
        AssertSame(jobs, CrontabReader.Read(text, new ImportOptions(), CronZone.Utc).Jobs.Select(line => line.Job));
    }

    [Fact]
    public void YAML_writes_a_character_beyond_the_BMP_as_one_escape()
    {
        var unknown = System.Text.Json.JsonDocument.Parse("""["😀"]""").RootElement;
        var job = Some.Job("a") with { Command = "echo 😀 \\uD83D\\uDE00", Unknown = new() { ["later"] = unknown } };
        var text = JobSet.WriteYaml([job]);

        Assert.Contains("""command: "echo \U0001F600 \\uD83D\\uDE00" """.Trim(), text, StringComparison.Ordinal);
        Assert.Contains("""later: ["\U0001F600"]""", text, StringComparison.Ordinal);
    }

    [Fact]
    public void A_description_that_no_job_can_have_is_in_the_note()
    {
        var text = CrontabWriter.Write([Some.Job("a", "@daily") with { Description = "x\0y" }, Some.Job("b")], CronZone.Utc);

        Assert.Contains("x\\u0000y", text, StringComparison.Ordinal);
        Assert.Equal(["b"], CrontabReader.Read(text, new ImportOptions(), CronZone.Utc).Jobs.Select(line => line.Job.Name));
    }

    [Fact]
    public void A_crontab_names_users_if_all_its_jobs_have_one()
    {
        var text = CrontabWriter.Write([new Job("a", "true", "@daily", User: "app", TimeZone: "UTC", Shell: "/bin/sh")], CronZone.Utc);

        Assert.EndsWith("SHELL=/bin/sh\n# dts: {\"name\":\"a\"}\n@daily app true\n", text, StringComparison.Ordinal);
        Assert.StartsWith("# dts-crontab: system\n", text, StringComparison.Ordinal);
    }

    private static Job RandomJob(Random random, int n) => new(
        $"job {n}",
        Pick(random, Texts.Where(text => !string.IsNullOrWhiteSpace(text))),
        Pick(random, Schedules),
        Description: Pick(random, Texts),
        Enabled: random.Next(5) > 0,
        TimeZone: Pick(random, ["", "", "Europe/Berlin", "UTC"]),
        Labels: random.Next(3) == 0 ? new Dictionary<string, string> { ["team"] = Pick(random, LabelTexts) } : null,
        Mode: random.Next(4) == 0 ? JobMode.All : JobMode.One,
        TimeoutSeconds: random.Next(3),
        Retry: new Retry(random.Next(2), Backoff: 1.5),
        User: Pick(random, ["", "app", "root"]),
        Cwd: Pick(random, ["", "", "/srv"]),
        Env: EnvNames.Where(_ => random.Next(5) == 0).ToDictionary(name => name, _ => Pick(random, Texts)),
        Shell: Pick(random, ["", "/bin/sh", "/bin/bash", "/bin/tcsh"]),
        MemoryMax: new ByteSize(random.Next(2) << 20),
        CpuMax: random.Next(2) * 1.5,
        Then: random.Next(3) == 0 ? ["yes", "job 1"] : null)
    {
        Unknown = random.Next(4) == 0
            ? new() { ["later"] = System.Text.Json.JsonDocument.Parse("""{"a":[1,null,"x: y"],"b":{}}""").RootElement }
            : null,
    };

    private static string Pick(Random random, IEnumerable<string> texts)
    {
        var list = texts.ToList();
        return list[random.Next(list.Count)];
    }

    /// <summary>The order of variables and labels says nothing.</summary>
    private static void AssertSame(IEnumerable<Job> expected, IEnumerable<Job> actual)
    {
        var (ours, theirs) = (expected.OrderBy(job => job.Name).ToList(), actual.OrderBy(job => job.Name).ToList());
        Assert.Equal(ours.Select(job => job.Name), theirs.Select(job => job.Name));
        Assert.Empty(ours.Zip(theirs, JobDiff.Between).SelectMany(changes => changes));
    }

    private static string Shortened(string text) => string.Join('\n', text.Split('\n').Select(line =>
        line.StartsWith("# dts", StringComparison.Ordinal) && line.Length > 50 && line.IndexOf(',') is > 0 and var comma
            ? line[..(comma + 1)] + "…}"
            : line));
}
