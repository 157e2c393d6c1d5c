using Dts.Common.Shell;
using Dts.Tests.Support;
using Xunit;

namespace Dts.Tests.Cluster;

public sealed class HolderTests : IDisposable
{
    private readonly ScratchFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Every_message_comes_out_as_it_went_in()
    {
        var ending = CommandEnding.NotStarted("no such shell", DateTimeOffset.UnixEpoch);
        HolderMessage[] messages =
        [
            new HolderMessage.Prepare("a/1", "tag", new ShellCommand { Script = "echo 'ü\n'", Environment = new Dictionary<string, string> { ["A"] = "b" } }),
            new HolderMessage.Drop("a/1"),
            new HolderMessage.Start(["a/1", "b/2"], 5),
            new HolderMessage.Kill("a/1", "why", null),
            new HolderMessage.KillAt("a/1", 7, "why", 500),
            new HolderMessage.Forget("a/1"),
            new HolderMessage.Started([new("a/1", "tag", 7, 8, DateTimeOffset.UnixEpoch, null)]),
            new HolderMessage.Holds([new("a/1", "tag", 0, 0, DateTimeOffset.UnixEpoch, ending)]),
            new HolderMessage.Ended("a/1", ending),
        ];

        Assert.All(messages, message => Assert.Equal(Line(message), Line(HolderLine.Parse(Line(message))!)));
    }

    [Fact]
    public void What_a_later_version_says_is_passed_over() => Assert.Null(HolderLine.Parse("""{"is":"dance","id":"a/1"}"""));

    [Fact]
    public async Task A_command_is_not_started_by_a_word_that_comes_too_late()
    {
        using var commands = await OpenAsync();

        commands.Prepare("a/1", "", Some("echo hello"));
        var running = Assert.Single(await commands.StartAsync(["a/1"], TimeSpan.FromMilliseconds(-1)));

        Assert.IsType<CommandOutcome.NotStarted>((await running.Ended).Outcome);
    }

    [Fact]
    public async Task What_was_prepared_and_not_started_goes_with_its_worker_and_what_was_started_stays()
    {
        using (var first = await OpenAsync())
        {
            first.Prepare("a/1", "one", Some("sleep 300"));
            first.Prepare("b/2", "two", Some("read x </dev/zero"));
            await first.StartAsync(["a/1"], TimeSpan.FromMinutes(1));
        }

        using var second = await OpenAsync();
        var former = Assert.Single(second.Former);
        former.Running.Kill("the test is over", TimeSpan.Zero);

        Assert.Equal(("a/1", "one"), (former.Id, former.Tag));
        Assert.IsType<CommandOutcome.Killed>((await former.Running.Ended).Outcome);
    }

    [Fact]
    public async Task A_command_is_killed_at_the_time_that_was_set_though_its_worker_is_gone()
    {
        using (var first = await OpenAsync())
        {
            first.Prepare("a/1", "one", Some("sleep 300"));
            await first.StartAsync(["a/1"], TimeSpan.FromMinutes(1));
            first.KillAfter(new KillDeadline("a/1", TimeSpan.FromMilliseconds(500), "nobody is there", TimeSpan.Zero));
        }

        await Patience.Until(() => Directory.GetFiles(_folder.Path, "*.ended").Length == 1, () => "it goes on");
        using var second = await OpenAsync();
        Assert.Equal(new CommandOutcome.Killed("nobody is there"), (await Assert.Single(second.Former).Running.Ended).Outcome);
        second.Forget("a/1");
    }

    [Fact]
    public async Task An_ending_is_told_until_it_is_forgotten()
    {
        for (var round = 0; round < 3; round++)
        {
            using var commands = await OpenAsync();
            if (round == 0)
            {
                commands.Prepare("a/1", "", Some("echo hello"));
                await Assert.Single(await commands.StartAsync(["a/1"], TimeSpan.FromMinutes(1))).Ended;
                continue;
            }

            Assert.Equal("hello\n", (await Assert.Single(commands.Former).Running.Ended).Output);
            if (round == 2)
            {
                commands.Forget("a/1");
            }
        }

        await Patience.Until(() => Directory.GetFiles(_folder.Path).Length == 0, () => string.Join(' ', Directory.GetFiles(_folder.Path)));
    }

    [Fact]
    public async Task The_holder_of_a_former_worker_ends_with_the_last_of_its_commands_though_the_worker_goes_on()
    {
        using (var first = await OpenAsync())
        {
            first.Prepare("a/1", "", Some("read x </dev/zero; sleep 300"));
            await first.StartAsync(["a/1"], TimeSpan.FromMinutes(1));
        }

        using var second = await OpenAsync();
        var former = Assert.Single(second.Former);
        Assert.Equal(2, Holders());
        former.Running.Kill("the test is over", TimeSpan.Zero);
        await former.Running.Ended;
        Assert.Equal(2, Holders());
        second.Forget("a/1");

        await Patience.Until(() => Holders() == 1, () => $"{Holders()} holders");

        int Holders() => Processes.Running($"hold {_folder.Path}").Count;
    }

    private static string Line(HolderMessage message) => System.Text.Encoding.UTF8.GetString(HolderLine.ToBytes(message)).TrimEnd('\n');

    private static ShellCommand Some(string script) => new() { Script = script, Environment = CommandEnvironment.Clean() };

    private Task<HeldCommands> OpenAsync() => HeldCommands.OpenAsync(_folder.Path, [Worker, "hold"]);

    private static string Worker => Path.Combine(NativeProcess.Folder, "dts-worker");
}
