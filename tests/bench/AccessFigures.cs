using System.Diagnostics;
using System.Text.Json.Nodes;

namespace Dts.Bench;

/// <summary>
/// What it costs to know who asks: requests one after the other, of a master that asks nobody and then of the same master with tokens.
/// <c>make bench ARGS=access</c>
/// </summary>
internal static class AccessFigures
{
    private const string Path = "/api/v1/workers";

    public static async Task<Findings> MeasureAsync(Effort effort)
    {
        var (requests, tokens) = (effort.Of(5000, 50), effort.Of(1000, 5));
        using var host = await ClusterHost.StartAsync();
        await host.StartMasterAsync();
        await MeasureAsync(null); // The first ones pay for what is loaded with them.
        var open = await MeasureAsync(null);
        var admin = await MakeAsync(host, "admin", "admin", "", null);
        for (var n = 0; n < tokens; n++)
        {
            await MakeAsync(host, $"token-{n}", "viewer", "", admin);
        }

        var limited = await MakeAsync(host, "limited", "viewer", "label:team=pay", admin);
        await MeasureAsync(admin);
        return new Findings(
            [
                new Figure($"one of {tokens:N0} tokens: p50 / p99, ms", await MeasureAsync(admin)).Beside("unchecked", open),
                new Figure("a token limited to a filter: p50 / p99, ms", await MeasureAsync(limited)).Beside("unchecked", open),
            ],
            $"`GET {Path}`, one after the other; unchecked is the same master before it knew anybody.");

        async Task<Series[]> MeasureAsync(string? token)
        {
            var (p50, p99) = (new List<double>(), new List<double>());
            for (var round = 0; round < effort.Rounds; round++)
            {
                var times = new double[requests];
                for (var n = 0; n < requests; n++)
                {
                    var begun = Stopwatch.GetTimestamp();
                    await host.GetAsync(Path, token);
                    times[n] = Stopwatch.GetElapsedTime(begun).TotalMilliseconds;
                }

                Array.Sort(times);
                p50.Add(times[requests / 2]);
                p99.Add(times[requests * 99 / 100]);
            }

            return [Series.Of(p50), Series.Of(p99)];
        }
    }

    private static async Task<string> MakeAsync(ClusterHost host, string name, string role, string filter, string? token)
    {
        var body = new JsonObject { ["name"] = name, ["role"] = role, ["filter"] = filter };
        return (string)JsonNode.Parse(await host.PostAsync("/api/v1/tokens", body.ToJsonString(), token))!["token"]!;
    }
}
