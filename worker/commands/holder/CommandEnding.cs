using System.Text.Json.Serialization;
using Dts.Common.Hosting;
using Dts.Common.Logs;

namespace Dts.Worker.Commands.Holders;

/// <summary>How a command ended, with its output and what it used.</summary>
/// <param name="Outcome">How it ended.</param>
/// <param name="ExitCode">The shell's exit status; null = a signal ended it, or it never ran.</param>
/// <param name="Signal">The signal that ended the shell, whoever sent it.</param>
/// <param name="StartedAt">The wall clock just before the shell was executed.</param>
/// <param name="EndedAt">The wall clock when its end was noticed; for a kill, when all its processes had ended.</param>
/// <param name="CpuMs">Processor time of the shell and of the descendants it waited for.</param>
/// <param name="MaxRssKb">
/// The largest resident set of the shell and the descendants it waited for, in KiB. A process begins with the figure of the one that
/// spawned it, so smaller ones are unknown: null (getrusage(2), ru_maxrss).
/// </param>
/// <param name="Output">
/// Standard output and standard error in the order of writing: head and tail within the limit, with bytes that are not UTF-8 replaced.
/// </param>
/// <param name="OutputBytes">How many bytes it wrote, kept or not.</param>
/// <param name="OutputTruncated">Whether bytes were cut from the middle of the output.</param>
/// <param name="OutputStored">How many bytes are in the file that takes the whole output; 0 = there is none.</param>
/// <param name="Leftovers">The processes that survived a kill; normally none.</param>
/// <param name="Processes">Its processes just before it was killed; null = it was not killed, or they are unknown.</param>
internal sealed record CommandEnding(
    CommandOutcome Outcome,
    int? ExitCode,
    int? Signal,
    DateTimeOffset StartedAt,
    DateTimeOffset EndedAt,
    long CpuMs,
    long? MaxRssKb,
    [property: JsonConverter(typeof(LongText))] string Output,
    long OutputBytes,
    bool OutputTruncated,
    long OutputStored,
    IReadOnlyList<Leftover> Leftovers,
    IReadOnlyList<RunProcess>? Processes = null)
{
    /// <summary>Empty for success, else one line.</summary>
    [JsonIgnore]
    public string Error => Outcome.Error;

    internal static CommandEnding NotStarted(string why, DateTimeOffset at, bool tooLate = false) =>
        Empty(new CommandOutcome.NotStarted(why, tooLate), at, at);

    internal static CommandEnding Abandoned(string why, DateTimeOffset startedAt, DateTimeOffset at) =>
        Empty(new CommandOutcome.Abandoned(why), startedAt, at);

    internal static CommandEnding Lost(string why, DateTimeOffset startedAt, DateTimeOffset at) =>
        Empty(new CommandOutcome.Lost(why), startedAt, at);

    private static CommandEnding Empty(CommandOutcome outcome, DateTimeOffset startedAt, DateTimeOffset endedAt) => new(
        outcome,
        ExitCode: null,
        Signal: null,
        startedAt,
        endedAt,
        CpuMs: 0,
        MaxRssKb: null,
        Output: "",
        OutputBytes: 0,
        OutputTruncated: false,
        OutputStored: 0,
        Leftovers: []);
}

/// <summary>A process that survived a kill: in an uninterruptible sleep, or another user's.</summary>
internal sealed record Leftover(int Pid, string Comm);
