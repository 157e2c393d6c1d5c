using System.Globalization;
using Dts.Common.Jobs;
using Dts.Common.Logs;

namespace Dts.Master.Logs;

/// <summary>The conditions of a page of records, which all must hold; null = no such condition.</summary>
/// <param name="From">The start is at this moment or later …</param>
/// <param name="Until">… and before this one.</param>
/// <param name="After">The place where the page before this one ended: its <see cref="LogPage.Next"/>.</param>
/// <param name="Output">The records come with their outputs.</param>
internal sealed record LogQuery(
    string? Job = null,
    RunStatus? Status = null,
    DateTimeOffset? From = null,
    DateTimeOffset? Until = null,
    LogCursor? After = null,
    int Limit = 50,
    bool Output = false)
{
    public IReadOnlyList<LogTerm> Terms { get; init; } = [];

    /// <summary>The conditions that a store's indexes answer.</summary>
    public LogQuery Indexed => this with { Terms = [.. Terms.Where(term => term.IsIndexed)] };

    /// <summary>A store must read records to know which of them match.</summary>
    public bool ReadsRecords => !Terms.All(term => term.IsIndexed);

    /// <summary>Narrows the span: the later start and the earlier end count.</summary>
    public LogQuery Within(DateTimeOffset? from, DateTimeOffset? until) => this with
    {
        From = From > from ? From : from ?? From, Until = Until < until ? Until : until ?? Until,
    };

    public LogQuery And(LogField field, IReadOnlyList<string> values, bool isNegated = false) =>
        this with { Terms = [.. Terms, new LogTerm(field, values, isNegated)] };
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

    /// <summary>A value is a part of the job's name, the command or the error, in upper or lower case.</summary>
    Text,
}

/// <summary>A place between two records in a list: latest start first; of equal starts, the greater id first.</summary>
internal readonly record struct LogCursor(long StartTime, string Id)
{
    /// <summary>The place behind all records with a start: no id is less than a blank.</summary>
    public static LogCursor Before(DateTimeOffset start) => new(start.ToUnixTimeMilliseconds(), " ");

    public static LogCursor? Parse(string text) =>
        CursorText.Read(text, 2) is [var start, { Length: > 0 } id]
        && long.TryParse(start, CultureInfo.InvariantCulture, out var startTime)
        && startTime == RecordTimes.Clamp(startTime)
            ? new LogCursor(startTime, id)
            : null;

    public override string ToString() => CursorText.Write(string.Create(CultureInfo.InvariantCulture, $"{StartTime} {Id}"));
}

/// <param name="Next">The next page begins here; null = this is the last page.</param>
/// <param name="SearchedTo">The search covered starts down to this one; Next continues from there. Null = it covered everything.</param>
internal sealed record LogPage(IReadOnlyList<RunRecord> Records, string? Next, DateTimeOffset? SearchedTo = null)
{
    /// <param name="found">The records of the page, and the next one if there is one.</param>
    public static LogPage Of(IReadOnlyList<RunRecord> found, int limit)
    {
        var records = found.Take(limit).ToList();
        return new LogPage(records, found.Count > limit ? new LogCursor(records[^1].StartTime, records[^1].Id).ToString() : null);
    }
}
