using System.Text.Json;

namespace Dts.Common.Jobs;

/// <summary>What a worker says of itself under workers/, as long as its session lasts; said anew from time to time.</summary>
/// <param name="Address">Its first IPv4 address that is not loopback: what the original lists.</param>
/// <param name="Slots">How many runs at a time.</param>
/// <param name="Labels">What jobs may ask for in their target.</param>
/// <param name="Clock">Its wall clock when it wrote this, by which others measure how far theirs is off.</param>
/// <param name="Refuses">Why it claims nothing now; empty = it does.</param>
/// <param name="Figures">What it has measured; null = its version says nothing of that.</param>
/// <param name="Drain">Who drained it, and when: it claims nothing new; empty = nobody has.</param>
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

    /// <summary>Null = it is not one of ours.</summary>
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

/// <summary>Names one process for good: pids are used again, and on other hosts.</summary>
/// <param name="Boot">The kernel's boot id (random(4)) and the pid namespace (namespaces(7)) in which the pid counts.</param>
/// <param name="StartTicks">When it started, in clock ticks since boot (proc(5), stat, field 22).</param>
public sealed record ProcessIdentity(string Boot, int Pid, long StartTicks);
