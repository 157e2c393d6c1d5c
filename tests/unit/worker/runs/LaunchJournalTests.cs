using Dts.Common.Jobs;
using Dts.Tests.Support;
using Dts.Worker.Commands;
using Dts.Worker.Runs;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace Dts.Tests.Unit.Worker.Runs;

public sealed class LaunchJournalTests : IDisposable
{
    private readonly ScratchFolder _scratch = new();

    public void Dispose() => _scratch.Dispose();

    [Fact]
    public void The_next_process_knows_the_commands_that_may_still_run()
    {
        using (var journal = Open())
        {
            Assert.Empty(journal.Former);
            journal.Launching(Run("ended", 0));
            journal.Ended(Run("ended", 0));
            journal.Launching(Run("with space", 0));
            journal.Launching(Run("备份", 1));
        }

        using var next = Open();
        Assert.Equal(["with space/20261122T100000Z", "备份/20261122T100001Z"], next.Former.Select(launch => launch.Key));
    }

    [Fact]
    public void A_job_name_that_looks_like_a_line_of_the_journal_is_read_as_a_name()
    {
        using (var journal = Open())
        {
            journal.Launching(Run("ended x", 0));
            journal.Launching(Run("x", 0));
            journal.Ended(Run("x", 0));
        }

        using var next = Open();
        Assert.Equal(["ended x/20261122T100000Z"], next.Former.Select(launch => launch.Key));
    }

    [Fact]
    public void Former_launches_are_forgotten_by_the_process_after_the_next()
    {
        using (var journal = Open())
        {
            journal.Launching(Run("hello", 0));
        }

        using (var next = Open())
        {
            Assert.Single(next.Former);
        }

        using var third = Open();
        Assert.Empty(third.Former);
    }

    [Fact]
    public void A_launch_is_known_by_its_process_until_the_host_reboots()
    {
        using (var journal = Open())
        {
            journal.Launching(Run("a 1 2", 0));
            journal.Launched(Run("a 1 2", 0), new RunningCommand(4711, 815, Some.Now, (_, _, _) => { }));
        }

        var written = File.ReadAllText(_scratch.File("launches"));
        using (var next = Open())
        {
            Assert.Equal([new LaunchJournal.Launch("a 1 2/20261122T100000Z", 4711, 815)], next.Former);
        }

        File.WriteAllText(_scratch.File("launches"), "boot another" + written[written.IndexOf('\n')..]);
        using var after = Open();
        Assert.Empty(after.Former);
    }

    [Theory]
    [InlineData("launching hello/20261122T100000Z\nlaun", 1)]
    [InlineData("\n\n", 0)]
    [InlineData("no such line at all", 0)]
    public void A_torn_or_strange_line_does_no_harm(string text, int former)
    {
        File.WriteAllText(_scratch.File("launches"), text);

        using var journal = Open();

        Assert.Equal(former, journal.Former.Count);
    }

    [Fact]
    public async Task A_start_on_a_full_disk_is_logged_and_launches_are_written_once_there_is_room()
    {
        await using var disk = await SmallDisk.MountAsync(_scratch.Path, kilobytes: 64);
        using (var former = Open())
        {
            former.Launching(Run("former", 0));
        }

        disk.Fill();
        var log = new RecordedLog();
        using (var journal = LaunchJournal.Open(_scratch.Path, log))
        {
            Assert.Equal(["former/20261122T100000Z"], journal.Former.Select(launch => launch.Key));
            journal.Launching(Run("unwritten", 1));
            Assert.Equal(1, log.CountOf("launches cannot be written (No space left on device"));

            disk.Free();
            journal.Launching(Run("written", 2));
        }

        using var next = Open();
        Assert.Equal(["unwritten/20261122T100001Z", "written/20261122T100002Z"], next.Former.Select(launch => launch.Key));
    }

    [Fact]
    public void It_does_not_grow_forever()
    {
        using var journal = Open();
        journal.Launching(Run("long", 0));
        for (var n = 1; n <= 15_000; n++)
        {
            journal.Launching(Run("short", n));
            journal.Ended(Run("short", n));
        }

        Assert.InRange(new FileInfo(_scratch.File("launches")).Length, 1, 20_001 * 40);
        journal.Dispose();
        using var next = Open();
        Assert.Equal(["long/20261122T100000Z"], next.Former.Select(launch => launch.Key));
    }

    private static Run Run(string name, int second) =>
        new(JobName.Parse(name), Some.Job(name), 1, RunSpec.Scheduled(Some.Now.AddSeconds(second)), Some.Now, 1, default);

    private LaunchJournal Open() => LaunchJournal.Open(_scratch.Path, NullLogger.Instance);
}
