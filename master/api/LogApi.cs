using System.Globalization;
using Dts.Common.Hosting;
using Dts.Common.Jobs;
using Dts.Master.Jobs;
using Dts.Master.Logs;

namespace Dts.Master.Api;

/// <summary>The log: lists and search, statistics, single records.</summary>
internal sealed class LogApi(ILogReader store, RequestGate gate, TimeProvider time)
{
    private const int LimitMax = 1000;
    private const int DaysByDefault = 30;

    public void Map(IEndpointRouteBuilder routes)
    {
        routes.MapGet("/api/v1/log", gate.Guard(async http =>
            await Answer.SucceedAsync(
                http, await store.SearchAsync(ReadQuery(http.Request.Query), http.RequestAborted), ApiJson.Readable.LogPage)));

        routes.MapGet("/api/v1/jobs/{name}/stats", gate.Guard(async http =>
        {
            var days = Number(http.Request.Query, "days", DaysByDefault, 1, 3660);
            var from = DateOnly.FromDateTime(time.GetUtcNow().UtcDateTime).AddDays(1 - days);
            var job = JobName.Parse((string?)http.Request.RouteValues["name"] ?? "");
            await Answer.SucceedAsync(http, await JobStats.ReadAsync(store, job, from, http.RequestAborted), ApiJson.Readable.JobStats);
        }));

        routes.MapGet("/api/v1/runs/{job}/{runId}", gate.Guard(async http =>
        {
            var id = $"{http.Request.RouteValues["job"]}/{http.Request.RouteValues["runId"]}";
            await Answer.SucceedAsync(http, await store.FindAsync(id, http.RequestAborted), ApiJson.Readable.RunRecord!);
        }));
    }

    private static LogQuery ReadQuery(IQueryCollection query) => new(
        Job: Text(query, "job"),
        Status: Text(query, "status") is { } word ? ParseStatus(word) : null,
        Worker: Text(query, "worker"),
        Trigger: Text(query, "trigger"),
        From: Moment(query, "from"),
        Until: Moment(query, "to"),
        Text: Text(query, "text"),
        After: Text(query, "after") is { } after
            ? LogCursor.Parse(after) ?? throw Wrong("after", after, "the \"next\" of the page before")
            : null,
        Limit: Number(query, "limit", 50, 1, LimitMax));

    private static string? Text(IQueryCollection query, string field) => query[field].FirstOrDefault() switch
    {
        null or "" => null,
        var text when text.Contains('\0') => throw Wrong(field, text, "text without a NUL character"),
        var text => text,
    };

    private static RunStatus ParseStatus(string word)
    {
        var all = Enum.GetValues<RunStatus>();
        return all.Any(status => status.Word() == word)
            ? all.First(status => status.Word() == word)
            : throw Wrong("status", word, $"one of {string.Join(", ", all.Select(status => status.Word()))}");
    }

    private static DateTimeOffset? Moment(IQueryCollection query, string field) =>
        Text(query, field) is { } text ? QueryTime.Parse(text) ?? throw Wrong(field, text, QueryTime.Expected) : null;

    private static int Number(IQueryCollection query, string field, int fallback, int min, int max) => Text(query, field) switch
    {
        null => fallback,
        var text when int.TryParse(text, CultureInfo.InvariantCulture, out var number) && number >= min && number <= max => number,
        var text => throw Wrong(field, text, $"a whole number from {min} to {max}"),
    };

    private static FormatException Wrong(string field, string value, string expected) =>
        new($"{field} is \"{Display.Line(value)}\"; expected {expected}");
}
