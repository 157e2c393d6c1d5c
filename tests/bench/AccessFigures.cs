using System.Diagnostics;
using System.Globalization;
using System.Text.Json.Nodes;

namespace Dts.Bench;

/// <summary>
/// What it costs to know who asks: requests one after the other, of a master that asks nobody and then of the same master with tokens.
/// <c>make bench ARGS=access</c>
/// </summary>
internal static class AccessFigures
{
    private const int Requests = 5000;
    private const int Rounds = 5;
    private const int Tokens = 1000;
    private const string Path = "/api/v1/workers";

    public static async Task RunAsync()
    {
        Console.WriteLine($"{Environment.ProcessorCount} cores, {DateTimeOffset.UtcNow:yyyy-MM-dd HH:mm} UTC\n");
        using var host = await ClusterHost.StartAsync();
        await host.StartMasterAsync();
        await MeasureAsync(host, null); // The first ones pay for what is loaded with them.
        var open = await MeasureAsync(host, null);
        var admin = await MakeAsync(host, "admin", "admin", "", null);
        for (var n = 0; n < Tokens; n++)
        {
            await MakeAsync(host, $"token-{n}", "viewer", "", admin);
        }

        var limited = await MakeAsync(host, "limited", "viewer", "label:team=pay", admin);
        await MeasureAsync(host, admin);
        Console.WriteLine("| GET /api/v1/workers | p50, ms | p99, ms |\n|---|--:|--:|");
        Print("unchecked", open);
        Print($"checked, one of {Tokens:N0} tokens", await MeasureAsync(host, admin));
        Print("checked, a limited token", await MeasureAsync(host, limited));
    }

    private static void Print(string what, (double P50, double P99) times) =>
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"| {what} | {times.P50:F3} | {times.P99:F3} |"));

    /// <summary>The quickest of some rounds: others use this machine, too.</summary>
    private static async Task<(double P50, double P99)> MeasureAsync(ClusterHost host, string? token)
    {
        List<(double P50, double P99)> rounds = [];
        for (var round = 0; round < Rounds; round++)
        {
            var times = new double[Requests];
            for (var n = 0; n < Requests; n++)
            {
                var begun = Stopwatch.GetTimestamp();
                await host.GetAsync(Path, token);
                times[n] = Stopwatch.GetElapsedTime(begun).TotalMilliseconds;
            }

            Array.Sort(times);
            rounds.Add((times[Requests / 2], times[Requests * 99 / 100]));
        }

        return rounds.Min();
    }

    private static async Task<string> MakeAsync(ClusterHost host, string name, string role, string filter, string? token)
    {
        var body = new JsonObject { ["name"] = name, ["role"] = role, ["filter"] = filter };
        return (string)JsonNode.Parse(await host.PostAsync("/api/v1/tokens", body.ToJsonString(), token))!["token"]!;
    }
}
