using Dts.Tests.Support;
using Dts.Worker.Commands;
using Xunit;

namespace Dts.Tests.Cluster;

/// <summary>
/// Starts that must succeed: one that came too late, because the host stood still for a moment, is repeated, as the product does it.
/// </summary>
internal static class HeldStarts
{
    public static async Task<RunningCommand> PrepareAndStartAsync(
        this HeldCommands commands, string id, ShellCommand command, string tag = "")
    {
        commands.Prepare(id, tag, command);
        return Assert.Single(await commands.StartSurelyAsync([id], again => commands.Prepare(again, tag, command)));
    }

    /// <summary>Prepares all, and starts them together.</summary>
    public static Task<IReadOnlyList<RunningCommand>> PrepareAndStartAsync(
        this HeldCommands commands, params IReadOnlyList<(string Id, ShellCommand Command)> all)
    {
        foreach (var (id, command) in all)
        {
            commands.Prepare(id, "", command);
        }

        return commands.StartSurelyAsync(
            [.. all.Select(one => one.Id)], again => commands.Prepare(again, "", all.Single(one => one.Id == again).Command));
    }

    /// <summary>Starts prepared commands.</summary>
    /// <param name="prepare">Prepares the command with this id again.</param>
    public static async Task<IReadOnlyList<RunningCommand>> StartSurelyAsync(
        this HeldCommands commands, IReadOnlyList<string> ids, Action<string> prepare)
    {
        var started = new Dictionary<string, RunningCommand>();
        List<string> left = [.. ids];
        for (var deadline = Environment.TickCount64 + (long)Patience.Limit.TotalMilliseconds; ;)
        {
            foreach (var (id, running) in left.Zip(await commands.StartAsync(left, TimeSpan.FromMinutes(1))))
            {
                started[id] = running;
            }

            left.RemoveAll(id => started[id].WhyTooLate is null);
            if (left.Count == 0)
            {
                return [.. ids.Select(id => started[id])];
            }

            Assert.True(Environment.TickCount64 < deadline, $"{left[0]}: {started[left[0]].WhyTooLate}");
            left.ForEach(commands.Drop);
            await commands.AnswerAsync(CancellationToken.None).WaitAsync(Patience.Limit);
            left.ForEach(prepare);
        }
    }
}
