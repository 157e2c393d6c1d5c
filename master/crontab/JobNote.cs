using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Dts.Common.Hosting;
using Dts.Common.Jobs;

namespace Dts.Master.Crontab;

/// <summary>A comment of DTS in a crontab: <c># dts: {…}</c> adds members to the next line, <c># dts-job: {…}</c> is a whole job.</summary>
internal sealed record JobNote(int Number, string Json, bool IsWhole)
{
    public const string OfLine = "dts: ";
    public const string OfJob = "dts-job: ";

    public static JobNote? TryParse(int number, string comment) =>
        comment.StartsWith(OfLine, StringComparison.Ordinal) ? new JobNote(number, comment[OfLine.Length..], false)
        : comment.StartsWith(OfJob, StringComparison.Ordinal) ? new JobNote(number, comment[OfJob.Length..], true)
        : null;

    /// <summary>The job with the members of the line, overridden by those of the note.</summary>
    public (Job? Job, string Fault) Over(JsonObject members)
    {
        try
        {
            if (JsonNode.Parse(Json, documentOptions: JobSet.Strict) is JsonObject own)
            {
                foreach (var (name, value) in own)
                {
                    members[name] = value?.DeepClone();
                }

                return JobJson.TryParse(Encoding.UTF8.GetBytes(members.ToJsonString()), out var job, out var error)
                    ? (job, "")
                    : (null, error);
            }
        }
        catch (JsonException)
        {
            // It is not JSON, or has a member twice.
        }
        catch (InvalidOperationException)
        {
            return (null, $"the comment in line {Number} has text that is not Unicode; expected UTF-8 without lone surrogates");
        }

        return (null, $"the comment \"{Display.Line(Json)}\" in line {Number} is not a JSON object; "
            + "expected members of a job, each once");
    }
}
