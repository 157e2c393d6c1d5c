namespace Dts.Master.Api;

/// <summary>The headers of operations, as metadata of their endpoints; <see cref="ApiDescription"/> describes them.</summary>
internal static class ApiHeaders
{
    private const string Tag = "The revision of the job, for If-Match and If-None-Match";

    /// <summary>The condition of a change, and the revision that the change makes.</summary>
    public static readonly object[] OfChanges =
    [
        new RequestHeader("If-Match", "The ETag of the job that the client has seen, or * for any; if the job has changed, 412", "\"12\""),
        new RequestHeader("If-None-Match", "*: the job must not exist yet; else 412", "*"),
        new ResponseHeader("ETag", Tag, 200, 201),
        new ProducesResponseTypeMetadata(StatusCodes.Status412PreconditionFailed, typeof(Problem), [Problem.ContentType]),
    ];

    public static readonly object[] OfDeletion = [.. OfChanges.Where(header => header is not ResponseHeader)];

    public static readonly object[] OfCopies =
    [
        new RequestHeader("If-None-Match", "The ETag of the client's copy; if the job has not changed, 304", "\"12\""),
        new ResponseHeader("ETag", Tag, 200, 304),
    ];

    public static readonly ResponseHeader Created = new("Location", "The path of the new resource", 201);

    public static readonly RequestHeader Once = new(
        "Idempotency-Key", "A text of 1 to 200 characters; a repeated request with it does not run a job again", "deploy-4711");

    public static readonly object[] OfRuns =
    [
        Once,
        new ResponseHeader("Location", "The path of the run", 202),
        new ResponseHeader("Idempotency-Replayed", "With an Idempotency-Key: true if the request is a repetition", 200, 202),
    ];

    public static readonly object[] OfOutput =
    [
        new RequestHeader("Last-Event-ID", "The id of the last event that the client has; the output goes on behind it", "4096"),
        new ResponseHeader("DTS-Output-Bytes", "How many bytes the run has written; once it has ended", 200),
        new ResponseHeader("DTS-Output-Cut", "What is missing, and where; once it has ended", 200),
    ];
}

internal sealed record RequestHeader(string Name, string Description, string Example);

/// <param name="Statuses">Of the answers that have it.</param>
internal sealed record ResponseHeader(string Name, string Description, params int[] Statuses);
