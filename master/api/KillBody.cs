using System.Text.Json.Nodes;
using Dts.Common.Hosting;
using Dts.Common.Jobs;

namespace Dts.Master.Api;

/// <summary>The body of a request to kill: nothing, or a reason, which the run's record keeps, and a run's id.</summary>
internal sealed record KillBody(string? Reason = null, string? RunId = null)
{
    private const int ReasonMax = 200;
    private const string Expected = """nothing, or {"reason":"…","runId":"…"}""";

    /// <param name="runId">The run id in the query; null = the query has none.</param>
    public static KillRequest Read(ReadOnlyMemory<byte> utf8, string? runId = null)
    {
        var request = runId is null ? KillRequest.All : KillRequest.All with { RunId = Query.RunId(runId) };
        foreach (var (member, value) in utf8.Length == 0 ? [] : JsonBody.Parse(utf8, Expected))
        {
            request = member switch
            {
                "reason" => request with { Reason = ReadReason(value) },
                "runId" => request with { RunId = Query.RunId(JsonBody.Text("runId", value)) },
                _ => throw Refusal.Invalid($"member \"{Display.Line(member)}\" is not known; expected reason or runId"),
            };
        }

        return request;
    }

    private static string ReadReason(JsonNode? value) => JsonBody.Text("reason", value) switch
    {
        var text when text.Length is 0 or > ReasonMax || text.EnumerateRunes().Any(Display.IsHidden) =>
            throw Refusal.Invalid("reason", text, $"1 to {ReasonMax} printable characters"),
        var text => text,
    };
}
