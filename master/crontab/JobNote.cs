using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Dts.Common.Hosting;
using Dts.Common.Jobs;

namespace Dts.Master.Crontab;

/// <summary>
/// A comment in which DTS keeps what a crontab's line cannot say: <c># dts: {…}</c>, or <c># dts-job: {…}</c> for a whole job.
/// </summary>
internal sealed record JobNote(int Number, string Json, bool IsWhole)
{
    public const string OfLine = "dts: ";
    public const string OfJob = "dts-job: ";

    public static JobNote? TryParse(int number, string comment) =>
        comment.StartsWith(OfLine, StringComparison.Ordinal) ? new JobNote(number, comment[OfLine.Length..], false)
        : comment.StartsWith(OfJob, StringComparison.Ordinal) ? new JobNote(number, comment[OfJob.Length..], true)
        : null;

    /// <summary>The job whose members are those of the note and, where it names none, those of the line.</summary>
    public (Job? Job, string Fault) Over(JsonObject members)
    {
        JsonObject? own;
        try
        {
            own = JsonNode.Parse(Json) as JsonObject;
        }
        catch (JsonException)
        {
            own = null;
        }

        if (own is null)
        {
            return (null, $"the comment \"{Display.Line(Json)}\" in line {Number} is not a JSON object; expected members of a job");
        }

        foreach (var (name, value) in own)
        {
            members[name] = value?.DeepClone();
        }

        return JobJson.TryParse(Encoding.UTF8.GetBytes(members.ToJsonString()), out var job, out var error)
            ? (job, "")
            : (null, error);
    }
}
