using System.Text.Json;
using Dts.Common.Hosting;
using Dts.Common.Jobs;
using Dts.Master.Access;
using Dts.Master.Jobs;

namespace Dts.Master.Api;

/// <summary>The body of a request to run a job now. Every member is optional.</summary>
/// <remarks>
/// An unknown member is refused: it may be a misspelt "worker", and the run would go to any worker. Only an editor may send variables: they
/// can change what the command does (PATH, BASH_ENV, LD_PRELOAD).
/// </remarks>
internal static class RunBody
{
    private const int BytesMax = 64 << 10;
    private const string Expected = "expected nothing, or {\"worker\":\"an id\",\"env\":{\"NAME\":\"value\"},\"planTime\":\"a past time\"}";

    public static async Task<(RunRequest Request, ReadOnlyMemory<byte> Body)> ReadAsync(HttpContext http, DateTimeOffset now)
    {
        var body = await RequestBody.ReadTypedAsync(http, BytesMax, "application/json");
        var request = Parse(body, now);
        var caller = Caller.Of(http);
        if (request.Env is { Count: > 0 } && !caller.May(Role.Editor))
        {
            throw new NotAllowedException(
                $"env has variables, which can change what the command does; expected none: {caller.Name} is {caller.Role.Word()}, "
                    + $"and they need {Role.Editor.Word()}");
        }

        return (request, body);
    }

    private static RunRequest Parse(ReadOnlyMemory<byte> utf8, DateTimeOffset now)
    {
        if (utf8.Length == 0)
        {
            return new RunRequest();
        }

        try
        {
            using var document = JsonDocument.Parse(utf8);
            return Read(document.RootElement, now);
        }
        catch (InvalidOperationException)
        {
            throw Refusal.Invalid($"body has text that is not Unicode; {Expected}");
        }
        catch (JsonException)
        {
            throw Refusal.Invalid($"body is not JSON; {Expected}");
        }
    }

    private static RunRequest Read(JsonElement root, DateTimeOffset now)
    {
        if (root.ValueKind != JsonValueKind.Object)
        {
            throw Refusal.Invalid($"body is {Show(root)}; {Expected}");
        }

        var request = new RunRequest();
        foreach (var member in root.EnumerateObject())
        {
            request = member.Name switch
            {
                "worker" => request with { Worker = ReadWorker(member.Value) },
                "env" => request with { Env = ReadEnv(member.Value) },
                "planTime" => request with { PlanTime = ReadPlanTime(member.Value, now) },
                var other => throw Refusal.Invalid($"member \"{Display.Line(other)}\" is not known; expected worker, env or planTime"),
            };
        }

        return request;
    }

    private static string ReadWorker(JsonElement value) =>
        value.ValueKind == JsonValueKind.String && value.GetString() is { } id && (id.Length == 0 || WorkerRegistration.IsId(id))
        ? id
        : throw Refusal.Invalid($"worker is {Show(value)}; expected a worker's id ({WorkerRegistration.ExpectedId})");

    /// <summary>Only a past time: the run of one to come is the schedule's.</summary>
    private static DateTimeOffset? ReadPlanTime(JsonElement value, DateTimeOffset now) =>
        value.ValueKind == JsonValueKind.Null ? null
        : value.ValueKind == JsonValueKind.String && QueryTime.Parse(value.GetString()!) is { } at
            && Ledger.OutOfRange("planTime", at) is null && at <= now
            ? at
            : throw Refusal.Invalid($"planTime is {Show(value)}; expected a past time, such as 2026-11-26T06:30:00Z");

    private static Dictionary<string, string>? ReadEnv(JsonElement value)
    {
        if (value.ValueKind == JsonValueKind.Null)
        {
            return null;
        }

        if (value.ValueKind != JsonValueKind.Object || value.EnumerateObject().Any(entry => entry.Value.ValueKind != JsonValueKind.String))
        {
            throw Refusal.Invalid($"env is {Show(value)}; expected an object of texts");
        }

        var env = new Dictionary<string, string>();
        foreach (var variable in value.EnumerateObject())
        {
            env[variable.Name] = variable.Value.GetString()!;
        }

        return SaveRules.FindBadRequestEnv(env) is { } fault ? throw Refusal.Invalid(fault) : env;
    }

    private static string Show(JsonElement value) => Display.Line(value.GetRawText());
}
