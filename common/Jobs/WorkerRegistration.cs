using System.Text.Json;

namespace Dts.Common.Jobs;

/// <summary>The value of a key under workers/, which lasts as long as the worker's session and is rewritten every ten seconds.</summary>
/// <param name="Address">Its first IPv4 address that is not loopback, as in the original system.</param>
/// <param name="Slots">The most commands it runs at a time.</param>
/// <param name="Labels">Labels that targets of jobs can require.</param>
/// <param name="Clock">Its wall clock when it wrote this; other workers compare their clocks with it.</param>
/// <param name="Refuses">Why it claims nothing now; empty = it claims.</param>
/// <param name="Figures">Its measurements; null = its version reports none.</param>
/// <param name="Drain">Who drained it, and when; a drained worker claims nothing new. Empty = nobody.</param>
public sealed record WorkerRegistration(
    string Host,
    string Address,
    string Version,
    ProcessIdentity Process,
    int Slots,
    DateTimeOffset Started,
    IReadOnlyDictionary<string, string>? Labels = null,
    DateTimeOffset Clock = default,
    string Refuses = "",
    WorkerFigures? Figures = null,
    string Drain = "")
{
    public IReadOnlyDictionary<string, string> Labels { get; init; } = Labels ?? new Dictionary<string, string>();

    public const string ExpectedId = "1 to 100 letters, digits, '.', '_' or '-'";

    /// <summary>Whether a text can be a worker's id: it becomes part of keys.</summary>
    public static bool IsId(string text) =>
        text.Length is >= 1 and <= 100 && text.All(letter => char.IsAsciiLetterOrDigit(letter) || letter is '.' or '_' or '-');

    /// <summary>Null = DTS did not write it.</summary>
    public static WorkerRegistration? Parse(ReadOnlySpan<byte> json)
    {
        try
        {
            return JsonSerializer.Deserialize(json, JobsJson.Readable.WorkerRegistration);
        }
        catch (JsonException)
        {
            return null;
        }
    }
}

/// <summary>Identifies a process for ever, although pids are reused and exist on every host.</summary>
/// <param name="Boot">The kernel's boot id (random(4)) and the pid namespace (namespaces(7)) in which the pid counts.</param>
/// <param name="StartTicks">Its start in clock ticks since boot (proc(5), stat, field 22).</param>
public sealed record ProcessIdentity(string Boot, int Pid, long StartTicks);
