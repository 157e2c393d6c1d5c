using Dts.Common.Jobs;

namespace Dts.Master.Crontab;

/// <summary>What a line of a crontab became. Blank lines and comments become nothing by themselves.</summary>
/// <param name="Number">The line's number in the file, from 1.</param>
internal abstract record CrontabLine(int Number)
{
    /// <param name="Notes">What changes in meaning.</param>
    public sealed record Imported(int Number, Job Job, IReadOnlyList<string> Notes) : CrontabLine(Number);

    /// <param name="Notes">What changes in meaning.</param>
    public sealed record Variable(int Number, string Name, IReadOnlyList<string> Notes) : CrontabLine(Number);

    /// <summary>A line that somebody has turned off with a <c>#</c>.</summary>
    public sealed record Disabled(int Number) : CrontabLine(Number);

    public sealed record Refused(int Number, string Reason) : CrontabLine(Number);
}

/// <param name="Notes">What changes in meaning for all jobs.</param>
internal sealed record CrontabContent(CrontabFormat Format, IReadOnlyList<CrontabLine> Lines, IReadOnlyList<string> Notes)
{
    public IEnumerable<CrontabLine.Imported> Jobs => Lines.OfType<CrontabLine.Imported>();
}

/// <summary>What the caller of an import says about all its jobs.</summary>
/// <param name="User">The user of a user's crontab; empty = the worker's own.</param>
/// <param name="Prefix">Begins the names that the import makes.</param>
internal sealed record ImportOptions(
    CrontabFormat? Format = null,
    string User = "",
    string Prefix = "",
    bool Paused = false,
    IReadOnlyDictionary<string, string>? Labels = null)
{
    public IReadOnlyDictionary<string, string> Labels { get; init; } = Labels ?? new Dictionary<string, string>();
}
