using Dts.Common.Etcd;
using Dts.Common.Jobs;
using Dts.Common.Logs;
using Dts.Tests.Support;
using Dts.Worker.Commands;
using Dts.Worker.Commands.Holders;
using Dts.Worker.Records;
using Dts.Worker.Runs;
using Xunit;

namespace Dts.Tests.Unit.Worker.Runs;

/// <summary>In an ordinary folder: what is written and read there is what the kernel would get and give.</summary>
public sealed class RunCgroupsTests : IDisposable
{
    private readonly ScratchFolder _scratch = new();

    public void Dispose() => _scratch.Dispose();

    [Fact]
    public void Limits_are_what_the_job_says_and_a_run_that_takes_too_much_memory_ends_as_a_whole()
    {
        var cgroup = Make(Some.Job() with { MemoryMax = new ByteSize(512 << 20), CpuMax = 1.5, PidsMax = 64 });

        Assert.Equal(
            ["536870912", "150000 100000", "64", "1"],
            new[] { "memory.max", "cpu.max", "pids.max", "memory.oom.group" }.Select(file => Read(cgroup!, file)));
    }

    [Fact]
    public void A_run_without_limits_has_a_cgroup_only_where_every_run_has_one_or_when_it_is_another_user_s()
    {
        Assert.Null(Make(Some.Job()));
        Assert.NotNull(Make(Some.Job() with { User = "nobody" }));
        Assert.NotNull(Make(Some.Job(), forEveryRun: true));
    }

    [Fact]
    public void Runs_have_a_cgroup_each_whatever_their_job_is_called()
    {
        var paths = new[] { "a", "b", "with space", "备份" }.Select(name => Make(Some.Job(name), forEveryRun: true)!.Path).ToList();

        Assert.Distinct(paths);
        Assert.All(paths, path => Assert.Matches("/20261122T100000Z-[0-9a-f]{16}$", path));
    }

    [Theory]
    [InlineData("memory", "memoryMax is 512M, which worker w1 cannot keep: its cgroup has no memory controller")]
    [InlineData("cpu",    "cpuMax is 1.5, which worker w1 cannot keep: its cgroup has no cpu controller")]
    [InlineData("pids",   "pidsMax is 64, which worker w1 cannot keep: its cgroup has no pids controller")]
    public void A_limit_that_cannot_be_kept_fails_the_run_that_asks_for_it_and_no_other(string missing, string refusal)
    {
        var cgroups = new RunCgroups(
            _scratch.Path,
            controller => controller == missing ? $"its cgroup has no {controller} controller" : null,
            "w1",
            forEveryRun: false);

        Assert.False(cgroups.TryMake(
            Run(Some.Job() with { MemoryMax = new ByteSize(512 << 20), CpuMax = 1.5, PidsMax = 64 }), out _, out var said));
        Assert.Equal(refusal, said);
        Assert.True(cgroups.TryMake(Run(Some.Job()), out _, out _));
    }

    [Fact]
    public void Without_cgroups_runs_without_limits_go_on()
    {
        var cgroups = new RunCgroups(null, _ => "this host has no cgroup v2", "w1", forEveryRun: true);

        Assert.True(cgroups.TryMake(Run(Some.Job()), out var cgroup, out _));
        Assert.Null(cgroup);
        Assert.False(cgroups.TryMake(Run(Some.Job() with { PidsMax = 7 }), out _, out var refusal));
        Assert.Equal("pidsMax is 7, which worker w1 cannot keep: this host has no cgroup v2", refusal);
    }

    [Fact]
    public void A_run_that_the_kernel_killed_for_want_of_memory_says_so()
    {
        var run = Run(Some.Job() with { MemoryMax = new ByteSize(512 << 20) });
        Assert.True(Cgroups().TryMake(run, out var cgroup, out _));
        run.Cgroup = cgroup;
        File.WriteAllText(Path.Combine(cgroup!.Path, "memory.peak"), "536870912\n");
        File.WriteAllText(Path.Combine(cgroup.Path, "memory.events"), "low 0\nhigh 0\nmax 52\noom 1\noom_kill 3\noom_group_kill 1\n");
        File.WriteAllText(Path.Combine(cgroup.Path, "cpu.stat"), "usage_usec 2500000\nuser_usec 1\n");

        var record = Record(run, new CommandOutcome.Signaled(9));

        Assert.Equal((RunStatus.Failed, "killed by the host: it used more memory than its limit of 512 MiB"), (record.Status, record.Err));
        Assert.Equal((536_870_912, true, 2500), (record.PeakMemoryBytes, record.OomKilled, record.CpuMs));
    }

    [Fact]
    public void A_run_that_was_killed_on_request_keeps_that_reason()
    {
        var run = Run(Some.Job() with { MemoryMax = new ByteSize(512 << 20) });
        Assert.True(Cgroups().TryMake(run, out var cgroup, out _));
        run.Cgroup = cgroup;
        File.WriteAllText(Path.Combine(cgroup!.Path, "memory.events"), "oom_kill 1\n");

        Assert.Equal(
            (RunStatus.Killed, "killed: by hand", true),
            Record(run, new CommandOutcome.Killed("by hand")) is var record ? (record.Status, record.Err, record.OomKilled) : default);
    }

    [Fact]
    public void What_is_left_of_a_run_is_killed_by_its_name_and_a_run_that_has_left_nothing_is_no_fault()
    {
        Assert.True(Cgroups().TryMake(Run(Some.Job() with { PidsMax = 7 }), out var cgroup, out _));
        File.WriteAllText(Path.Combine(cgroup!.Path, "cgroup.kill"), "");
        File.WriteAllText(Path.Combine(cgroup.Path, "cgroup.procs"), "4711\n4712\n");

        Assert.Equal(2, Cgroups().KillLeft("hello", Run(Some.Job()).Id));
        Assert.Equal(0, Cgroups().KillLeft("another", "20261122T100000Z"));

        Assert.Equal("1", Read(cgroup, "cgroup.kill"));
    }

    private static string Read(RunCgroup cgroup, string file) => File.ReadAllText(Path.Combine(cgroup.Path, file));

    private static Run Run(Job job) => new(JobName.Parse(job.Name), job, 1, RunSpec.Scheduled(Some.Now), Some.Now, 1, new LeaseId(1));

    private RunCgroups Cgroups(bool forEveryRun = false) => new(_scratch.Path, _ => null, "w1", forEveryRun);

    private RunCgroup? Make(Job job, bool forEveryRun = false)
    {
        Assert.True(Cgroups(forEveryRun).TryMake(Run(job), out var cgroup, out var refusal), refusal);
        return cgroup;
    }

    private RunRecord Record(Run run, CommandOutcome outcome)
    {
        var ending = new CommandEnding(
            outcome, null, 9, Some.Now, Some.Now, CpuMs: 1, MaxRssKb: null, "", 0, OutputTruncated: false, 0, []);
        return new RecordWriter("w1", "host", TimeSpan.FromDays(1)).Ran(run, ending, Cgroups().End(run));
    }
}
