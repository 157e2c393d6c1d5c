using System.Net.Http.Headers;
using System.Text;
using System.Text.Json.Nodes;
using Dts.Master.Access;
using Dts.Tests.Support;
using Xunit;

namespace Dts.Tests.Integration.Master;

/// <summary>A master with a token of each role: for all jobs, and limited to those of the team pay. Its jobs are own and foreign.</summary>
public sealed class AccessMaster : IAsyncLifetime
{
    internal const string Limit = "label:team=pay";
    internal const string Run = "20261122T100000Z";

    internal MasterProcess Master { get; init; } = new();

    internal AccessStore Access { get; private set; } = null!;

    /// <summary>By role, and by role and "limited".</summary>
    internal Dictionary<string, string> Tokens { get; } = [];

    public async ValueTask InitializeAsync()
    {
        await Master.InitializeAsync();
        Access = new AccessStore(Master.Etcd, Master.Keys, TimeProvider.System);
        foreach (var role in Enum.GetValues<Role>())
        {
            Tokens[role.Word()] = await TokenAsync(role.Word(), role, "");
            Tokens[$"{role.Word()} limited"] = await TokenAsync($"{role.Word()}-limited", role, role == Role.Admin ? "" : Limit);
        }

        foreach (var who in Tokens.Keys)
        {
            var me = ""; // A master that knows no token yet lets everyone in.
            await Patience.Until(
                async () =>
                {
                    (_, me) = await AskAsync(who, "GET", "/api/v1/me");
                    return me.Contains("\"via\":\"token\"", StringComparison.Ordinal);
                },
                () => $"{me}\n{Master.Said()}");
        }

        foreach (var (name, team) in new[] { ("own", "pay"), ("foreign", "ops") })
        {
            await SaveAsync(name, team);
            var record = Some.Record(0);
            await Master.LogStore.WriteAsync([record with { Id = $"{name}/{Run}", JobName = name }], CancellationToken.None);
        }
    }

    public ValueTask DisposeAsync() => Master.DisposeAsync();

    internal async Task SaveAsync(string name, string team)
    {
        var job = $$$"""{"command":"true","cronExpr":"0 0 1 1 *","labels":{"team":"{{{team}}}"},"env":{"PASSWORD":"hunter2"}}""";
        var (status, body) = await AskAsync("admin", "PUT", $"/api/v1/jobs/{name}", job);
        Assert.True(status is 200 or 201, body);
    }

    /// <summary>Asks as the holder of a token; null = as nobody.</summary>
    internal async Task<(int Status, string Body)> AskAsync(
        string? who, string method, string path, string? body = null, string type = "application/json", params (string, string)[] headers)
    {
        using var request = new HttpRequestMessage(new HttpMethod(method), path);
        request.Content = body is null ? null : new StringContent(body, Encoding.UTF8, new MediaTypeHeaderValue(type));
        if (who is not null)
        {
            request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", Tokens.GetValueOrDefault(who, who));
        }

        foreach (var (name, value) in headers)
        {
            request.Headers.Add(name, value);
        }

        using var answer = await Master.Http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead);
        var isEndless = answer.Content.Headers.ContentType?.MediaType == "text/event-stream";
        return ((int)answer.StatusCode, isEndless ? "events" : await answer.Content.ReadAsStringAsync());
    }

    /// <summary>The records of the audit trail, when so many of them say so.</summary>
    internal async Task<JsonArray> AuditAsync(Func<JsonNode, bool> isAwaited, int count = 1)
    {
        JsonArray records = [];
        await Patience.Until(
            () =>
            {
                var (_, body) = AskAsync("admin", "GET", "/api/v1/audit?limit=1000").GetAwaiter().GetResult();
                records = JsonNode.Parse(body)!["records"]!.AsArray();
                return records.Count(record => isAwaited(record!)) >= count;
            },
            () => $"{records.ToJsonString()}\n{Master.Said()}");
        return records;
    }

    /// <summary>Makes a token of an admin that has ended since.</summary>
    public async Task AddEndedTokenAsync(string name)
    {
        var past = new ManualTime();
        var store = new AccessStore(Master.Etcd, Master.Keys, past);
        var end = past.GetUtcNow().AddDays(1);
        Tokens[name] = (await store.AddTokenAsync(name, Role.Admin, "", end, "tests", CancellationToken.None))!;
    }

    private async Task<string> TokenAsync(string name, Role role, string filter) =>
        await Access.AddTokenAsync(name, role, filter, null, "tests", CancellationToken.None)
            ?? throw new InvalidOperationException($"token {name} is there");
}
