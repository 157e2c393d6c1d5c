using Dts.Common.Jobs;

namespace Dts.Master.Audit;

/// <summary>What a request did and why it was refused, noted by its handler for the audit trail. A feature of each request.</summary>
/// <remarks>Thread-safe: a bulk act changes several jobs at a time.</remarks>
internal sealed class AuditNotes
{
    private const int ChangesMax = 100;

    private static readonly AuditNotes Unheard = new();

    private readonly Lock _gate = new();
    private List<AuditedChange>? _changes;
    private int _count;

    /// <summary>Whom the request claims to come from, where that is not shown; empty = nobody.</summary>
    public string Claimed { get; set; } = "";

    /// <summary>What it is about, where the path does not say.</summary>
    public string Target { get; set; } = "";

    /// <summary>What there is to say of it.</summary>
    public string Detail { get; set; } = "";

    /// <summary>The status of its problem; 0 = it has none.</summary>
    public int ProblemStatus { get; private set; }

    /// <summary>The caller asked for something that they may not know of.</summary>
    public bool IsHidden { get; set; }

    /// <summary>How many jobs were changed, and the first hundred of them.</summary>
    public (int Count, IReadOnlyList<AuditedChange> Changes) Changes
    {
        get
        {
            lock (_gate)
            {
                return (_count, _changes?.ToArray() ?? []);
            }
        }
    }

    public static AuditNotes Of(HttpContext? http) => http?.Features.Get<AuditNotes>() ?? Unheard;

    public void NoteProblem(int status, string detail)
    {
        if (!ReferenceEquals(this, Unheard))
        {
            (ProblemStatus, Detail) = (status, detail);
        }
    }

    public void NoteChange(JobName name, Job? before, Job? after)
    {
        if (ReferenceEquals(this, Unheard))
        {
            return;
        }

        lock (_gate)
        {
            if (++_count <= ChangesMax)
            {
                (_changes ??= []).Add(AuditedChange.Of(name, before, after));
            }
        }
    }
}
