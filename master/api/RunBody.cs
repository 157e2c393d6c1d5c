using System.Text.Json;
using System.Text.Json.Nodes;
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
    private const string Expected = "nothing, or {\"worker\":\"an id\",\"env\":{\"NAME\":\"value\"},\"planTime\":\"a past time\"}";

    // A record's planTime of 0 means that there was none.
    private static readonly DateTimeOffset PlanTimeMin = new(2000, 1, 1, 0, 0, 0, TimeSpan.Zero);

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
        var request = new RunRequest();
        foreach (var (member, value) in utf8.Length == 0 ? [] : JsonBody.Parse(utf8, Expected))
        {
            request = (member, value) switch
            {
                ("worker" or "env" or "planTime", null) => request, // As if it were missing.
                ("worker", _) => request with { Worker = ReadWorker(value) },
                ("env", _) => request with { Env = ReadEnv(value) },
                ("planTime", _) => request with { PlanTime = ReadPlanTime(value, now) },
                _ => throw Refusal.Invalid($"member \"{Display.Line(member)}\" is not known; expected worker, env or planTime"),
            };
        }

        return request;
    }

    private static string ReadWorker(JsonNode value) =>
        JsonBody.Text("worker", value) is var id && (id.Length == 0 || WorkerRegistration.IsId(id))
        ? id
        : throw Refusal.Invalid("worker", id, $"a worker's id ({WorkerRegistration.ExpectedId})");

    /// <summary>Only a past time: the run of one to come is the schedule's.</summary>
    private static DateTimeOffset ReadPlanTime(JsonNode value, DateTimeOffset now) =>
        JsonBody.Text("planTime", value) is var text && QueryTime.Parse(text) is { } at && at >= PlanTimeMin && at <= now
            ? at
            : throw Refusal.Invalid("planTime", text, $"a past time since {Cursor.Text(PlanTimeMin)}, such as 2026-11-26T06:30:00Z");

    private static Dictionary<string, string> ReadEnv(JsonNode value)
    {
        if (value is not JsonObject given || given.Any(variable => variable.Value?.GetValueKind() != JsonValueKind.String))
        {
            throw Refusal.Invalid($"env is {JsonBody.Show(value)}; expected an object of texts");
        }

        var env = given.ToDictionary(variable => variable.Key, variable => JsonBody.Text("env", variable.Value));
        return SaveRules.FindBadRequestEnv(env) is { } fault ? throw Refusal.Invalid(fault) : env;
    }
}
