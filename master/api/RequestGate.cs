using System.Text.Json.Serialization.Metadata;
using Dts.Common.Etcd;
using Dts.Common.Hosting;
using Dts.Common.Logs;

namespace Dts.Master.Api;

/// <summary>Gives every request its deadline, and turns what goes wrong into the envelope: one line for the caller.</summary>
internal sealed class RequestGate(MasterSettings settings, ILogger log)
{
    /// <summary>Answers a list. The answer omits a row that cannot be serialized, and the log names it.</summary>
    public Task AnswerAsync<T>(HttpContext http, IReadOnlyList<T> rows, JsonTypeInfo<T> type, Func<T, string> nameOf) =>
        Answer.SucceedAsync(http, rows, type, (row, wrong) =>
        {
            var name = Display.Line(nameOf(row));
            log.RowSkipped(name, http.Request.Path, wrong.Message);
        });

    public RequestDelegate Guard(RequestDelegate handle) => async http =>
    {
        var asked = http.RequestAborted;
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(asked);
        deadline.CancelAfter(settings.ReadTimeout + settings.WriteTimeout);
        http.RequestAborted = deadline.Token;
        try
        {
            await handle(http);
        }
        catch (OperationCanceledException) when (!asked.IsCancellationRequested)
        {
            SetUnavailable(http);
            await Answer.FailAsync(http, $"no answer in {(settings.ReadTimeout + settings.WriteTimeout).TotalSeconds:0.#} s; try again");
        }
        catch (FormatException wrong)
        {
            await Answer.FailAsync(http, wrong.Message);
        }
        catch (BadHttpRequestException wrong)
        {
            await Answer.FailAsync(http, $"request cannot be read: {wrong.Message}");
        }
        catch (EtcdException failure)
        {
            await Answer.FailAsync(http, $"etcd: {failure.Message}; nothing may have changed, try again");
        }
        catch (LogStoreException failure)
        {
            SetUnavailable(http);
            await Answer.FailAsync(http, $"{failure.Message}; runs go on, try again");
        }
        catch (Exception bug) when (bug is not OperationCanceledException)
        {
            log.RequestFailed(http.Request.Path, bug);
            await Answer.FailAsync(http, "internal error: the master's log has the details");
        }
    };

    /// <summary>Only for paths below /api/: the original's paths always answer with status 200.</summary>
    private static void SetUnavailable(HttpContext http)
    {
        if (http.Request.Path.StartsWithSegments("/api") && !http.Response.HasStarted)
        {
            http.Response.StatusCode = StatusCodes.Status503ServiceUnavailable;
        }
    }
}
