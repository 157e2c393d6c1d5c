using Dts.Common.Jobs;

namespace Dts.Master.Views;

/// <summary>One word of a <see cref="Filter"/>.</summary>
internal abstract record FilterTerm
{
    private FilterTerm(string word, bool isNegated) => (Word, IsNegated) = (word, isNegated);

    /// <summary>The word as it was written, for messages.</summary>
    public string Word { get; }

    /// <summary>It was written with '-', and leaves out what it names.</summary>
    public bool IsNegated { get; }

    /// <summary>A part of the name, the command or the description, in upper or lower case; for a run also of its error.</summary>
    public sealed record Text(string Word, bool IsNegated, string Part) : FilterTerm(Word, IsNegated);

    /// <summary>One of these jobs.</summary>
    public sealed record Job(string Word, bool IsNegated, IReadOnlyList<string> Names) : FilterTerm(Word, IsNegated);

    public sealed record State(string Word, bool IsNegated, IReadOnlyList<JobState> States) : FilterTerm(Word, IsNegated);

    /// <param name="Value">Null = the label may have any value.</param>
    public sealed record Label(string Word, bool IsNegated, string Name, string? Value) : FilterTerm(Word, IsNegated);

    public sealed record Worker(string Word, bool IsNegated, IReadOnlyList<string> Ids) : FilterTerm(Word, IsNegated);

    /// <summary>The next plan time is in a span.</summary>
    public sealed record Next(string Word, bool IsNegated, DateTimeOffset Earliest, DateTimeOffset Before) : FilterTerm(Word, IsNegated);

    /// <summary>There is no next plan time.</summary>
    public sealed record NoNext(string Word, bool IsNegated) : FilterTerm(Word, IsNegated);

    public sealed record Ending(string Word, bool IsNegated, IReadOnlyList<RunStatus> Statuses) : FilterTerm(Word, IsNegated);

    public sealed record User(string Word, bool IsNegated, string Name) : FilterTerm(Word, IsNegated);

    public sealed record Trigger(string Word, bool IsNegated, IReadOnlyList<string> Triggers) : FilterTerm(Word, IsNegated);

    /// <summary>Started at this moment or later.</summary>
    public sealed record Since(string Word, bool IsNegated, DateTimeOffset At) : FilterTerm(Word, IsNegated);

    /// <summary>Started before this moment.</summary>
    public sealed record Until(string Word, bool IsNegated, DateTimeOffset At) : FilterTerm(Word, IsNegated);
}
