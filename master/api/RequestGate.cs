using System.Text.Json.Serialization.Metadata;
using Dts.Common.Etcd;
using Dts.Common.Hosting;
using Dts.Common.Logs;
using Dts.Master.Audit;
using Dts.Master.Jobs;

namespace Dts.Master.Api;

/// <summary>Gives each request a deadline, and answers a failure with one line.</summary>
/// <remarks>Below /api/ an error is a <see cref="Problem"/> with its status, elsewhere the original's envelope with status 200.</remarks>
internal sealed class RequestGate(MasterSettings settings, ILogger log)
{
    private readonly TimeSpan _deadline = settings.ReadTimeout + settings.WriteTimeout;

    /// <summary>Answers a list. The answer omits a row that cannot be serialized, and the log names it.</summary>
    public Task AnswerAsync<T>(HttpContext http, IReadOnlyList<T> rows, JsonTypeInfo<T> type, Func<T, string> nameOf) =>
        AnswerAsync(http, new[] { rows }.ToAsyncEnumerable(), type, nameOf);

    /// <summary>The same for a list that may not fit into memory.</summary>
    public Task AnswerAsync<T>(
        HttpContext http, IAsyncEnumerable<IReadOnlyList<T>> pieces, JsonTypeInfo<T> type, Func<T, string> nameOf) =>
        Envelope.SucceedAsync(http, pieces, type, (row, wrong) =>
        {
            var name = Display.Line(nameOf(row));
            log.RowSkipped(name, http.Request.Path, wrong.Message);
        });

    /// <summary>Guards all paths below /api/, as a step between routing and the handlers.</summary>
    public Task GuardApiAsync(HttpContext http, RequestDelegate next)
    {
        if (!Problem.IsBelowApi(http.Request))
        {
            return next(http);
        }

        http.Response.Headers.XContentTypeOptions = "nosniff";
        http.Response.Headers.CacheControl = "no-store";
        return GzipBody.CompressAsync(http, Guard(async guarded =>
        {
            Query.ThrowIfUnknown(guarded);
            Query.ThrowIfUndecoded(guarded);
            await next(guarded);
            var response = guarded.Response;
            var isEmpty = response is { HasStarted: false, ContentLength: null, ContentType: null };
            if (isEmpty && response.StatusCode >= 400)
            {
                await Problem.AnswerAsync(guarded, Explain(guarded));
            }
        }));
    }

    /// <summary>Answers HEAD wherever GET is answered, by the same handler; the server leaves the body out.</summary>
    public static Task AllowHeadAsync(HttpContext http, RequestDelegate next)
    {
        if (HttpMethods.IsHead(http.Request.Method))
        {
            http.Request.Method = HttpMethods.Get;
            http.Features.Set(new HeadRequest());
        }

        return next(http);
    }

    public RequestDelegate Guard(RequestDelegate handle) => async http =>
    {
        var asked = http.RequestAborted;
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(asked);
        if (http.GetEndpoint()?.Metadata.GetMetadata<OwnDeadline>() is null || http.Features.Get<HeadRequest>() is not null)
        {
            deadline.CancelAfter(_deadline);
        }

        http.RequestAborted = deadline.Token;
        http.Features.Set(new RequestDeadline(deadline, _deadline));
        try
        {
            await handle(http);
        }
        catch (Exception failure) when (failure is not OperationCanceledException || !asked.IsCancellationRequested)
        {
            await Problem.AnswerAsync(http, Explain(http, failure));
        }
    };

    private Problem Explain(HttpContext http, Exception failure)
    {
        switch (failure)
        {
            case OperationCanceledException:
                return Problem.Of(503, $"no answer in {_deadline.TotalSeconds:0.#} s; try again");
            case Refusal refusal:
                return refusal.Problem;
            case NotAllowedException wrong:
                AuditNotes.Of(http).IsHidden |= wrong.IsHidden;
                return Problem.Of(wrong.IsHidden ? 404 : 403, wrong.Message);
            case ApplyInterruptedException part:
                return Problem.Of(part.IsConflict ? 409 : 503, part.Message) with
                {
                    Applied = part.Applied, Undone = part.Undone, Uncertain = part.Uncertain,
                };
            case FormatException wrong:
                return Problem.Of(400, wrong.Message);
            case BadHttpRequestException wrong:
                return Problem.Of(wrong.StatusCode, $"request cannot be read: {wrong.Message}");
            case EtcdException away:
                return Problem.Of(503, $"etcd: {away.Message}; nothing may have changed, try again", word: "etcd-unavailable");
            case LogStoreException away:
                return Problem.Of(503, $"{away.Message}; runs go on, try again", word: "log-unavailable");
            default:
                log.RequestFailed(http.Request.Path, failure);
                return Problem.Of(500, "internal error: the master's log has the details");
        }
    }

    /// <summary>The problem of a status that came without a body.</summary>
    private static Problem Explain(HttpContext http)
    {
        var (request, status) = (http.Request, http.Response.StatusCode);
        if (status == 405 && $"{http.Response.Headers.Allow}" is var allowed && allowed.Contains("GET", StringComparison.Ordinal))
        {
            http.Response.Headers.Allow = $"{allowed}, HEAD";
        }

        return Problem.Of(status, status switch
        {
            404 => $"path {Display.Line(request.Path)} is not known; expected one that /api/v1/openapi.json lists",
            405 => $"method {Display.Line(request.Method)} is not for this path; expected {http.Response.Headers.Allow}",
            _ => $"request was answered with status {status}",
        });
    }
}

/// <summary>Marks a request as HEAD, which handlers see as GET. It has a deadline even if GET sends a stream.</summary>
internal sealed class HeadRequest;

/// <summary>The deadline of a request. A handler may move it when only slow work is left.</summary>
internal sealed class RequestDeadline(CancellationTokenSource deadline, TimeSpan span)
{
    public void Extend(TimeSpan by) => deadline.CancelAfter(span + by);
}

/// <summary>Metadata of an endpoint without a deadline, such as a stream, which limits itself.</summary>
internal sealed class OwnDeadline;
