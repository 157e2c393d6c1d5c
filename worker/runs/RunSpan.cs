using System.Diagnostics;
using Dts.Common.Jobs;
using Dts.Common.Logs;
using Dts.Worker.Commands.Holders;

namespace Dts.Worker.Runs;

/// <summary>The span of a run, for an OTLP receiver, and the context that its command goes on from (W3C Trace Context).</summary>
/// <remarks>There are none unless something listens: see <see cref="Telemetry"/>.</remarks>
internal static class RunSpan
{
    /// <summary>The variable that tells a command its context.</summary>
    public const string Variable = "TRACEPARENT";

    private static readonly ActivitySource Source = new("Dts.Worker");

    /// <summary>Begins the span of a run when its command is prepared, because the command's environment names it.</summary>
    /// <param name="former">The context that the process before this one gave the command; empty = there was none.</param>
    public static Activity? Begin(Run run, string former = "")
    {
        Activity.Current = null; // Each run is a trace of its own.
        _ = ActivityContext.TryParse(former, null, out var context);
        var span = Source.StartActivity($"run {run.Name}", ActivityKind.Internal, context);
        Activity.Current = null;
        span?.SetTag("dts.job", run.Name.Value)
            .SetTag("dts.run_id", run.Id)
            .SetTag("dts.attempt", run.Spec.Attempt)
            .SetTag("dts.trigger", run.Spec.Trigger);
        return span;
    }

    public static void End(Run run, CommandEnding ending, RunRecord record)
    {
        if (run.Span is not { } span)
        {
            return;
        }

        var isWell = record.Status == RunStatus.Succeeded;
        span.SetTag("dts.status", record.Status.Word())
            .SetTag("process.exit.code", record.ExitCode)
            .SetStatus(isWell ? ActivityStatusCode.Ok : ActivityStatusCode.Error, isWell ? null : record.Err)
            .SetStartTime(ending.StartedAt.UtcDateTime)
            .SetEndTime(ending.EndedAt.UtcDateTime)
            .Stop();
    }

    /// <summary>The run ended before its start.</summary>
    public static void Discard(Run run)
    {
        if (run.Span is { } span)
        {
            span.ActivityTraceFlags = ActivityTraceFlags.None; // Exporters leave it out.
            span.Stop();
        }
    }
}
