using System.Text.Json;
using System.Text.Json.Serialization;
using Dts.Common.Etcd;
using Dts.Common.Jobs;
using Dts.Worker.Commands;

namespace Dts.Worker.Runs;

/// <summary>The run of a command, as a worker leaves it with the holder for the next worker.</summary>
/// <param name="Job">The definition as it was when the run was claimed.</param>
/// <param name="Trace">The context that its command has; empty = none.</param>
internal sealed record HeldRun(
    Job Job,
    long JobRevision,
    RunSpec Run,
    DateTimeOffset Claimed,
    long Token,
    long Session,
    OutputTarget Output,
    string User = "",
    string Trace = "")
{
    public static string ToTag(Run run) =>
        JsonSerializer.Serialize(
            new HeldRun(
                run.Job,
                run.JobRevision,
                run.Spec,
                run.ClaimedAt,
                run.FencingToken,
                run.Session.Value,
                run.Output!,
                run.User,
                run.Span?.Id ?? ""),
            WorkerJson.Default.HeldRun);

    /// <summary>Null = this version cannot read it.</summary>
    public static Run? TryRead(FormerCommand former)
    {
        try
        {
            return JsonSerializer.Deserialize(former.Tag, WorkerJson.Default.HeldRun) is { } held
                && JobName.TryParse(held.Job.Name, out var name, out _)
                ? held.ToRun(name, former.Running)
                : null;
        }
        catch (JsonException)
        {
            return null;
        }
    }

    private Run ToRun(JobName name, RunningCommand running)
    {
        var run = new Run(name, Job, JobRevision, Run, Claimed, Token, new LeaseId(Session))
        {
            Command = running,
            Output = Output,
            User = User,
        };
        run.Span = Trace.Length > 0 ? RunSpan.Begin(run, Trace) : null;
        return run;
    }
}

/// <summary>The JSON that only workers write and read.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase)]
[JsonSerializable(typeof(HeldRun))]
internal sealed partial class WorkerJson : JsonSerializerContext;
