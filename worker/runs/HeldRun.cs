using System.Text.Json;
using System.Text.Json.Serialization;
using Dts.Common.Etcd;
using Dts.Common.Jobs;
using Dts.Worker.Commands;

namespace Dts.Worker.Runs;

/// <summary>What a worker leaves with a command so that the next one knows whose it is.</summary>
/// <param name="Job">The definition as it was when the run was claimed.</param>
internal sealed record HeldRun(
    Job Job, long JobRevision, RunSpec Run, DateTimeOffset Claimed, long Token, long Session, OutputTarget Output, string User = "")
{
    public static string ToTag(Run run) =>
        JsonSerializer.Serialize(
            new HeldRun(run.Job, run.JobRevision, run.Spec, run.ClaimedAt, run.FencingToken, run.Session.Value, run.Output!, run.User),
            WorkerJson.Default.HeldRun);

    /// <summary>Null when it is none that this version can read.</summary>
    public static Run? TryRead(FormerCommand former)
    {
        try
        {
            return JsonSerializer.Deserialize(former.Tag, WorkerJson.Default.HeldRun) is { } held
                && JobName.TryParse(held.Job.Name, out var name, out _)
                ? new Run(name, held.Job, held.JobRevision, held.Run, held.Claimed, held.Token, new LeaseId(held.Session))
                {
                    Command = former.Running,
                    Output = held.Output,
                    User = held.User,
                }
                : null;
        }
        catch (JsonException)
        {
            return null;
        }
    }
}

/// <summary>The JSON that only workers write and read.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase)]
[JsonSerializable(typeof(HeldRun))]
internal sealed partial class WorkerJson : JsonSerializerContext;
