using System.Diagnostics;
using System.Text.Json.Nodes;
using Dts.Common.Jobs;
using Dts.Tests.Support;
using Xunit;

namespace Dts.Tests.Integration.Master;

/// <summary>The ledger over HTTP and as a command, of one master and its store.</summary>
public sealed class LedgerTests(MasterProcess master) : IClassFixture<MasterProcess>, IDisposable
{
    private readonly ScratchFolder _scratch = new();
    private readonly string _name = $"job-{Guid.NewGuid():N}";

    public void Dispose() => _scratch.Dispose();

    [Fact]
    public async Task A_mistyped_log_file_is_named_and_not_created()
    {
        await SaveAsync();
        var file = _scratch.File("mistyped/log.db");

        var (exitCode, said, error) = await RunAsync("--job", _name, "--logFile", file);

        Assert.Equal((2, ""), (exitCode, said));
        Assert.Equal($"log file {file}: there is no such file; expected the file that the workers of this host write\n", error);
        Assert.False(Directory.Exists(_scratch.File("mistyped")));
    }

    [Fact]
    public async Task An_existing_log_file_is_read_and_not_changed()
    {
        await SaveAsync();
        var file = master.LogFile;
        await master.LogStore.WriteAsync([Some.Record(0, _name)], CancellationToken.None);
        var before = Directory.GetFiles(Path.GetDirectoryName(file)!).Order();

        var (exitCode, said, error) = await RunAsync("--job", _name, "--logFile", file, "--from", "2000-01-01", "--to", "2000-01-02");

        Assert.Equal((0, "0 planned, 0 with one ending, 0 without or with two\n", ""), (exitCode, said, error));
        Assert.Equal(before, Directory.GetFiles(Path.GetDirectoryName(file)!).Order());
    }

    [Fact]
    public async Task An_unknown_job_is_an_error()
    {
        var (exitCode, said, error) = await RunAsync("--job", _name, "--logFile", master.LogFile);

        Assert.Equal((2, ""), (exitCode, said));
        Assert.Equal($"name \"{_name}\" is not a job; expected a saved job, or one deleted less than a day ago\n", error);
        Assert.Equal(error.TrimEnd(), (string?)(await AskAsync(""))["detail"]);
    }

    [Fact]
    public async Task It_prints_its_usage()
    {
        var (exitCode, said, _) = await RunAsync("--help");

        Assert.Equal(0, exitCode);
        Assert.Contains("dts-master ledger --job NAME", said);
        Assert.Contains("exit code 0", said);
    }

    [Theory]
    [InlineData("from=03/04/2026", "from is \"03/04/2026\"; expected a time such as 2026-11-22T10:00:00Z, or a date such as 2026-11-22")]
    [InlineData("from=13:00",      "from is \"13:00\"; expected a time such as 2026-11-22T10:00:00Z, or a date such as 2026-11-22")]
    [InlineData("to=tomorrow",     "to is \"tomorrow\"; expected a time such as 2026-11-22T10:00:00Z, or a date such as 2026-11-22")]
    [InlineData("to=9999-12-31",   "to is 9999-12-31T00:00:00Z; expected a time from 1970-01-01T00:00:00Z to 2099-12-31T23:59:59Z")]
    [InlineData("to=0001-01-01",   "to is 0001-01-01T00:00:00Z; expected a time from 1970-01-01T00:00:00Z to 2099-12-31T23:59:59Z")]
    [InlineData("from=1066-10-14", "from is 1066-10-14T00:00:00Z; expected a time from 1970-01-01T00:00:00Z to 2099-12-31T23:59:59Z")]
    [InlineData("from=2026-03-02&to=2026-03-01", "from is 2026-03-02T00:00:00Z; expected a time before to, which is 2026-03-01T00:00:00Z")]
    public async Task A_time_without_a_date_or_outside_the_years_of_schedules_is_refused(string query, string expected)
    {
        await SaveAsync();

        Assert.Equal(expected, (string?)(await AskAsync($"?{query}"))["detail"]);
    }

    [Theory]
    [InlineData("2026-11-22")]
    [InlineData("2026-11-22T00:00Z")]
    [InlineData("2026-11-22T00:00:00Z")]
    [InlineData("2026-11-22T00:00:00")]
    [InlineData("2026-11-22T01:00:00%2B01:00")]
    [InlineData("2026-11-22T00:00:00.0000000%2B00:00")]
    [InlineData("2026-11-21T19:00:00.000-05:00")]
    public async Task A_time_has_a_form_of_RFC_3339_and_is_UTC_without_a_zone(string from)
    {
        await master.Etcd.PutAsync(master.Keys.Job(JobName.Parse(_name)), JobJson.ToJson(Some.Job(_name, "0 0 * * *")));

        var lines = (await AskAsync($"?from={from}&to=2026-11-22T00:00:01Z"))["lines"]!.AsArray();

        Assert.Equal("2026-11-22T00:00:00Z", (string?)Assert.Single(lines)!["planTime"]);
    }

    [Theory]
    [InlineData("03/04/2026")]
    [InlineData("13:00")]
    public async Task The_log_is_searched_by_times_with_dates_only(string from)
    {
        var answer = await GetAsync($"/api/v1/log?from={from}");

        Assert.Equal(
            $"from is \"{from}\"; expected a time such as 2026-11-22T10:00:00Z, or a date such as 2026-11-22", (string?)answer["detail"]);
    }

    [Fact]
    public async Task Plan_times_to_come_are_listed_and_are_not_faults()
    {
        await SaveAsync();
        await master.LogStore.WriteAsync([], CancellationToken.None); // A worker makes the file.
        var (now, day) = (DateTimeOffset.UtcNow, TimeSpan.FromDays(1));

        var lines = (await AskAsync($"?from={now + day:yyyy-MM-dd}&to={now + (day * 3):yyyy-MM-dd}"))["lines"]!.AsArray();
        var (exitCode, said, _) = await RunAsync(
            "--job", _name, "--logFile", master.LogFile, "--from", $"{now + day:yyyy-MM-dd}", "--to", $"{now + (day * 3):yyyy-MM-dd}");

        Assert.Equal(["to come", "to come"], lines.Select(line => (string?)line!["note"]));
        Assert.All(lines, line => Assert.Equal("", (string?)line!["fault"]));
        Assert.Equal(0, exitCode);
        Assert.EndsWith("0 planned, 0 with one ending, 0 without or with two; 2 to come\n", said);
    }

    private async Task SaveAsync() => await master.Http.PostAsync(
        "/job/save", new FormUrlEncodedContent([new("job", $$"""{"name":"{{_name}}","command":"true","cronExpr":"0 0 * * *"}""")]));

    private Task<JsonNode> AskAsync(string query) => GetAsync($"/api/v1/jobs/{_name}/ledger{query}");

    private async Task<JsonNode> GetAsync(string path)
    {
        using var answer = await master.Http.GetAsync(path);
        return JsonNode.Parse(await answer.Content.ReadAsStringAsync())!;
    }

    private async Task<(int ExitCode, string Said, string Error)> RunAsync(params string[] arguments)
    {
        var start = new ProcessStartInfo(
            Path.Combine(AppContext.BaseDirectory, "dts-master"),
            [
                "ledger",
                .. arguments,
                .. arguments is ["--help"] ? Array.Empty<string>() : ["--etcdEndpoints", master.Server.Endpoint.Authority],
            ])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            WorkingDirectory = _scratch.Path,
        };
        using var process = Process.Start(start)!;
        var (said, error) = (process.StandardOutput.ReadToEndAsync(), process.StandardError.ReadToEndAsync());
        await process.WaitForExitAsync().WaitAsync(Patience.Limit);
        return (process.ExitCode, await said, await error);
    }
}
