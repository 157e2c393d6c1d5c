using Dts.Common.Jobs;

namespace Dts.Master.Crontab;

/// <summary>The result of one line of a crontab. Blank lines and comments have none.</summary>
/// <param name="Number">The line's number in the file, from 1.</param>
internal abstract record CrontabLine(int Number)
{
    /// <param name="Notes">Differences in meaning.</param>
    public sealed record Imported(int Number, Job Job, IReadOnlyList<string> Notes) : CrontabLine(Number);

    /// <param name="Notes">Differences in meaning.</param>
    public sealed record Variable(int Number, string Name, IReadOnlyList<string> Notes) : CrontabLine(Number);

    /// <summary>A line that is commented out with a <c>#</c>.</summary>
    public sealed record Disabled(int Number) : CrontabLine(Number);

    public sealed record Refused(int Number, string Reason) : CrontabLine(Number);
}

/// <param name="Notes">Differences in meaning for all jobs.</param>
internal sealed record CrontabContent(CrontabFormat Format, IReadOnlyList<CrontabLine> Lines, IReadOnlyList<string> Notes)
{
    public IEnumerable<CrontabLine.Imported> Jobs => Lines.OfType<CrontabLine.Imported>();
}

/// <summary>The options of an import, which apply to all its jobs.</summary>
/// <param name="User">The user of a user's crontab; empty = the worker's own.</param>
/// <param name="Prefix">The start of the names that the import makes.</param>
internal sealed record ImportOptions(
    CrontabFormat? Format = null,
    string User = "",
    string Prefix = "",
    bool Paused = false,
    IReadOnlyDictionary<string, string>? Labels = null)
{
    public IReadOnlyDictionary<string, string> Labels { get; init; } = Labels ?? new Dictionary<string, string>();
}
