using Dts.Common.Cron;
using Dts.Common.Hosting;
using Dts.Common.Jobs;
using Dts.Master.Jobs;
using Dts.Tests.Support;
using Xunit;

namespace Dts.Tests.Unit.Jobs;

public sealed class JobRulesTests
{
    private static readonly Dictionary<string, (Func<int, Job> Make, int Min, int Max)> Ranges = new()
    {
        ["startDeadlineSeconds"] = (value => Some.Job() with { StartDeadlineSeconds = value }, 1, 2_592_000),
        ["timeoutSeconds"] = (value => Some.Job() with { TimeoutSeconds = value }, 0, 31_536_000),
        ["killGraceSeconds"] = (value => Some.Job() with { KillGraceSeconds = value }, 0, 3600),
        ["retentionDays"] = (value => Some.Job() with { RetentionDays = value }, 0, 36_500),
        ["retry.max"] = (value => Some.Job() with { Retry = new Retry(Max: value) }, 0, 100),
        ["retry.delaySeconds"] = (value => Some.Job() with { Retry = new Retry(DelaySeconds: value) }, 0, 86_400),
        ["retry.maxDelaySeconds"] = (value => Some.Job() with { Retry = new Retry(MaxDelaySeconds: value) }, 0, 2_592_000),
        ["pidsMax"] = (value => Some.Job() with { PidsMax = value }, 0, 4_194_304),
        ["outputLimitBytes"] = (value => Some.Job() with { OutputLimitBytes = value }, 1024, 8_388_608),
    };

    public static TheoryData<string> RangeFields => [.. Ranges.Keys];

    [Fact]
    public void An_ordinary_job_has_no_fault() => Assert.Null(FaultOf(Some.Job()));

    [Fact]
    public void Other_supported_values_are_accepted() => Assert.Null(FaultOf(Some.Job() with
    {
        Description = "says\nmore",
        Enabled = false,
        TimeZone = "Europe/Berlin",
        Labels = new Dictionary<string, string> { ["team"] = "x" },
        Mode = JobMode.All,
        Target = new Target(["w1"], new Dictionary<string, string> { ["zone"] = "a" }),
        Overlap = Overlap.Replace,
        Misfire = Misfire.Once,
        Retry = new Retry(Max: 3, Elsewhere: true),
        OnWorkerLost = OnWorkerLost.Rerun,
        OnDisconnect = OnDisconnect.Kill,
        Then = ["next"],
        OnFailure = ["mend"],
        Always = ["tidy"],
        User = "www-data",
        Cwd = "/tmp",
        Env = new Dictionary<string, string> { ["PATH"] = "/bin", ["_x1"] = "" },
        Shell = "/bin/sh",
        OutputLimitBytes = 0,
        MemoryMax = new ByteSize(1 << 20),
        CpuMax = 0.01,
        PidsMax = 10,
        Secrets = ["db", "api-key_2.pem"],
    }));

    [Theory]
    [InlineData("")]
    [InlineData(".")]
    [InlineData("..")]
    [InlineData(".hidden")]
    [InlineData("a/b")]
    [InlineData("../worker.env")]
    [InlineData("a b")]
    [InlineData("a\n")]
    [InlineData("DTS_ETCDPASSWORD")]
    [InlineData("dts_mongodburi")]
    public void A_secret_is_a_file_of_its_folder_and_no_setting_of_the_worker(string name) => Assert.Equal(
        $"secrets has \"{Display.Line(name)}\"; expected a file's name of 1 to 100 letters, digits, '.', '_' or '-', "
            + "which does not begin with '.' or DTS_",
        FaultOf(Some.Job() with { Secrets = [name] }));

    [Fact]
    public void Secrets_are_few_and_each_is_named_once()
    {
        Assert.Equal("secrets names a secret twice; expected each once", FaultOf(Some.Job() with { Secrets = ["a", "a"] }));
        Assert.Equal(
            "secrets has 21 names; expected at most 20",
            FaultOf(Some.Job() with { Secrets = [.. Enumerable.Range(0, 21).Select(n => $"s{n}")] }));
    }

    [Theory]
    [InlineData(1, 0,       "memoryMax is 1; expected 1M to 1024T, or 0 for no limit")]
    [InlineData(1 << 19, 0, "memoryMax is 512K; expected 1M to 1024T, or 0 for no limit")]
    [InlineData(-1, 0,      "memoryMax is -1; expected 1M to 1024T, or 0 for no limit")]
    [InlineData(0, 0.001,   "cpuMax is 0.001; expected 0.01 to 10000, or 0 for no limit")]
    [InlineData(0, -1,      "cpuMax is -1; expected 0.01 to 10000, or 0 for no limit")]
    public void A_limit_is_one_that_the_kernel_can_keep(long memoryMax, double cpuMax, string fault) =>
        Assert.Equal(fault, FaultOf(Some.Job() with { MemoryMax = new ByteSize(memoryMax), CpuMax = cpuMax }));

    [Theory]
    [InlineData("-x")]
    [InlineData("a b")]
    [InlineData("a:b")]
    [InlineData("a\nb")]
    public void A_user_is_a_name_that_a_user_can_have(string user)
    {
        var fault =
            $"user \"{Display.Line(user)}\" is not a user's name; expected letters, digits, '.', '_', '-', '@' or '$', at most 100, "
                + "the first no '-'";

        Assert.Equal(fault, FaultOf(Some.Job() with { User = user }));
        Assert.Equal(fault, JobRules.FindUnrunnable(Some.Job() with { User = user }));
    }

    [Theory]
    [MemberData(nameof(RangeFields))]
    public void A_number_has_its_range(string field)
    {
        var (make, min, max) = Ranges[field];

        Assert.Null(FaultOf(make(min)));
        Assert.Null(FaultOf(make(max)));
        Assert.Equal($"{field} is {min - 1}; expected {min} to {max}", FaultOf(make(min - 1)));
        Assert.Equal($"{field} is {max + 1}; expected {min} to {max}", FaultOf(make(max + 1)));
    }

    [Fact]
    public void Dependents_are_names_of_jobs_and_not_too_many()
    {
        Assert.Equal(
            "onFailure has \"a/b\", which is not a job's name; expected names of jobs", FaultOf(Some.Job() with { OnFailure = ["a/b"] }));
        Assert.Equal(
            "then, onFailure and always name 21 jobs; expected at most 20",
            FaultOf(Some.Job() with { Then = [.. Enumerable.Range(0, 21).Select(n => $"job-{n}")] }));
    }

    [Fact]
    public void A_retry_never_comes_sooner_than_the_one_before() =>
        Assert.Equal("retry.backoff is 0.5; expected 1 to 100", FaultOf(Some.Job() with { Retry = new Retry(Max: 1, Backoff: 0.5) }));

    [Theory]
    [InlineData("")]
    [InlineData(" \n\t")]
    public void A_command_says_something(string command) =>
        Assert.Equal("command is empty; expected a shell command", FaultOf(Some.Job() with { Command = command }));

    [Fact]
    public void A_command_fits_into_one_argument_of_a_process()
    {
        Assert.Null(FaultOf(Some.Job() with { Command = new string('x', 100_000) }));
        Assert.Equal("command has 100002 bytes; expected at most 100000", FaultOf(Some.Job() with { Command = new string('份', 33_334) }));
        Assert.Equal("command has a NUL character; expected text without", FaultOf(Some.Job() with { Command = "a\0b" }));
    }

    [Fact]
    public void Paths_are_absolute()
    {
        Assert.Equal("cwd is \"tmp\"; expected an absolute path of printable characters", FaultOf(Some.Job() with { Cwd = "tmp" }));
        Assert.Equal(
            "cwd is \"/tmp/?[31m\"; expected an absolute path of printable characters", FaultOf(Some.Job() with { Cwd = "/tmp/\e[31m" }));
        Assert.Equal("shell is \"bash\"; expected an absolute path of printable characters", FaultOf(Some.Job() with { Shell = "bash" }));
    }

    [Theory]
    [InlineData("",          "x", "env \"\" is not a variable's name; expected letters, digits and '_'")]
    [InlineData("1A",        "x", "env \"1A\" is not a variable's name; expected letters, digits and '_'")]
    [InlineData("A=B",       "x", "env \"A=B\" is not a variable's name; expected letters, digits and '_'")]
    [InlineData("变量",      "x", "env \"变量\" is not a variable's name; expected letters, digits and '_'")]
    [InlineData("DTS_JOB",   "x", "env \"DTS_JOB\" begins with DTS_, which DTS sets itself; expected another name")]
    [InlineData("DTS_ANY",   "x", "env \"DTS_ANY\" begins with DTS_, which DTS sets itself; expected another name")]
    [InlineData("A",     "x\0y", "env A has a NUL character; expected text without")]
    public void A_variable_of_the_environment_can_be_set(string name, string value, string fault) =>
        Assert.Equal(fault, FaultOf(Some.Job() with { Env = new Dictionary<string, string> { ["GOOD"] = "1", [name] = value } }));

    [Fact]
    public void A_name_is_judged_first() =>
        Assert.StartsWith("name \"a/b\" has a '/'", FaultOf(Some.Job("a/b") with { Command = "" }), StringComparison.Ordinal);

    [Theory]
    [InlineData("61 * * * *")]
    [InlineData("* * *")]
    [InlineData("")]
    public void An_expression_that_cannot_be_read_is_shown(string cronExpr) =>
        Assert.StartsWith($"cronExpr \"{cronExpr}\": ", FaultOf(Some.Job(cronExpr: cronExpr)), StringComparison.Ordinal);

    [Fact]
    public void An_expression_that_is_over_is_refused_at_save_and_stays_runnable_in_etcd()
    {
        var over = Some.Job(cronExpr: "0 0 0 1 1 * 2020");

        Assert.Equal("cronExpr \"0 0 0 1 1 * 2020\" never fires from now on; expected an expression that does", FaultOf(over));
        Assert.Null(JobRules.FindUnrunnable(over));
    }

    [Fact]
    public void An_unknown_zone_is_named() =>
        Assert.StartsWith("timeZone: ", FaultOf(Some.Job() with { TimeZone = "Europe/Atlantis" }), StringComparison.Ordinal);

    [Fact]
    public void A_save_with_a_mistyped_zone_suggests_the_right_one() => Assert.Equal(
        "timeZone: unknown time zone \"Europe/Berln\"; did you mean Europe/Berlin?",
        FaultOf(Some.Job() with { TimeZone = "Europe/Berln" }));

    [Fact]
    public void The_table_of_members_has_each_member_of_a_job_once()
    {
        var members = JobsJson.Readable.Job.Properties.Where(member => member is { IsExtensionData: false, Get: not null });

        Assert.Equal(members.Select(member => member.Name).Order(), JobMember.All.Select(member => member.Name).Order());
    }

    private static string? FaultOf(Job job) =>
        SaveRules.FindFault(job, CronZone.Utc) ?? SaveRules.FindOver(null, job, CronZone.Utc, Some.Now);
}
