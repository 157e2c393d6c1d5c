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

    private static readonly JsonDocumentOptions Strict = new() { AllowDuplicateProperties = false };

    public static JobNote? TryParse(int number, string comment) =>
        comment.StartsWith(OfLine, StringComparison.Ordinal) ? new JobNote(number, comment[OfLine.Length..], false)
        : comment.StartsWith(OfJob, StringComparison.Ordinal) ? new JobNote(number, comment[OfJob.Length..], true)
        : null;

    /// <summary>The job whose members are those of the note and, where it names none, those of the line.</summary>
    public (Job? Job, string Fault) Over(JsonObject members)
    {
        try
        {
            if (JsonNode.Parse(Json, documentOptions: Strict) is JsonObject own)
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
            // It is no JSON, or has a member twice.
        }
        catch (InvalidOperationException)
        {
            return (null, $"the comment in line {Number} has text that is not Unicode; expected UTF-8 without lone surrogates");
        }

        return (null, $"the comment \"{Display.Line(Json)}\" in line {Number} is not a JSON object; "
            + "expected members of a job, each once");
    }
}
