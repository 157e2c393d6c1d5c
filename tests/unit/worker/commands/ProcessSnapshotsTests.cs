using System.Text;
using System.Text.Json;
using Dts.Common.Logs;
using Dts.Tests.Support;
using Dts.Worker.Commands;
using Dts.Worker.Commands.Holders;
using Xunit;

namespace Dts.Tests.Unit.Worker.Commands;

public sealed class ProcessSnapshotsTests
{
    private const int TriesMax = 20;

    [Theory]
    [InlineData("x")]
    [InlineData("\"")]
    [InlineData("备")]
    [InlineData("\ud83d\udd50")]
    public void Of_many_processes_with_long_texts_the_first_hundred_are_kept_in_64_KiB(string letter)
    {
        var text = string.Concat(Enumerable.Repeat(letter, 5000));
        var snapshots = new ProcessSnapshots(_ => new ProcessTexts(text, "hrtimer_nanosleep"), Patience.Limit);

        var taken = Assert.Single(snapshots.Take([[.. Enumerable.Range(1, 150).Select(Entry)]]));

        Assert.Equal(Enumerable.Range(1, ProcessSnapshots.ProcessesMax), taken.Select(process => process.Pid));
        var json = JsonSerializer.SerializeToUtf8Bytes(Some.Record(0) with { Processes = taken, Output = "" }, LogsJson.Readable.RunRecord);
        Assert.InRange(json.Length, ProcessSnapshots.BytesMax / 2, ProcessSnapshots.BytesMax + 1000);
        Assert.All(taken, process => Assert.EndsWith($"{letter}…", process.Command));
    }

    [Fact]
    public void Longer_texts_get_the_room_that_short_ones_leave()
    {
        var text = new string('x', 4000);
        var snapshots = new ProcessSnapshots(pid => new ProcessTexts(pid > 95 ? text : "short", ""), Patience.Limit);

        var taken = snapshots.Take([[.. Enumerable.Range(1, 100).Select(Entry)], [Entry(101)]]);

        Assert.All(taken[0].Take(95), process => Assert.Equal("short", process.Command));
        Assert.All(taken[0].Skip(95).Concat(taken[1]), process => Assert.Equal(text, process.Command));
    }

    [Fact]
    public async Task A_process_whose_texts_cannot_be_read_delays_no_kill_and_costs_no_other_text()
    {
        using var hangs = new ManualResetEventSlim();
        var hanging = 0;
        List<ProcessSnapshots> tried = [];
        RunProcess[] first;
        do // On a busy host the reader may not come to the second process in time.
        {
            var number = tried.Count + 1;
            tried.Add(new ProcessSnapshots(pid =>
            {
                if (pid == 2)
                {
                    Volatile.Write(ref hanging, number);
                    hangs.Wait();
                }

                return new ProcessTexts($"command {pid}", "");
            }));
            first = [.. (await Task.Run(() => tried[^1].Take([[Entry(1), Entry(2)], [Entry(3)]])).Soon()).SelectMany(command => command)];
        }
        while (Volatile.Read(ref hanging) != tried.Count && tried.Count < TriesMax);

        var next = (await Task.Run(() => tried[^1].Take([[Entry(4)]])).Soon()).SelectMany(command => command);

        Assert.Equal([(1, "command 1"), (2, ""), (3, "")], first.Select(process => (process.Pid, process.Command)));
        Assert.Equal([(4, "", "D", 1500L)], next.Select(process => (process.Pid, process.Command, process.State, process.CpuMs)));
        hangs.Set();
        foreach (var snapshots in tried)
        {
            await Patience.Until(() => snapshots.Take([[Entry(5)]])[0][0].Command == "command 5", () => "texts are not read again");
        }
    }

    [Fact]
    public async Task A_command_line_with_control_characters_is_shown_on_one_line()
    {
        using var runner = new CommandRunner();
        RunProcess shown;
        var tries = 0;
        do // On a busy host the text may come too late.
        {
            var running = runner.Start(runner.Prepare(new ShellCommand
            {
                Script = "exec -a $'a\\e[31m\\n\\u202eb\\xff' sleep 300",
                Environment = CommandEnvironment.Clean(),
            }));
            await Patience.Until( // Just after exec the arguments are not there yet.
                () => ProcessTable.NameOf(running.Pid) == "sleep" && File.ReadAllBytes($"/proc/{running.Pid}/cmdline").Length > 0,
                () => ProcessTable.NameOf(running.Pid));
            running.Kill("asked by a test");
            shown = Assert.Single((await running.Ended.Soon()).Processes!);
        }
        while (shown.Command.Length == 0 && ++tries < TriesMax);

        Assert.Equal("a␛[31m␊?b\ufffd 300", shown.Command);
    }

    [Fact]
    public void A_long_command_line_is_cut_at_a_character()
    {
        var own = ProcessTable.CommandLineOf(Environment.ProcessId);

        Assert.Contains("Dts.Tests", own);
        Assert.InRange(Encoding.UTF8.GetByteCount(own), 1, 4100);
        Assert.Equal(("", ""), (ProcessTable.CommandLineOf(int.MaxValue), ProcessTable.WaitChannelOf(int.MaxValue)));
    }

    [Fact]
    public void An_ending_has_its_processes_and_that_of_an_older_holder_has_none()
    {
        var process = new RunProcess(7, 1, "D", "tar \"x\" ␛", 12, 345, "nfs_wait");
        var at = Some.Now;
        var ending = CommandEnding.Lost("why", at, at) with { Outcome = new CommandOutcome.Killed("x"), Processes = [process] };
        var line = Encoding.UTF8.GetString(HolderLine.ToBytes(new HolderMessage.Ended("a/1", ending)));
        var (start, end) = (line.IndexOf(",\"processes\":[", StringComparison.Ordinal), line.IndexOf(']', line.IndexOf("processes")));

        Assert.Equal([process], ((HolderMessage.Ended)HolderLine.Parse(line)!).Ending.Processes!);
        Assert.Null(((HolderMessage.Ended)HolderLine.Parse(line.Remove(start, end + 1 - start))!).Ending.Processes);
    }

    private static ProcessEntry Entry(int pid) =>
        new(pid, 1, pid, pid, 100, IsAlive: true) { State = 'D', CpuTicks = 150, RssPages = 10 };
}
