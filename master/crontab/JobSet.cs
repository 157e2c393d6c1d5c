using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Unicode;
using Dts.Common.Hosting;
using Dts.Common.Jobs;
using Dts.Master.Jobs;

namespace Dts.Master.Crontab;

/// <summary>Reads and writes a set of jobs: a JSON array, JSON objects one after another (a line each), or YAML.</summary>
internal static class JobSet
{
    private const string Expected = "expected jobs as a JSON array, as JSON objects one after another, or as YAML";

    private static readonly JsonReaderOptions Several = new() { AllowMultipleValues = true };

    /// <param name="mediaType">Of the body; when it names neither JSON nor YAML, the first letter decides.</param>
    /// <exception cref="FormatException">The body is neither.</exception>
    public static IReadOnlyList<WantedJob> Read(ReadOnlyMemory<byte> utf8, string mediaType)
    {
        var text = utf8.Span.TrimStart("\uFEFF"u8).TrimStart(" \t\r\n"u8);
        var isYaml = mediaType.Contains("yaml", StringComparison.OrdinalIgnoreCase)
            || (!mediaType.Contains("json", StringComparison.OrdinalIgnoreCase)
                && text.Length > 0
                && text[0] is not ((byte)'[' or (byte)'{'));
        if (isYaml && !Utf8.IsValid(text))
        {
            throw new FormatException("body has bytes that are not UTF-8; expected YAML in UTF-8");
        }

        var nodes = isYaml ? YamlJson.Read(Encoding.UTF8.GetString(text)) : ReadJson(text);
        return [.. nodes.SelectMany(JobsIn).Select((node, i) => ReadJob($"job {i + 1}", node))];
    }

    public static string WriteJson(IEnumerable<Job> jobs) =>
        "[" + string.Join(",", jobs.Select(job => $"\n{Shorten(job).ToJsonString(Readable)}")) + "\n]\n";

    public static string WriteYaml(IEnumerable<Job> jobs) => YamlJson.Write(jobs.Select(Shorten));

    /// <summary>A job's members without those that have their default.</summary>
    public static JsonObject Shorten(Job job)
    {
        var members = JobMembers.ToObject(job);
        foreach (var (name, value) in JobMembers.ToObject(new Job(job.Name, job.Command, job.CronExpr)))
        {
            if (name is not ("name" or "command" or "cronExpr") && JsonNode.DeepEquals(members[name], value))
            {
                members.Remove(name);
            }
        }

        return members;
    }

    private static readonly JsonSerializerOptions Readable = JsonText.Readable(JobsJson.Default.Options);

    private static List<JsonNode?> ReadJson(ReadOnlySpan<byte> utf8)
    {
        List<JsonNode?> nodes = [];
        try
        {
            var reader = new Utf8JsonReader(utf8, Several);
            while (reader.Read())
            {
                nodes.Add(JsonNode.Parse(ref reader));
            }
        }
        catch (JsonException wrong)
        {
            throw new FormatException($"body is not JSON (line {wrong.LineNumber + 1}, byte {wrong.BytePositionInLine + 1}); {Expected}");
        }

        return nodes;
    }

    private static IEnumerable<JsonNode?> JobsIn(JsonNode? node) => node switch
    {
        JsonArray list => list,
        JsonObject { Count: 1 } set when set["jobs"] is JsonArray list => list,
        _ => [node],
    };

    private static WantedJob ReadJob(string place, JsonNode? node)
    {
        try
        {
            return JobJson.TryParse(Encoding.UTF8.GetBytes(node?.ToJsonString() ?? "null"), out var job, out var error)
                ? new WantedJob(place, job, Members: node as JsonObject)
                : new WantedJob(place, null, error);
        }
        catch (Exception wrong) when (wrong is InvalidOperationException or ArgumentException) // A lone surrogate; a name that comes twice.
        {
            return new WantedJob(place, null, "a member comes twice or has text that is not Unicode; expected UTF-8, and each member once");
        }
    }
}
