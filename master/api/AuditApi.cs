using System.ComponentModel;
using Dts.Master.Access;
using Dts.Master.Audit;

namespace Dts.Master.Api;

/// <summary>The audit trail, for admins. Nobody can change it here.</summary>
internal sealed class AuditApi(IAuditStore store)
{
    private const int LimitByDefault = 50;
    private const int LimitMax = 1000;
    private const int WordsMax = 10;

    private static readonly string[] Outcomes = [AuditRecord.Done, AuditRecord.Refused, AuditRecord.Failed];

    public void Map(RouteGroupBuilder v1) => v1.MapGet("/audit", async (
        [Description("Words that must all match: who:mara outcome:refused, others are texts such as a job's name or an address")]
        string? filter,
        [Description("From this moment on")] string? from,
        [Description("Before this moment")] string? to,
        [Description("How many records, 1 to 1000; 50 unless given")] string? limit,
        string? after,
        CancellationToken cancel) =>
    {
        var most = Query.Number("limit", limit, LimitByDefault, 1, LimitMax);
        var query = Read(Query.Text("filter", filter) ?? "") with
        {
            From = Query.Moment("from", from),
            Until = Query.Moment("to", to),
            After = Query.Place(after, AuditCursor.Parse),
            Limit = most + 1,
        };
        var found = await store.ListAsync(query, cancel);
        return new AuditPage(
            [.. found.Take(most)], found.Count > most ? found[most - 1].Place.ToString() : null);
    }).RequireRole(Role.Admin).WithSummary("The audit trail, the latest first: changes, and refused attempts");

    private static AuditQuery Read(string filter)
    {
        var query = new AuditQuery([]);
        foreach (var word in filter.Split(' ', StringSplitOptions.RemoveEmptyEntries))
        {
            query = word.Split(':', 2) switch
            {
                ["who", { Length: > 0 } name] => query with { Who = name },
                ["outcome", var outcome] => Outcomes.Contains(outcome)
                    ? query with { Outcome = outcome }
                    : throw Refusal.BadQuery("filter", word, $"outcome: with one of {string.Join(", ", Outcomes)}"),
                _ => query with { Words = [.. query.Words, word] },
            };
        }

        return query.Words.Count <= WordsMax ? query : throw Refusal.BadQuery("filter", filter, $"at most {WordsMax} texts");
    }
}

/// <param name="Records">The latest first.</param>
/// <param name="Next">The next page begins here; null = this is the last page.</param>
internal sealed record AuditPage(IReadOnlyList<AuditRecord> Records, string? Next);
