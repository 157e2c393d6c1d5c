using Dts.Common.Logs;

namespace Dts.Common.Jobs;

/// <summary>The value of a key under owed/: an ending that is decided and whose record is still to be written.</summary>
/// <remarks>It is put in the transaction that decides it, so that whoever decided may die: another worker writes the record then.</remarks>
/// <param name="Worker">Who held the run; where there was none, who decided.</param>
/// <param name="Session">The decider's lease; while it lives, the record is its business.</param>
/// <param name="Count">For a missed ending that stands for several planned fires: how many, the last at the run's plan time.</param>
/// <param name="Since">They came after this.</param>
/// <param name="Token">The claim's revision, if there was a claim.</param>
public sealed record OwedEnding(
    string Worker, string Session, RunSpec Run, RunStatus Status, string Why, DateTimeOffset Decided, long Count = 0, DateTimeOffset? Since = null, long Token = 0);
