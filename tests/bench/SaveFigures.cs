using System.Globalization;
using System.Text.Json.Nodes;

namespace Dts.Bench;

/// <summary>How many jobs a second a master saves. <c>make bench ARGS=saves</c></summary>
internal static class SaveFigures
{
    private const int Clients = 16;
    private const double OfPuts = 0.3;
    private const string Notes =
        """
        A save is one request to a master for a new job; it puts the job, its cursor, its history and its version in one transaction, and
        the version moves on to the log store. An apply is one request with all the jobs. A put is one small key.
        """;

    private static int s_saved;

    public static async Task<Findings> MeasureAsync(Effort effort)
    {
        using var host = await ClusterHost.StartAsync();
        var (worker, _) = await host.StartWorkerAsync("w1");
        host.End(worker); // It has made the log's file, which the versions move to.
        await host.StartMasterAsync();
        using var etcd = host.ConnectEtcd();
        using var http = new HttpClient { BaseAddress = host.Address };
        var time = TimeSpan.FromSeconds(effort.Of(1.5, 0.2));
        var set = effort.Of(10_000, 100);
        var applied = 0;
        await Callers.RunAsync(Clients, time, _ => SaveAsync(http)); // The first ones pay for what is loaded with them.
        var paces = await Callers.TakeTurnsAsync(
            effort.Rounds,
            () => Callers.RunAsync(1, time, PutAsync),
            () => Callers.RunAsync(1, time, _ => SaveAsync(http)),
            () => Callers.RunAsync(Clients, time, PutAsync),
            () => Callers.RunAsync(Clients, time, _ => SaveAsync(http)),
            async () => (await Callers.RunAsync(1, calls: 1, _ => ApplyAsync(host, $"set-{applied++}", set))).Times(set));
        Series[] rates = [.. paces.Select(way => Series.Of(way.Select(pace => pace.PerSecond)))];

        return new Findings(
            [
                new Figure("saves/s, one client", rates[1]).Beside("puts", rates[0]).Should(Bound.AtLeastTimes(OfPuts)),
                new Figure($"saves/s, {Clients} clients", rates[3])
                    .Beside($"puts by {Clients}", rates[2]).Should(Bound.AtLeastTimes(OfPuts)),
                new Figure($"apply of {set:N0} new jobs, jobs/s", rates[4])
                    .Beside($"puts by {Clients}", rates[2]).Should(Bound.AtLeastTimes(OfPuts)),
            ],
            Notes);

        Task PutAsync(int n) => etcd.PutAsync($"/puts/{Text(n)}", JobOf($"put-{n}"));
    }

    private static async Task SaveAsync(HttpClient http)
    {
        var job = JobOf($"save-{Text(Interlocked.Increment(ref s_saved))}");
        using var form = new FormUrlEncodedContent([new("job", job)]);
        using var response = await http.PostAsync(new Uri("/job/save", UriKind.Relative), form);
        var answer = await response.Content.ReadAsStringAsync();
        if ((int)JsonNode.Parse(answer)!["errno"]! != 0)
        {
            throw new InvalidOperationException(answer);
        }
    }

    private static async Task ApplyAsync(ClusterHost host, string name, int jobs) => await host.PostAsync(
        "/api/v1/apply", string.Join('\n', Enumerable.Range(0, jobs).Select(n => JobOf($"{name}-{Text(n)}"))));

    private static string JobOf(string name) => $$"""{"name":"{{name}}","command":"true","cronExpr":"0 0 1 1 *"}""";

    private static string Text(int number) => number.ToString(CultureInfo.InvariantCulture);
}
