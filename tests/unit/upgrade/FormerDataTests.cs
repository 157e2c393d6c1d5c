using System.Text.Json;
using Dts.Common.Logs;
using Dts.Tests.Support;
using Dts.Worker.Commands;
using Dts.Worker.Records;
using Dts.Worker.Runs;
using Xunit;

namespace Dts.Tests.Unit.Upgrade;

/// <summary>This version goes on with the data folder and the holders that a worker of an earlier version left.</summary>
public sealed class FormerDataTests : IDisposable
{
    private readonly ScratchFolder _scratch = new();
    private readonly RecordedLog _log = new();

    public static TheoryData<string> Versions => [.. GoldenFiles.All.Select(golden => golden.Version)];

    public void Dispose() => _scratch.Dispose();

    [Theory]
    [MemberData(nameof(Versions))]
    public async Task Records_in_its_spool_are_shipped(string version)
    {
        await CopyAsync(version, "spool");
        var waiting = SpoolFolder.CountWaiting(_scratch.File("spool"));

        using var spool = Spool.Open(_scratch.File("spool"), 1 << 30, _log);
        var batch = spool.Read(1000);

        Assert.True(waiting > 0);
        Assert.Equal(waiting, batch.Records.Count);
        Assert.All(batch.Records, record => Assert.StartsWith($"{record.JobName}/", record.Id, StringComparison.Ordinal));
        Assert.Empty(_log.Lines);
    }

    [Theory]
    [MemberData(nameof(Versions))]
    public async Task A_record_of_a_later_version_is_shipped_without_its_new_members(string version)
    {
        await CopyAsync(version, "spool");
        using var spool = Spool.Open(_scratch.File("spool"), 1 << 30, _log);

        foreach (var record in spool.Read(1000).Records)
        {
            var json = JsonSerializer.Serialize(record, LogsJson.Readable.RunRecord);
            var read = JsonSerializer.Deserialize(Json.WithLaterMembers(json), LogsJson.Readable.RunRecord);
            Assert.Null(Json.FindLost(json, JsonSerializer.Serialize(read!, LogsJson.Readable.RunRecord)));
        }
    }

    [Theory]
    [MemberData(nameof(Versions))]
    public async Task The_commands_in_its_launch_journal_are_known(string version)
    {
        await CopyAsync(version, "launches");
        var lines = await File.ReadAllLinesAsync(_scratch.File("launches"));
        Assert.StartsWith("boot ", lines[0], StringComparison.Ordinal);
        lines[0] = $"boot {ThisProcess.Identity.Boot}"; // As if it were of this boot.
        await File.WriteAllLinesAsync(_scratch.File("launches"), lines);

        using var journal = LaunchJournal.Open(_scratch.Path, _log);

        var launch = Assert.Single(journal.Former, launch => launch.Key.StartsWith("held/", StringComparison.Ordinal));
        Assert.True(launch is { Pid: > 0, StartTicks: > 0 }, $"{launch}");
    }

    [Theory]
    [MemberData(nameof(Versions))]
    public async Task The_output_of_a_command_that_runs_is_followed(string version)
    {
        await CopyAsync(version, "output");

        var outputs = Directory.GetFiles(_scratch.File("output"), "*.out").Select(StoredOutput.TryOpen).OfType<StoredOutput>().ToList();

        var held = Assert.Single(outputs, output => output.Run.StartsWith("held/", StringComparison.Ordinal));
        Assert.Equal("held\n"u8, held.Read(0));
        outputs.ForEach(output => output.Dispose());
    }

    [Theory]
    [MemberData(nameof(Versions))]
    public void Its_holder_is_understood_and_the_commands_are_adopted(string version)
    {
        var holds = Assert.IsType<HolderMessage.Holds>(HolderLine.Parse(new GoldenFiles(version).Holds));

        Assert.Contains(holds.Commands, held => held.Id.StartsWith("held/", StringComparison.Ordinal) && held.Ending is null);
        Assert.All(holds.Commands, held =>
        {
            var run = HeldRun.TryRead(Former(held, held.Tag));
            Assert.NotNull(run);
            Assert.Null(Json.FindLost(held.Tag, HeldRun.ToTag(run)));
        });
    }

    [Theory]
    [MemberData(nameof(Versions))]
    public void A_holder_of_a_later_version_is_understood_without_its_new_members(string version)
    {
        var text = Json.WithLaterMembers(new GoldenFiles(version).Holds);

        var holds = Assert.IsType<HolderMessage.Holds>(HolderLine.Parse(text));

        Assert.All(holds.Commands, held => Assert.NotNull(HeldRun.TryRead(Former(held, Json.WithLaterMembers(held.Tag)))));
    }

    [Theory]
    [MemberData(nameof(Versions))]
    public async Task Endings_that_its_holder_left_are_read(string version)
    {
        await CopyAsync(version, "holders");

        var left = Assert.Single(EndingsFile.FindIn(_scratch.File("holders")));

        Assert.Contains(left.Commands, command => command.Tag.Contains("\"held\"", StringComparison.Ordinal) && command.Ending is not null);
    }

    private static FormerCommand Former(HolderMessage.Held held, string tag) =>
        new(held.Id, tag, RunningCommand.Of(held, (_, _, _) => { }));

    private Task<string> CopyAsync(string version, string name) =>
        Tool.RunAsync("cp", "-r", Path.Combine(new GoldenFiles(version).Data, name), _scratch.Path);
}
