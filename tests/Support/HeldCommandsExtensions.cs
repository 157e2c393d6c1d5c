using Dts.Worker.Commands;

namespace Dts.Tests.Support;

internal static class HeldCommandsExtensions
{
    /// <summary>Starts prepared commands, none later than a time from now.</summary>
    public static Task<IReadOnlyList<RunningCommand>> StartAsync(
        this HeldCommands commands, IReadOnlyList<string> ids, TimeSpan within, IReadOnlyList<KillDeadline>? deadlines = null) =>
        commands.StartAsync(ids, Environment.TickCount64 + (long)within.TotalMilliseconds, deadlines);
}
