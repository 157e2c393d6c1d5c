using System.Security.Cryptography;
using System.Text;
using Dts.Common.Hosting;
using Dts.Common.Jobs;
using Dts.Common.Logs;
using Dts.Master.Access;
using Dts.Master.Jobs;
using Dts.Master.Logs;
using Microsoft.AspNetCore.Http.HttpResults;

namespace Dts.Master.Api;

/// <summary>Requests to run a job now. A repeated request does not run it again; a client may wait for the run's record.</summary>
internal sealed class RunRequests(JobStore jobs, RequestLease lease, ILogReader store, TimeProvider time)
{
    public const int WaitSecondsMax = 600;

    private const int KeyMax = 200;
    private const int WaitersMax = 50; // Each reads the log store at least every two seconds.
    private const double Slowing = 1.25;

    private static readonly TimeSpan LookEvery = TimeSpan.FromMilliseconds(100);
    private static readonly TimeSpan LookAtLeastEvery = TimeSpan.FromSeconds(2);

    private readonly CallerQuota _quota =
        new(WaitersMax, "requests", "wait for runs on this master", "nothing was run, try again without wait");

    public async Task<Results<Ok<RunRecord>, Accepted<RunAsked>>> RunAsync(HttpContext http, JobName job, int waitSeconds)
    {
        var (request, body) = await RunBody.ReadAsync(http, time.GetUtcNow());
        if (waitSeconds == 0)
        {
            return Accepted(job, await AskAsync(http, job, request, body));
        }

        if ((await jobs.FindAsync(job, http.RequestAborted))?.Mode == JobMode.All)
        {
            throw Refusal.Conflict($"job \"{Display.Line(job.Value)}\" runs on every matching worker; wait needs a job of mode one");
        }

        using var taken = _quota.Take(Caller.Of(http));
        var runId = await AskAsync(http, job, request, body);
        var wait = TimeSpan.FromSeconds(waitSeconds);
        http.Features.Get<RequestDeadline>()?.Extend(wait);
        return await WaitAsync($"{job}/{runId}", wait, http.RequestAborted) is { } record
            ? TypedResults.Ok(record)
            : Accepted(job, runId);
    }

    private static Accepted<RunAsked> Accepted(JobName job, string runId) => TypedResults.Accepted(
        $"/api/v1/runs/{Uri.EscapeDataString(job)}/{Uri.EscapeDataString(runId)}", new RunAsked(job, runId));

    private async Task<string> AskAsync(HttpContext http, JobName job, RunRequest request, ReadOnlyMemory<byte> body)
    {
        var cancel = http.RequestAborted;
        if (http.Request.Headers["Idempotency-Key"] is not { Count: > 0 } given)
        {
            return await jobs.Runs.RunAsync(job, request, cancel) ?? throw JobSaves.NoSuchJob(job);
        }

        var key = $"{given}";
        if (key.Length is 0 or > KeyMax || key.EnumerateRunes().Any(Display.IsHidden))
        {
            throw Refusal.BadQuery("Idempotency-Key", key, $"1 to {KeyMax} printable characters");
        }

        var (id, digest) = (Digest(Encoding.UTF8.GetBytes(key)), Digest(body.Span));
        switch (await lease.UseAsync(its => jobs.Runs.RunOnceAsync(job, request, id, digest, its, cancel), cancel))
        {
            case RunOnce.Accepted(var runId, var isRepeated):
                http.Response.Headers["Idempotency-Replayed"] = isRepeated ? "true" : "false";
                return runId;
            case RunOnce.OtherRequest:
                throw Refusal.Invalid(
                    "Idempotency-Key", key, "a new key: a request with this one and another body was made for this job within a day");
            default:
                throw JobSaves.NoSuchJob(job);
        }
    }

    private static string Digest(ReadOnlySpan<byte> bytes) => Convert.ToHexStringLower(SHA256.HashData(bytes))[..32];

    /// <summary>Waits for the record of a run; null = the run has not ended in time, or the log store does not answer.</summary>
    private async Task<RunRecord?> WaitAsync(string id, TimeSpan wait, CancellationToken cancel)
    {
        var began = time.GetTimestamp();
        for (var pause = LookEvery; ; pause = Min(pause * Slowing, LookAtLeastEvery))
        {
            var left = wait - time.GetElapsedTime(began);
            if (left <= TimeSpan.Zero)
            {
                return null;
            }

            await Task.Delay(Min(pause, left), time, cancel);
            try
            {
                if (await store.FindAsync(id, cancel) is { } record)
                {
                    return record;
                }
            }
            catch (LogStoreException)
            {
                // The run goes on without the log store, which gets the record when it is back.
            }
        }
    }

    private static TimeSpan Min(TimeSpan one, TimeSpan other) => one < other ? one : other;
}

/// <summary>A run that was asked for.</summary>
/// <param name="RunId">Names the run within its job.</param>
internal sealed record RunAsked(string JobName, string RunId);
