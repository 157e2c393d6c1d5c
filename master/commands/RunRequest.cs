using System.Diagnostics;
using System.Globalization;
using System.Text.Json.Nodes;
using Dts.Common.Hosting;

namespace Dts.Master.Commands;

/// <summary>A request to run a job. It is repeated with one key, so the job runs once.</summary>
internal sealed class RunRequest(CommandCall call, string job, JsonObject body)
{
    private const int WaitSecondsMax = 600; // Per request; a longer wait takes several.

    private static readonly TimeSpan BeyondWait = TimeSpan.FromSeconds(30);

    private readonly string _key = $"dts-master-{Guid.NewGuid():N}";

    /// <summary>The record if the run has ended, else the run.</summary>
    public async Task<JsonNode> AskAsync(int waitSeconds)
    {
        using var content = ApiClient.Json(body);
        var wait = waitSeconds > 0 ? waitSeconds.ToString(CultureInfo.InvariantCulture) : null;
        return await call.Api.SendAsync(
            HttpMethod.Post,
            ApiClient.Query(ApiClient.Path("jobs", job, "run"), ("wait", wait)),
            content,
            call.Cancel,
            TimeSpan.FromSeconds(waitSeconds) + BeyondWait,
            ("Idempotency-Key", _key));
    }

    /// <summary>The record, or the run that was asked for when the time is up.</summary>
    /// <remarks>Goes on when the connection breaks or the master is unavailable, and gives up after some tries without an answer.</remarks>
    /// <param name="timeoutSeconds">0 = no limit.</param>
    public async Task<JsonNode> WaitAsync(int timeoutSeconds)
    {
        var answer = await AskAsync(waitSeconds: 0);
        var runId = answer.Line("runId");
        for (var (waited, failures) = (0, 0); timeoutSeconds == 0 || waited < timeoutSeconds;)
        {
            var seconds = timeoutSeconds == 0 ? WaitSecondsMax : Math.Min(WaitSecondsMax, timeoutSeconds - waited);
            var begun = Stopwatch.GetTimestamp();
            try
            {
                answer = await AskAsync(seconds);
                if (answer["status"] is not null)
                {
                    return answer;
                }

                (waited, failures) = (waited + seconds, 0);
            }
            catch (CommandFailure failure) when (failure.IsTransient)
            {
                if (++failures == ApiClient.TriesMax)
                {
                    throw new CommandFailure(ExitCodes.Refused, $"{failure.Message}; run {runId} of {Display.Line(job)} goes on");
                }

                await Task.Delay(ApiClient.PauseAfter(failures), call.Cancel);
                waited += (int)Stopwatch.GetElapsedTime(begun).TotalSeconds;
            }
        }

        call.Terminal.Note($"{Display.Line(job)} has not ended after {timeoutSeconds} s; it goes on as run {runId}");
        return answer;
    }
}
