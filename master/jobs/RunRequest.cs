using System.Text.Json;
using Dts.Common.Hosting;
using Dts.Common.Jobs;

namespace Dts.Master.Jobs;

/// <summary>The body of a request to run a job now. Every member is optional.</summary>
/// <param name="Worker">The only worker that may run the job; empty = any worker that matches the job's target.</param>
/// <param name="Env">Variables beyond the job's own.</param>
internal sealed record RunRequest(string Worker = "", IReadOnlyDictionary<string, string>? Env = null)
{
    private const string Expected = "expected nothing, or {\"worker\":\"an id\",\"env\":{\"NAME\":\"value\"}}";

    /// <remarks>Refuses an unknown member: it may be a misspelt "worker", and the run would go to any worker.</remarks>
    /// <exception cref="FormatException">The message names the member, its value and what was expected.</exception>
    public static RunRequest Parse(ReadOnlyMemory<byte> utf8)
    {
        if (utf8.Length == 0)
        {
            return new RunRequest();
        }

        try
        {
            using var document = JsonDocument.Parse(utf8);
            return Read(document.RootElement);
        }
        catch (InvalidOperationException)
        {
            throw new FormatException($"body has text that is not Unicode; {Expected}");
        }
        catch (JsonException)
        {
            throw new FormatException($"body is not JSON; {Expected}");
        }
    }

    private static RunRequest Read(JsonElement root)
    {
        if (root.ValueKind != JsonValueKind.Object)
        {
            throw new FormatException($"body is {Show(root)}; {Expected}");
        }

        var request = new RunRequest();
        foreach (var member in root.EnumerateObject())
        {
            request = member.Name switch
            {
                "worker" => request with { Worker = ReadWorker(member.Value) },
                "env" => request with { Env = ReadEnv(member.Value) },
                var other => throw new FormatException($"member \"{Display.Line(other)}\" is not known; expected worker or env"),
            };
        }

        return request;
    }

    private static string ReadWorker(JsonElement value) =>
        value.ValueKind == JsonValueKind.String && value.GetString() is { } id && (id.Length == 0 || WorkerRegistration.IsId(id))
        ? id
        : throw new FormatException($"worker is {Show(value)}; expected a worker's id ({WorkerRegistration.ExpectedId})");

    private static Dictionary<string, string>? ReadEnv(JsonElement value)
    {
        if (value.ValueKind == JsonValueKind.Null)
        {
            return null;
        }

        if (value.ValueKind != JsonValueKind.Object || value.EnumerateObject().Any(entry => entry.Value.ValueKind != JsonValueKind.String))
        {
            throw new FormatException($"env is {Show(value)}; expected an object of texts");
        }

        var env = new Dictionary<string, string>();
        foreach (var variable in value.EnumerateObject())
        {
            env[variable.Name] = variable.Value.GetString()!;
        }

        return SaveRules.FindBadRequestEnv(env) is { } fault ? throw new FormatException(fault) : env;
    }

    private static string Show(JsonElement value) => Display.Line(value.GetRawText());
}
