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
    public const int JobsMax = 10_000;

    private const int JobBytesMax = 2 << 20; // etcd accepts 1.5 MiB at once; escapes make a text longer.
    private const string Expected = "expected jobs as a JSON array, as JSON objects one after another, or as YAML";

    private static readonly JsonReaderOptions Several = new() { AllowMultipleValues = true };
    internal static readonly JsonDocumentOptions Strict = new() { AllowDuplicateProperties = false };

    /// <summary>Reads all jobs, or stops after <see cref="JobsMax"/> jobs and one more.</summary>
    /// <param name="mediaType">Of the body. If it names neither JSON nor YAML, the first character decides.</param>
    /// <exception cref="FormatException">The body is neither JSON nor YAML.</exception>
    public static IReadOnlyList<WantedJob> Read(ReadOnlyMemory<byte> utf8, string mediaType)
    {
        var text = utf8[^utf8.Span.TrimStart("\uFEFF"u8).TrimStart(" \t\r\n"u8).Length..];
        var isYaml = mediaType.Contains("yaml", StringComparison.OrdinalIgnoreCase)
            || (!mediaType.Contains("json", StringComparison.OrdinalIgnoreCase)
                && text.Length > 0
                && text.Span[0] is not ((byte)'[' or (byte)'{'));
        if (isYaml && !Utf8.IsValid(text.Span))
        {
            throw new FormatException("body has bytes that are not UTF-8; expected YAML in UTF-8");
        }

        var jobs = isYaml
            ? YamlJson.Read(Encoding.UTF8.GetString(text.Span)).SelectMany(JobsIn).Take(JobsMax + 1).Select(BytesOf)
            : FindJobs(text.Span).Select(job => text[job]);
        return [.. jobs.Select((job, i) => ReadJob($"job {i + 1}", job))];
    }

    public static string WriteJson(IEnumerable<Job> jobs) =>
        "[" + string.Join(",", jobs.Select(job => $"\n{Shorten(job).ToJsonString(JobsJson.Readable.Options)}")) + "\n]\n";

    public static string WriteYaml(IEnumerable<Job> jobs) => YamlJson.Write(jobs.Select(Shorten));

    /// <summary>A job's members, without those that have their default value.</summary>
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

    /// <summary>The ranges of the jobs in JSON. Builds no objects, because a hostile body may have millions of values.</summary>
    private static List<Range> FindJobs(ReadOnlySpan<byte> utf8)
    {
        List<Range> jobs = [];
        try
        {
            var reader = new Utf8JsonReader(utf8, Several);
            while (jobs.Count <= JobsMax && reader.Read())
            {
                var inside = reader;
                if (FindList(ref inside, jobs))
                {
                    reader = inside;
                }
                else
                {
                    jobs.Add(Skip(ref reader));
                }
            }
        }
        catch (JsonException wrong)
        {
            throw new FormatException($"body is not JSON (line {wrong.LineNumber + 1}, byte {wrong.BytePositionInLine + 1}); {Expected}");
        }

        return jobs;
    }

    /// <summary>Finds the jobs of an array, or of <c>{"jobs":[…]}</c>; false = the value is neither.</summary>
    private static bool FindList(ref Utf8JsonReader reader, List<Range> jobs)
    {
        var before = jobs.Count;
        var isSet = reader.TokenType == JsonTokenType.StartObject;
        if (isSet && !(reader.Read() && reader.TokenType == JsonTokenType.PropertyName && reader.ValueTextEquals("jobs"u8)))
        {
            return false;
        }

        if ((isSet && !reader.Read()) || reader.TokenType != JsonTokenType.StartArray)
        {
            return false;
        }

        while (jobs.Count <= JobsMax && reader.Read() && reader.TokenType != JsonTokenType.EndArray)
        {
            jobs.Add(Skip(ref reader));
        }

        if (isSet && jobs.Count <= JobsMax && !(reader.Read() && reader.TokenType == JsonTokenType.EndObject))
        {
            jobs.RemoveRange(before, jobs.Count - before); // It has other members, so it is a job.
            return false;
        }

        return true;
    }

    private static Range Skip(ref Utf8JsonReader reader)
    {
        var start = (int)reader.TokenStartIndex;
        reader.Skip();
        return start..(int)reader.BytesConsumed;
    }

    private static IEnumerable<JsonNode?> JobsIn(JsonNode? node) => node switch
    {
        JsonArray list => list,
        JsonObject { Count: 1 } set when set["jobs"] is JsonArray list => list,
        _ => [node],
    };

    private static ReadOnlyMemory<byte> BytesOf(JsonNode? node) => Encoding.UTF8.GetBytes(node?.ToJsonString() ?? "null");

    private static WantedJob ReadJob(string place, ReadOnlyMemory<byte> json)
    {
        if (json.Length > JobBytesMax)
        {
            return new WantedJob(place, null, $"job has {json.Length} bytes of JSON; expected at most {JobBytesMax}");
        }

        if (!JobJson.TryParse(json, out var job, out var error))
        {
            return new WantedJob(place, null, error);
        }

        try
        {
            return new WantedJob(place, job, Members: JsonNode.Parse(json.Span, documentOptions: Strict) as JsonObject);
        }
        catch (JsonException wrong)
        {
            return new WantedJob(place, null, $"a member comes twice ({Display.Line(wrong.Message)}); expected each once");
        }
    }
}
