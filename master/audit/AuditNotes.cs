using Dts.Common.Jobs;

namespace Dts.Master.Audit;

/// <summary>What a handler notes for the audit trail: changes, and why the request was refused. A feature of each request.</summary>
/// <remarks>Thread-safe: a bulk request changes several jobs at a time.</remarks>
internal sealed class AuditNotes
{
    private const int ChangesMax = 100;

    private static readonly AuditNotes Unread = new(); // Of calls outside a request.

    private readonly Lock _gate = new();
    private List<AuditedChange>? _changes;
    private int _count;

    /// <summary>The person that an unidentified request names; empty = none.</summary>
    public string Claimed { get; set; } = "";

    /// <summary>The target, if the path does not name it.</summary>
    public string Target { get; set; } = "";

    public string Detail { get; set; } = "";

    /// <summary>The status of the problem that was answered; 0 = none was.</summary>
    public int ProblemStatus { get; private set; }

    /// <summary>The request named something that the caller may not see.</summary>
    public bool IsHidden { get; set; }

    /// <summary>The number of changed jobs, and the first hundred of them.</summary>
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

    public static AuditNotes Of(HttpContext? http) => http?.Features.Get<AuditNotes>() ?? Unread;

    public void NoteProblem(int status, string detail)
    {
        if (!ReferenceEquals(this, Unread))
        {
            (ProblemStatus, Detail) = (status, detail);
        }
    }

    public void NoteChange(JobName name, Job? before, Job? after)
    {
        if (ReferenceEquals(this, Unread))
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
