using System.Diagnostics;
using System.Text.Json;
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
        Assert.Matches(@"--from <from> +The start of the span", said);
        Assert.Matches(@"--etcdEndpoints <etcdEndpoints> +A setting of the master \[default: 127.0.0.1:2379\]", said);
    }

    [Fact]
    public async Task A_setting_without_job_is_refused_rather_than_ignored()
    {
        var (exitCode, _, error) = await RunAsync(_name, "--logFile", master.LogFile);

        Assert.Equal(64, exitCode);
        Assert.Contains("--logFile needs --job, which reads etcd and the log; expected --url to ask a master\n", error);
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
    [InlineData("2026-11-22t00:00:00z")]
    [InlineData("2026-11-22T00:00:00.000000099Z")]
    [InlineData("2026-11-22t01:00:00.000000012345%2B01:00")]
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
        var answer = await GetAsync($"/api/v1/runs?from={from}");

        Assert.Equal(
            $"from is \"{from}\"; expected a time such as 2026-11-22T10:00:00Z, or a date such as 2026-11-22", (string?)answer["detail"]);
    }

    [Fact]
    public async Task Plan_times_to_come_are_listed_and_are_not_faults()
    {
        await SaveAsync();
        await master.LogStore.WriteAsync([], CancellationToken.None); // A worker makes the file.
        var now = DateTimeOffset.UtcNow;
        var (from, to) = ($"{now.AddDays(2):yyyy-MM-dd}", $"{now.AddDays(4):yyyy-MM-dd}"); // Not tomorrow: it may begin any moment.

        var lines = (await AskAsync($"?from={from}&to={to}"))["lines"]!.AsArray();
        var (exitCode, said, _) = await RunAsync("--job", _name, "--logFile", master.LogFile, "--from", from, "--to", to);

        Assert.Equal(["to come", "to come"], lines.Select(line => (string?)line!["note"]));
        Assert.All(lines, line => Assert.Equal("", (string?)line!["fault"]));
        Assert.Equal(0, exitCode);
        Assert.EndsWith("0 planned, 0 with one ending, 0 without or with two; 2 to come\n", said);
    }

    [Fact]
    public async Task A_page_goes_on_where_the_one_before_it_ended()
    {
        await PutAsync(_name, "0 * * * * *");
        List<string?> seen = [];
        for (string? next = null; ;)
        {
            var page = await AskAsync($"?from=2026-11-22&to=2026-11-22T00:05:00Z&limit=2{(next is null ? "" : $"&after={next}")}");
            seen.AddRange(page["lines"]!.AsArray().Select(line => ((string?)line!["planTime"])?[11..16]));
            Assert.InRange(page["lines"]!.AsArray().Count, 1, 2);
            next = (string?)page["next"];
            if (next is null)
            {
                break;
            }
        }

        Assert.Equal(["00:00", "00:01", "00:02", "00:03", "00:04"], seen);
    }

    [Fact]
    public async Task A_line_has_its_ending_reason_and_worker_and_a_run_in_flight_is_no_fault()
    {
        await PutAsync(_name, "0 * * * * *");
        await master.LogStore.WriteAsync(
            [Some.Record(0, _name, RunStatus.Failed) with { Err = "exit code 3", Worker = "w2" }], CancellationToken.None);
        var (name, run) = (JobName.Parse(_name), RunSpec.Scheduled(Some.Now.AddMinutes(1)));
        var inFlight = new ClaimedRun("w1", "1", Some.Now, run);
        await master.Etcd.PutAsync(master.Keys.Run(name, run.Id), JsonSerializer.Serialize(inFlight, JobsJson.Readable.ClaimedRun));

        var lines = (await AskAsync("?from=2026-11-22T10:00:00Z&to=2026-11-22T10:02:00Z"))["lines"]!.AsArray();
        var (exitCode, said, _) = await RunAsync(
            "--job", _name, "--logFile", master.LogFile, "--from", "2026-11-22T10:00:00Z", "--to", "2026-11-22T10:02:00Z");
        await master.Etcd.DeleteAsync(master.Keys.Run(name, run.Id));
        var after = (await AskAsync("?from=2026-11-22T10:01:00Z&to=2026-11-22T10:02:00Z"))["lines"]!.AsArray();

        Assert.Equal(
            [("failed", "exit code 3", "worker", "w2", ""), ("running", "runs on w1", "worker", "w1", "")],
            lines.Select(line => Fields(line!)));
        Assert.Equal($"{run.Id}", (string?)lines[1]!["live"]!["runId"]);
        Assert.Equal(0, exitCode);
        Assert.EndsWith("2026-11-22T10:01:00Z  runs on w1\n1 planned, 1 with one ending, 0 without or with two\n", said);
        Assert.Equal(("unknown", "no worker has dealt with it", "", "", "no ending"), Fields(Assert.Single(after)!));

        static (string?, string?, string?, string?, string?) Fields(JsonNode line) => (
            (string?)line["ending"], (string?)line["reason"], (string?)line["decidedBy"], (string?)line["worker"], (string?)line["fault"]);
    }

    [Fact]
    public async Task The_ledger_of_all_jobs_has_only_the_faults_page_by_page()
    {
        var (hole, two, well, foreign, many) = ($"{_name}-1", $"{_name}-2", $"{_name}-3 备份", $"{_name}-4", $"{_name}-5");
        foreach (var name in new[] { hole, two, well, many })
        {
            await PutAsync(name, "0 * * * * *");
            await HistoryAsync(name);
        }

        await PutAsync(foreign, "0 * * * * *"); // By hand: nothing is known of its past.
        await master.Etcd.PutAsync($"{master.Keys.Jobs}{_name}-not JSON", "not JSON");
        var summary = Some.Record(2, two, RunStatus.Missed) with
        {
            MissedCount = 2, MissedSince = Some.Now.ToUnixTimeMilliseconds(), ExpireAt = DateTimeOffset.MaxValue,
        };
        await master.LogStore.WriteAsync(
            [
                Some.Record(0, hole), Some.Record(2, hole),
                Some.Record(0, two), Some.Record(1, two), summary,
                .. Enumerable.Range(0, 3).Select(n => Some.Record(n, well)),
                Some.Record(1, foreign), Some.Record(2, foreign),
                .. Enumerable.Range(0, 3).Select(n => Some.Record(n, many, n == 1 ? RunStatus.Lost : RunStatus.Succeeded)),
            ],
            CancellationToken.None);

        Assert.Equal([$"{hole} 10:01 no ending", $"{two} 10:01 two endings"], await WrongAsync(""));
        Assert.Equal(
            [$"{hole} 10:01 no ending", $"{two} 10:01 two endings", $"{two} 10:02 ", $"{many} 10:01 "],
            await WrongAsync("&endings=missed,lost"));
        Assert.Equal(
            "endings is \"lots\"; expected one of succeeded, failed, timedOut, killed, cancelled, skipped, missed, lost",
            (string?)(await GetAsync("/api/v1/ledger?endings=lots"))["detail"]);
        Assert.Equal(
            "after is \"x\"; expected the \"next\" of the page before",
            (string?)(await GetAsync("/api/v1/ledger?after=x"))["detail"]);

        async Task<List<string>> WrongAsync(string more)
        {
            List<string> wrong = [];
            for (var after = ""; ;)
            {
                var page = await GetAsync($"/api/v1/ledger?from=2026-11-22T10:00:00Z&to=2026-11-22T10:03:00Z{more}{after}");
                wrong.AddRange(page["wrong"]!.AsArray()
                    .Where(fire => ((string)fire!["jobName"]!).StartsWith(_name, StringComparison.Ordinal))
                    .Select(fire => $"{fire!["jobName"]} {((string)fire["fire"]!["planTime"]!)[11..16]} {fire["fire"]!["fault"]}"));
                if (page["next"] is not { } next)
                {
                    return wrong;
                }

                after = $"&after={next}";
            }
        }
    }

    [Fact]
    public async Task A_deleted_job_is_in_the_ledger_of_all_jobs_as_long_as_it_is_known()
    {
        var name = $"{_name}-deleted";
        await HistoryAsync(name);

        var page = await GetAsync("/api/v1/ledger?from=2026-11-22T10:00:00Z&to=2026-11-22T10:01:00Z");

        Assert.Contains(page["wrong"]!.AsArray(), fire => (string?)fire!["jobName"] == name);
    }

    [Fact]
    public async Task The_ledger_of_all_jobs_is_read_in_bounded_pages()
    {
        var name = $"{_name}-each-second";
        await PutAsync(name, "* * * * * *");
        await HistoryAsync(name, "* * * * * *");

        var page = await GetAsync("/api/v1/ledger?from=2026-11-22&to=2026-11-23");

        Assert.True(page["wrong"]!.AsArray().Count <= 2000, page.ToJsonString()[..200]);
        Assert.NotNull((string?)page["next"]);
    }

    private async Task PutAsync(string name, string cronExpr) =>
        await master.Etcd.PutAsync(master.Keys.Job(JobName.Parse(name)), JobJson.ToJson(Some.Job(name, cronExpr)));

    private async Task HistoryAsync(string name, string cronExpr = "0 * * * * *") => await master.Etcd.PutAsync(
        master.Keys.History(JobName.Parse(name)),
        JsonSerializer.Serialize(
            [new ScheduleChange(Some.Now.AddDays(-2), cronExpr, "")], JobsJson.Readable.IReadOnlyListScheduleChange));

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
