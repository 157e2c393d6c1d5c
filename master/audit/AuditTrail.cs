using System.Threading.Channels;
using Dts.Common.Hosting;
using Dts.Master.Access;

namespace Dts.Master.Audit;

/// <summary>Records each change and each refused attempt: a line in the journal at once, and a record for the store.</summary>
/// <remarks>
/// The outermost step of a request. It never delays the request: records wait in a bounded queue for <see cref="AuditWriter"/>.
/// </remarks>
internal sealed class AuditTrail(Credentials credentials, ChannelWriter<AuditRecord> records, TimeProvider time, ILogger log)
{
    private const int TextMax = 300;

    // The same for all, because a stranger can make up any number of paths.
    private const string NoRoute = "(no such path)";

    private static readonly string[] Methods = ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];

    private readonly RefusalTally _tally = new();
    private readonly Lock _gate = new();
    private int _dropped;

    /// <summary>Returns how many records found the queue full since the last call.</summary>
    public int TakeDropped() => Interlocked.Exchange(ref _dropped, 0);

    public async Task NoteAsync(HttpContext http, RequestDelegate next)
    {
        var notes = new AuditNotes();
        http.Features.Set(notes);
        try
        {
            await next(http);
        }
        finally
        {
            Note(http, notes);
        }
    }

    /// <summary>Records the refusals that were counted and are due.</summary>
    public void KeepDue(bool isEnd = false)
    {
        IReadOnlyList<AuditRecord> due;
        lock (_gate)
        {
            due = _tally.Due(time.GetElapsedTime(0), time.GetUtcNow(), isEnd);
        }

        foreach (var record in due)
        {
            Keep(record);
        }
    }

    /// <summary>The original paths have no dry run: they ignore the query.</summary>
    private static bool IsDryRun(HttpRequest request) =>
        request.Path.StartsWithSegments("/api/v1", StringComparison.Ordinal) && request.Query["dryRun"] == "true";

    private void Note(HttpContext http, AuditNotes notes)
    {
        var outcome = OutcomeOf(http, notes);
        var isChange = !HttpMethods.IsGet(http.Request.Method) && !HttpMethods.IsHead(http.Request.Method)
            && http.GetEndpoint() is RouteEndpoint && !IsDryRun(http.Request);
        if (outcome != AuditRecord.Refused && !isChange)
        {
            return;
        }

        var record = RecordOf(http, notes, outcome);
        if (outcome == AuditRecord.Done || (outcome != AuditRecord.Refused && http.Features.Get<Caller>() is not null))
        {
            Keep(record);
            return;
        }

        // Refusals, and failures of unidentified callers, are counted, so that nobody can flood the trail with them.
        AuditRecord? first;
        lock (_gate)
        {
            first = _tally.Take(record, time.GetElapsedTime(0));
        }

        if (first is not null)
        {
            Keep(first);
        }
    }

    private static string OutcomeOf(HttpContext http, AuditNotes notes)
    {
        var status = notes.ProblemStatus > 0 ? notes.ProblemStatus : http.Response.StatusCode;
        return notes.IsHidden || status is 403 or 429 || (status == 401 && IsAttempt(http)) ? AuditRecord.Refused
            : status >= 400 ? AuditRecord.Failed
            : AuditRecord.Done;
    }

    /// <summary>A browser's first request has no credentials, and is not an attempt.</summary>
    private static bool IsAttempt(HttpContext http) =>
        http.Request.Headers.Authorization.Count > 0
        || http.Request.Cookies.ContainsKey(Credentials.Cookie)
        || !HttpMethods.IsGet(http.Request.Method);

    private AuditRecord RecordOf(HttpContext http, AuditNotes notes, string outcome)
    {
        var (now, caller) = (time.GetUtcNow(), http.Features.Get<Caller>());
        var (count, changes) = notes.Changes;
        return new AuditRecord(
            $"{Guid.CreateVersion7(now):N}",
            now,
            caller?.Name ?? notes.Claimed,
            caller?.Role.Word() ?? "",
            caller?.Via.Word() ?? "",
            $"{caller?.Address ?? credentials.AddressOf(http)}",
            ActOf(http),
            Short(TargetOf(http, notes, changes)),
            outcome,
            Short(notes.Detail.Length > 0 || count < 2 ? notes.Detail : $"{count} jobs"),
            changes);
    }

    private static string ActOf(HttpContext http) =>
        http.GetEndpoint() is RouteEndpoint { RoutePattern.RawText: { } pattern }
            ? $"{MethodOf(http.Request)} {(pattern.StartsWith('/') ? pattern : $"/{pattern}")}"
            : NoRoute;

    /// <summary>The original paths accept any method.</summary>
    private static string MethodOf(HttpRequest request) => Methods.Contains(request.Method) ? request.Method : "OTHER";

    private static string TargetOf(HttpContext http, AuditNotes notes, IReadOnlyList<AuditedChange> changes)
    {
        var places = http.Request.RouteValues.Values.OfType<string>().ToList();
        return Display.Visible(
            notes.Target.Length > 0 ? notes.Target
            : http.GetEndpoint() is not RouteEndpoint ? $"{http.Request.Method} {http.Request.Path}"
            : places.Count > 0 ? string.Join('/', places)
            : http.Request.Query["filter"] is [{ Length: > 0 } filter] ? filter
            : changes is [var only] ? only.Job
            : "");
    }

    private static string Short(string text) => text.Length <= TextMax ? text : $"{text[..TextMax]}…";

    private void Keep(AuditRecord record)
    {
        log.Audited(
            record.Who, record.Role, record.Via, record.From, record.Act, record.Target, record.Outcome, record.Detail);
        if (!records.TryWrite(record))
        {
            Interlocked.Increment(ref _dropped);
        }
    }
}
