using System.Text.Json;
using System.Text.Json.Serialization;
using System.Text.RegularExpressions;
using Dts.Master.Audit;
using Dts.Master.Jobs;
using Dts.Master.Versions;

namespace Dts.Master.Api;

/// <summary>Why a request was refused or failed: problem details (RFC 9457), the body of each error below /api/.</summary>
/// <param name="Type">A URN that programs can compare, such as urn:dts:not-found.</param>
/// <param name="Title">The same for all problems of a type.</param>
/// <param name="Detail">One line: the field, its value and the expected one; or the fact, its consequence and the remedy.</param>
/// <param name="Field">The member or query parameter that is wrong.</param>
/// <param name="Difference">For status 412: how the job differs from the one that the client has seen.</param>
/// <param name="Faults">Of a set that was not applied: the faults of its jobs.</param>
/// <param name="Applied">Jobs of a set that were written and not put back, also those that another client has changed since.</param>
/// <param name="Undone">Jobs of a set that were written and put back.</param>
/// <param name="Uncertain">Jobs of a set that may or may not have been written.</param>
internal sealed partial record Problem(
    string Type,
    string Title,
    int Status,
    string Detail,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] string? Field = null,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] string? Expected = null,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] JobDifference? Difference = null,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] IReadOnlyList<ApplyFault>? Faults = null,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] IReadOnlyList<string>? Applied = null,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] IReadOnlyList<string>? Undone = null,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] IReadOnlyList<string>? Uncertain = null)
{
    public const string ContentType = "application/problem+json";

    private const string Named =
        """(?!(?:body|form|host|job|method|origin|path|request|run)\b)(?<field>[a-z][A-Za-z.]*)(?=:| is | has | "| begins| names)""";

    /// <summary>The statuses that the API uses, and their problems' types and titles.</summary>
    public static readonly IReadOnlyDictionary<int, (string Word, string Title)> Kinds = new Dictionary<int, (string, string)>
    {
        [400] = ("bad-request", "The request cannot be read"),
        [401] = ("unauthorized", "The request shows no valid token"),
        [403] = ("forbidden", "The request is not allowed"),
        [404] = ("not-found", "The resource does not exist"),
        [405] = ("method-not-allowed", "The path does not accept this method"),
        [409] = ("conflict", "The request conflicts with the present state"),
        [412] = ("changed", "The resource has changed"),
        [413] = ("too-large", "The body is too large"),
        [415] = ("media-type", "The body has the wrong media type"),
        [422] = ("invalid", "The body is understood and wrong"),
        [429] = ("too-many-requests", "There are too many requests"),
        [500] = ("internal", "The master has failed"),
        [503] = ("unavailable", "The master cannot answer now"),
    };

    /// <summary>A problem with a status. If the detail has the usual form, field and expectation are read from it.</summary>
    public static Problem Of(int status, string detail, string? field = null, string? expected = null, string? word = null)
    {
        var (kind, title) = Kinds.TryGetValue(status, out var known) ? known : Kinds[status < 500 ? 400 : 500];
        var form = Form().Match(status < 500 ? detail : ""); // A failure of the master names no field.
        return new Problem(
            Type: $"urn:dts:{word ?? kind}",
            Title: title,
            Status: status,
            Detail: detail,
            Field: field ?? TextOf(form.Groups["field"]),
            Expected: expected ?? TextOf(form.Groups["expected"]));
    }

    /// <summary>
    /// Answers with the problem: below /api/ with its status, elsewhere in the original's envelope. If part of another answer has been
    /// sent, closes the connection instead, so that the client notices.
    /// </summary>
    public static Task AnswerAsync(HttpContext http, Problem problem)
    {
        AuditNotes.Of(http).NoteProblem(problem.Status, problem.Detail);
        if (!IsBelowApi(http.Request) || http.Response.HasStarted)
        {
            return Envelope.FailAsync(http, problem.Detail);
        }

        var body = JsonSerializer.SerializeToUtf8Bytes(problem, ApiJson.Readable.Problem);
        http.Response.StatusCode = problem.Status;
        http.Response.ContentType = ContentType;
        http.Response.ContentLength = body.Length;
        http.Response.Headers.XContentTypeOptions = "nosniff";
        http.Response.Headers.CacheControl = "no-store";
        return http.Response.Body.WriteAsync(body).AsTask();
    }

    public static bool IsBelowApi(HttpRequest request) =>
        request.Path.StartsWithSegments("/api") || request.Path.StartsWithSegments("/openapi");

    private static string? TextOf(Group group) => group.Success ? group.Value : null;

    // Such as: retry.max is 200; expected 0 to 100
    [GeneratedRegex($"^(?:member )?(?!(?:there|member)\\b){Named}.*?(?:; expected (?<expected>.+))?$")]
    private static partial Regex Form();
}

/// <summary>How a job differs from the one that a client has seen.</summary>
/// <param name="Revision">The job's present revision.</param>
/// <param name="Members">The members that have changed; null = etcd no longer has the version that the client has seen.</param>
/// <param name="At">When it was changed; null = not known.</param>
/// <param name="By">Who changed it, as in its versions: token or local; null = not known.</param>
/// <param name="From">From which address.</param>
internal sealed record JobDifference(
    long Revision,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] IReadOnlyList<string>? Members = null,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] DateTimeOffset? At = null,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] string? By = null,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] string? From = null)
{
    /// <param name="latest">The latest save of the job; null = not known.</param>
    public static JobDifference Of(long revision, JobVersion? latest, IReadOnlyList<string>? members = null) =>
        new(revision, members, latest?.SavedAt, latest?.Author.By, latest?.Author.From);
}
