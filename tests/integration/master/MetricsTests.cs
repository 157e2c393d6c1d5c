using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using System.Text.RegularExpressions;
using Dts.Common.Jobs;
using Dts.Common.Metrics;
using Dts.Tests.Support;
using Xunit;

namespace Dts.Tests.Integration.Master;

/// <summary>What Prometheus reads, judged by Prometheus' own tool.</summary>
public sealed partial class MetricsTests(MasterProcess master) : IClassFixture<MasterProcess>
{
    [Fact]
    public async Task Promtool_finds_no_fault_in_the_metrics()
    {
        var text = await ReadAsync();

        Assert.Equal("", await PromtoolAsync(text, "check", "metrics"));
        Assert.Contains("\ndts_jobs{state=\"new\"} 1\n", text);
        Assert.Contains("\ndts_runs_total{worker=\"w1\",status=\"failed\"} 2\n", text);
        Assert.Contains("\ndts_run_start_lag_seconds_count{worker=\"w1\"} 14\n", text);
    }

    [Fact]
    public async Task Promtool_finds_no_fault_in_the_alert_rules()
    {
        var said = await Tool.RunAsync("promtool", "check", "rules", Tool.InRepository("../docs/alert-rules.yaml"));

        Assert.Matches("SUCCESS: [0-9]+ rules found", said);
    }

    [Fact]
    public async Task The_documents_list_exactly_the_existing_metrics()
    {
        var text = await ReadAsync();
        var there = Types().Matches(text).ToDictionary(match => match.Groups[1].Value, match => match.Groups[2].Value);

        var documented = Rows().Matches(File.ReadAllText(Tool.InRepository("../docs/metrics.md")))
            .ToDictionary(match => match.Groups[1].Value, match => match.Groups[2].Value);
        Assert.Equal(there.OrderBy(type => type.Key), documented.OrderBy(type => type.Key));
        foreach (var document in (string[])["../docs/alert-rules.yaml", "../docs/grafana-dashboard.json"])
        {
            var asked = Names().Matches(File.ReadAllText(Tool.InRepository(document))).Select(match => match.Value);
            Assert.All(asked, name => Assert.Contains(there.ContainsKey(name) ? name : Suffix().Replace(name, ""), there.Keys));
        }
    }

    [Fact]
    public void The_dashboard_is_json() =>
        Assert.NotEmpty(JsonDocument.Parse(File.ReadAllText(Tool.InRepository("../docs/grafana-dashboard.json")))
            .RootElement.GetProperty("panels").EnumerateArray());

    private async Task<string> ReadAsync()
    {
        await master.Etcd.PutAsync(master.Keys.Job(JobName.Parse("hello")), JobJson.ToJson(Some.Job()));
        var registration = new WorkerRegistration(
            "h\"1",
            "10.0.0.1",
            "1",
            new ProcessIdentity("b", 1, 1),
            4,
            DateTimeOffset.UtcNow,
            Figures: new WorkerFigures(
                new Dictionary<string, long> { ["failed"] = 2 }, Of(Bounds.Lag), Of(Bounds.Run), Of(Bounds.Call), Of(Bounds.Call)));
        await master.Etcd.PutAsync(
            master.Keys.Worker("w1"), JsonSerializer.Serialize(registration, JobsJson.Readable.WorkerRegistration));
        var text = "";
        await Patience.Until(
            () => (text = master.Http.GetStringAsync("/metrics").Result).Contains("state=\"new\"} 1\n", StringComparison.Ordinal)
                && text.Contains("worker=\"w1\"", StringComparison.Ordinal)
                && text.Contains("dts_store_call_duration_seconds", StringComparison.Ordinal),
            () => text);
        return text;

        static Counted Of(double[] bounds) => new([.. bounds.Select(_ => 1L), 1], 1.5);
    }

    private static async Task<string> PromtoolAsync(string input, params string[] arguments)
    {
        var start = new ProcessStartInfo("promtool", arguments)
        {
            RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true,
        };
        using var process = Process.Start(start)!;
        var (output, error) = (process.StandardOutput.ReadToEndAsync(), process.StandardError.ReadToEndAsync());
        await process.StandardInput.WriteAsync(input);
        process.StandardInput.Close();
        await process.WaitForExitAsync().WaitAsync(Patience.Limit);
        return $"{await output}{await error}{(process.ExitCode == 0 ? "" : process.ExitCode.ToString(CultureInfo.InvariantCulture))}";
    }

    [GeneratedRegex("^# TYPE (\\w+) (\\w+)$", RegexOptions.Multiline)]
    private static partial Regex Types();

    [GeneratedRegex("^\\| `(dts_\\w+)` \\| (\\w+) \\|", RegexOptions.Multiline)]
    private static partial Regex Rows();

    [GeneratedRegex("\\bdts_\\w+")]
    private static partial Regex Names();

    [GeneratedRegex("_(bucket|sum|count)$")]
    private static partial Regex Suffix();
}
