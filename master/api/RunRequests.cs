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

    private const string KeyHeader = "Idempotency-Key";
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
            return Accepted(job, await AskNotedAsync(http, job, request, body));
        }

        if ((await jobs.FindAsync(job, http.RequestAborted))?.Mode == JobMode.All)
        {
            throw Refusal.Conflict($"job \"{Display.Line(job.Value)}\" runs on every matching worker; wait needs a job of mode one");
        }

        using var taken = _quota.Take(Caller.Of(http));
        var runId = await AskNotedAsync(http, job, request, body);
        var wait = TimeSpan.FromSeconds(waitSeconds);
        http.Features.Get<RequestDeadline>()?.Extend(wait);
        return await WaitAsync($"{job}/{runId}", wait, http.RequestAborted) is { } record
            ? TypedResults.Ok(record)
            : Accepted(job, runId);
    }

    private static Accepted<RunAsked> Accepted(JobName job, string runId) => TypedResults.Accepted(
        $"/api/v1/runs/{Uri.EscapeDataString(job)}/{Uri.EscapeDataString(runId)}", new RunAsked(job, runId));

    /// <summary>The request's Idempotency-Key; null = it has none.</summary>
    /// <exception cref="Refusal">It is not a key.</exception>
    public static string? KeyOf(HttpContext http)
    {
        if (http.Request.Headers[KeyHeader] is not { Count: > 0 } given)
        {
            return null;
        }

        var key = $"{given}";
        return key.Length is 0 or > KeyMax || key.EnumerateRunes().Any(Display.IsHidden)
            ? throw Refusal.BadQuery(KeyHeader, key, $"1 to {KeyMax} printable characters")
            : key;
    }

    /// <summary>Puts a run into the queue. With a key, a repeated request gets the run of the first.</summary>
    /// <param name="body">What the key stands for.</param>
    public async Task<RunOnce.Accepted> AskAsync(
        JobName job, RunRequest request, string? key, ReadOnlyMemory<byte> body, CancellationToken cancel)
    {
        if (key is null)
        {
            var put = await jobs.Runs.RunAsync(job, request, cancel) ?? throw JobSaves.NoSuchJob(job);
            return new RunOnce.Accepted(put, IsRepeated: false);
        }

        var (id, digest) = (Digest(Encoding.UTF8.GetBytes(key)), Digest(body.Span));
        switch (await lease.UseAsync(its => jobs.Runs.RunOnceAsync(job, request, id, digest, its, cancel), cancel))
        {
            case RunOnce.Accepted accepted:
                return accepted;
            case RunOnce.OtherRequest:
                throw Refusal.Invalid(
                    KeyHeader, key, "a new key: a request with this one and another body was made for this job within a day");
            default:
                throw JobSaves.NoSuchJob(job);
        }
    }

    private async Task<string> AskNotedAsync(HttpContext http, JobName job, RunRequest request, ReadOnlyMemory<byte> body)
    {
        var key = KeyOf(http);
        var (runId, isRepeated) = await AskAsync(job, request, key, body, http.RequestAborted);
        if (key is not null)
        {
            http.Response.Headers["Idempotency-Replayed"] = isRepeated ? "true" : "false";
        }

        return runId;
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
