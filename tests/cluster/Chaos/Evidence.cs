using Dts.Common.Jobs;
using Dts.Common.Logs;

namespace Dts.Tests.Cluster.Chaos;

/// <summary>A start as the command itself wrote it down: the witness, whatever our records say.</summary>
/// <param name="At">When, by the clock of the host, which all share here: Unix seconds.</param>
/// <param name="End">When the command came to its end; null = it was killed before it could write that.</param>
internal sealed record Start(string Job, string RunId, string PlanTime, int Attempt, long Token, string Worker, double At, double? End = null)
{
    public string Id => $"{Job}/{RunId}";
}

/// <summary>What a run that counts has written: the number that it had read when it started, plus one.</summary>
internal sealed record Count(string Job, string RunId, long Token, long Value)
{
    public string Id => $"{Job}/{RunId}";
}

/// <summary>All that the judge is told.</summary>
internal sealed record Evidence(IReadOnlyList<Job> Jobs, IReadOnlyList<Start> Starts, IReadOnlyList<RunRecord> Records)
{
    /// <summary>The plan times of each job, with their endings.</summary>
    public IReadOnlyDictionary<string, IReadOnlyList<LedgerLine>> Ledgers { get; init; } = new Dictionary<string, IReadOnlyList<LedgerLine>>();

    /// <summary>The jobs whose runs count.</summary>
    public IReadOnlySet<string> Counters { get; init; } = new HashSet<string>();

    public IReadOnlyList<Count> Counts { get; init; } = [];

    /// <summary>The runs ("job/runId") that were declared lost. Their commands may go on beside later ones; all else must not.</summary>
    public IReadOnlySet<string> Lost { get; init; } = new HashSet<string>();
}
