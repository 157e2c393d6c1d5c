using System.Globalization;
using Dts.Common.Jobs;
using Dts.Common.Logs;

namespace Dts.Master.Logs;

/// <summary>What a page of records is asked for. What is null does not matter.</summary>
/// <param name="From">Starts at this moment or later …</param>
/// <param name="Until">… and before this one.</param>
/// <param name="Text">In the job's name, the command or the error, in any case of its letters.</param>
/// <param name="After">Where the page before this one ended: its <see cref="LogPage.Next"/>.</param>
/// <param name="Output">The records come with their outputs.</param>
/// <param name="Others">Conditions beyond these, which all must hold; null = none.</param>
internal sealed record LogQuery(
    string? Job = null,
    RunStatus? Status = null,
    string? Worker = null,
    string? Trigger = null,
    DateTimeOffset? From = null,
    DateTimeOffset? Until = null,
    string? Text = null,
    LogCursor? After = null,
    int Limit = 50,
    bool Output = false,
    IReadOnlyList<LogTerm>? Others = null)
{
    /// <summary>The conditions that a store's indexes answer.</summary>
    public LogQuery Indexed =>
        this with { Worker = null, Trigger = null, Text = null, Others = Others?.Where(term => term.IsIndexed).ToList() };

    /// <summary>A store must read records to know which of them fit.</summary>
    public bool ReadsRecords => (Worker ?? Trigger ?? Text) is not null || Others?.Any(term => !term.IsIndexed) == true;

    public LogQuery And(LogField field, IReadOnlyList<string> values, bool isNegated = false) =>
        this with { Others = [.. Others ?? [], new LogTerm(field, values, isNegated)] };
}

/// <summary>A condition on a record: the field has one of these values, or, if it is negated, none of them.</summary>
internal sealed record LogTerm(LogField Field, IReadOnlyList<string> Values, bool IsNegated)
{
    public bool IsIndexed => !IsNegated && Field is LogField.Job or LogField.Ending;
}

internal enum LogField
{
    Job,

    /// <summary>By its word.</summary>
    Ending,

    Worker,

    Trigger,

    /// <summary>The job's name, the command and the error: a value is a part of one of them, in any case of its letters.</summary>
    Text,
}

/// <summary>A place between two records in the order of lists: latest start first, and of one start the greater id first.</summary>
internal readonly record struct LogCursor(long StartTime, string Id)
{
    /// <summary>The place behind all records of a start: no id is less than a blank.</summary>
    public static LogCursor Before(DateTimeOffset start) => new(start.ToUnixTimeMilliseconds(), " ");

    public static LogCursor? Parse(string text) =>
        CursorText.Read(text, 2) is [var start, { Length: > 0 } id]
        && long.TryParse(start, CultureInfo.InvariantCulture, out var startTime)
        && startTime == RecordTimes.Clamp(startTime)
            ? new LogCursor(startTime, id)
            : null;

    public override string ToString() => CursorText.Write(string.Create(CultureInfo.InvariantCulture, $"{StartTime} {Id}"));
}

/// <param name="Next">Asks for what follows; null = there is nothing more.</param>
/// <param name="SearchedTo">The search covered starts down to this one; Next continues from there. Null = it covered everything.</param>
internal sealed record LogPage(IReadOnlyList<RunRecord> Records, string? Next, DateTimeOffset? SearchedTo = null)
{
    /// <summary>Makes a page of what was found with one record more than was asked for.</summary>
    public static LogPage Of(IReadOnlyList<RunRecord> found, int limit)
    {
        var records = found.Take(limit).ToList();
        return new LogPage(records, found.Count > limit ? new LogCursor(records[^1].StartTime, records[^1].Id).ToString() : null);
    }
}
