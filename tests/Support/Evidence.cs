using Dts.Common.Jobs;
using Dts.Common.Logs;
using Dts.Master.Jobs;

namespace Dts.Tests.Support;

/// <summary>A start as the command itself recorded it: the witness, independent of DTS's records.</summary>
/// <param name="At">The time by the clock of the host, which all workers share: Unix seconds.</param>
/// <param name="End">The time of the command's end; null = it was killed before it could write this.</param>
internal sealed record Start(
    string Job, string RunId, string PlanTime, int Attempt, long Token, string Worker, double At, double? End = null)
{
    public string Id => $"{Job}/{RunId}"; // Not kept: a copy with another run id would keep the old one.
}

/// <summary>The number that a counting run has written: the number that it read at its start, plus one.</summary>
internal sealed record Count(string Job, string RunId, long Token, long Value)
{
    public string Id => $"{Job}/{RunId}";
}

/// <summary>Everything that the judge knows.</summary>
internal sealed record Evidence(IReadOnlyList<Job> Jobs, IReadOnlyList<Start> Starts, IReadOnlyList<RunRecord> Records)
{
    /// <summary>The plan times of each job, with their endings.</summary>
    public IReadOnlyDictionary<string, IReadOnlyList<LedgerLine>> Ledgers { get; init; } =
        new Dictionary<string, IReadOnlyList<LedgerLine>>();

    /// <summary>The jobs whose runs count.</summary>
    public IReadOnlySet<string> Counters { get; init; } = new HashSet<string>();

    public IReadOnlyList<Count> Counts { get; init; } = [];

    /// <summary>The runs ("job/runId") that were declared lost. Only their commands may go on beside later ones.</summary>
    public IReadOnlySet<string> Lost { get; init; } = new HashSet<string>();
}
