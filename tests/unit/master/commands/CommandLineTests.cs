using System.Diagnostics;
using System.Text;
using Dts.Master.Commands;
using Dts.Tests.Support;
using Xunit;

namespace Dts.Tests.Unit.Master.Commands;

public sealed class CommandLineTests : IAsyncLifetime
{
    private const string Job = """{"name":"a","command":"x","cronExpr":"@daily"}""";

    private readonly ScratchFolder _scratch = new();
    private readonly Dictionary<string, string> _environment = [];
    private FakeApi _api = null!;
    private string _input = "";

    public async ValueTask InitializeAsync()
    {
        _api = await FakeApi.StartAsync();
        _environment["DTS_URL"] = _api.Url;
        await File.WriteAllTextAsync(_scratch.File("job"), Job);
    }

    public async ValueTask DisposeAsync()
    {
        await _api.DisposeAsync();
        _scratch.Dispose();
    }

    [Theory]
    [InlineData("ls",                                     "GET /api/v1/jobs?sort=name&limit=100")]
    [InlineData("ls state:failing team=pay -n 5 --sort -last", "GET /api/v1/jobs?filter=state%3Afailing%20team%3Dpay&sort=-last&limit=5")]
    [InlineData("get a/b",                                "GET /api/v1/jobs/a%2Fb")]
    [InlineData("save FILE",                              "PUT /api/v1/jobs/a")]
    [InlineData("save FILE --create --dry-run --lenient", "PUT /api/v1/jobs/a?lenient=true&dryRun=true if *")]
    [InlineData("save FILE --if-match 7",                 "PUT /api/v1/jobs/a if \"7\"")]
    [InlineData("pause a",                                "POST /api/v1/jobs/a/pause")]
    [InlineData("resume a",                               "POST /api/v1/jobs/a/resume")]
    [InlineData("next --expr @daily --zone UTC -n 3",     "GET /api/v1/schedule/preview?expr=%40daily&zone=UTC&n=3")]
    [InlineData("run a",                                  "POST /api/v1/jobs/a/run {}")]
    [InlineData("run a --worker w1 -e A=1 -e B=x=y",
        "POST /api/v1/jobs/a/run {\"worker\":\"w1\",\"env\":{\"A\":\"1\",\"B\":\"x=y\"}}")]
    [InlineData("run @a",                                 "POST /api/v1/jobs/%40a/run {}")]
    [InlineData("kill a --run r1 --reason stuck",         "POST /api/v1/jobs/a/kill {\"runId\":\"r1\",\"reason\":\"stuck\"}")]
    [InlineData("logs a r1",                              "GET /api/v1/runs/a/r1/output")]
    [InlineData("ledger a --from 2026-11-22",             "GET /api/v1/jobs/a/ledger?from=2026-11-22")]
    [InlineData("import FILE --dry-run -l a=b -l c=d",    "POST /api/v1/import?dryRun=true&label=a%3Db&label=c%3Dd")]
    [InlineData("import FILE --format user --user u --prefix p --paused --replace",
        "POST /api/v1/import?format=user&user=u&prefix=p&paused=true&replace=true")]
    [InlineData("apply FILE --prune label:a=b",           "POST /api/v1/apply?prune=label%3Aa%3Db")]
    [InlineData("export --format yaml -l a=b",            "GET /api/v1/export?format=yaml&label=a%3Db")]
    public async Task Each_command_sends_its_request(string command, string request)
    {
        var (code, _, error) = await RunAsync(command);

        Assert.True(code == 0, error);
        var (line, body, _, _) = Assert.Single(_api.Requests);
        Assert.Equal(request, request.EndsWith('}') ? $"{line} {body}" : line);
    }

    [Theory]
    [InlineData("get",                  "Required argument missing")]
    [InlineData("get a b",              "Unrecognized command or argument 'b'")]
    [InlineData("ls --limit x",         "Cannot parse argument 'x'")]
    [InlineData("export --format xml",  "Argument 'xml' not recognized")]
    [InlineData("run a -e x",           "--env is \"x\"; expected NAME=VALUE")]
    [InlineData("next",                 "next needs either a job or --expr")]
    [InlineData("ls --url nonsense",    "--url is \"nonsense\"; expected a URL")]
    [InlineData("ls --token-file /there/is/none", "--token-file /there/is/none cannot be read: there is no such file")]
    [InlineData("user list --json",     "--json is for commands that ask a master; expected --config")]
    [InlineData("token create",         "dts-master token create --help lists what is expected")]
    public async Task A_wrong_call_exits_with_64(string command, string said)
    {
        var (code, output, error) = await RunAsync(command);

        Assert.Equal((ExitCodes.Usage, ""), (code, output));
        Assert.Contains(said, error, StringComparison.Ordinal);
        Assert.Empty(_api.Requests);
    }

    [Theory]
    [InlineData("save /usr",                 "/usr cannot be read: it is a folder")]
    [InlineData("save /there/is/none",       "/there/is/none cannot be read: there is no such file")]
    [InlineData("apply /usr/none",           "/usr/none cannot be read: there is no such file")]
    [InlineData("import /usr",               "/usr cannot be read: it is a folder")]
    public async Task A_file_that_cannot_be_read_is_named_with_the_cause_in_one_line(string command, string said)
    {
        Assert.Equal((ExitCodes.Refused, "", $"{said}\n"), await RunAsync(command));
        Assert.Empty(_api.Requests);
    }

    [Fact]
    public async Task The_detail_of_a_problem_goes_to_stderr_and_the_exit_code_is_2()
    {
        _api.Answer("""{"type":"urn:dts:not-found","detail":"name \"x\" is not a job\u001b[1m"}""", 404, "application/problem+json");

        Assert.Equal((2, "", "name \"x\" is not a job␛[1m\n"), await RunAsync("get x"));
    }

    [Theory]
    [InlineData("<html>",     502, "answered 502 Bad Gateway to /api/v1/jobs/x")]
    [InlineData("<html>",     200, "did not answer with JSON: is it a master of DTS?")]
    [InlineData("",           301, "answered 301 Moved Permanently")]
    public async Task An_answer_that_is_not_from_a_master_is_reported_as_such(string body, int status, string said)
    {
        _api.Answer(body, status, "text/html");

        var (code, output, error) = await RunAsync("get x");

        Assert.Equal((2, ""), (code, output));
        Assert.Contains(said, error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_master_that_cannot_be_reached_is_named()
    {
        var (code, _, error) = await RunAsync("ls --url http://127.0.0.1:1");

        Assert.Equal(2, code);
        Assert.StartsWith("http://127.0.0.1:1/ cannot be reached: ", error, StringComparison.Ordinal);
        Assert.Equal(1, error.Count(letter => letter == '\n'));
    }

    [Fact]
    public async Task The_token_comes_from_the_environment_or_a_file()
    {
        await RunAsync("get a");
        _environment["DTS_TOKEN"] = "from-environment";
        await RunAsync("get a");
        await File.WriteAllTextAsync(_scratch.File("token"), "from-file\n");
        await RunAsync($"get a --token-file {_scratch.File("token")}");

        Assert.Equal(["", "Bearer from-environment", "Bearer from-file"], _api.Requests.Select(request => request.Token));
    }

    [Theory]
    [InlineData("succeeded", 0)]
    [InlineData("failed",    1)]
    [InlineData("killed",    1)]
    public async Task With_wait_the_runs_status_decides_the_exit_code(string status, int expected)
    {
        _api.Answer($$"""{"_id":"a/r1","status":"{{status}}","output":"hello\n","err":""}""");

        Assert.Equal((expected, "hello\n", $"a {status}\n"), await RunAsync("run a --wait"));
    }

    [Fact]
    public async Task A_long_wait_repeats_the_request_with_the_same_key_so_that_the_job_runs_once()
    {
        const string accepted = """{"jobName":"a","runId":"r1"}""";
        _api.Answer(accepted, 202).Answer(accepted, 202).Answer("""{"status":"succeeded"}""");

        var (code, _, _) = await RunAsync("run a --wait");

        Assert.Equal(0, code);
        Assert.Equal(3, _api.Requests.Count);
        Assert.StartsWith("dts-master-", Assert.Single(_api.Requests.Select(request => request.Key).Distinct()), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_wait_that_times_out_exits_with_1_and_names_the_run()
    {
        _api.Answer("""{"jobName":"a","runId":"r1"}""", 202);

        Assert.Equal((1, "r1\n", "a has not ended after 5 s; it goes on as run r1\n"), await RunAsync("run a --wait --timeout 5"));
        Assert.Equal(["POST /api/v1/jobs/a/run", "POST /api/v1/jobs/a/run?wait=5"], _api.Requests.Select(request => request.Line));
    }

    [Fact]
    public async Task A_wait_goes_on_while_the_master_is_away()
    {
        _api.Answer("""{"jobName":"a","runId":"r1"}""", 202).Answer("{}", 503).Answer("""{"status":"succeeded"}""");

        Assert.Equal(0, (await RunAsync("run a --wait")).Code);
        Assert.Equal(3, _api.Requests.Count);
        Assert.Single(_api.Requests.Select(request => request.Key).Distinct());
    }

    [Fact]
    public async Task A_word_that_is_no_command_is_wrong_usage()
    {
        var (code, _, err) = await RunAsync("foo");

        Assert.Equal(64, code);
        Assert.EndsWith("'foo'.\ndts-master --help lists what is expected\n", err, StringComparison.Ordinal);
        Assert.True(CommandLine.Has(["foo"]));
    }

    [Fact]
    public async Task An_empty_run_id_does_not_kill_all_runs()
    {
        var (code, _, err) = await RunAsync(["kill", "a", "--run", ""]);

        Assert.Equal(64, code);
        Assert.Contains("--run is \"\"; expected a run's id; without --run all runs of the job are killed", err, StringComparison.Ordinal);
        Assert.Empty(_api.Requests);
    }

    [Fact]
    public async Task A_terminal_shows_control_characters_of_an_output_as_symbols()
    {
        _api.Answer("a\tb\n\u001b[31mred\u0007\r\n", type: "application/octet-stream");

        Assert.Equal("a\tb\n␛[31mred␇␍\n", (await RunAsync("logs a r1", isTerminal: true)).Output);
        Assert.Equal("a\tb\n\u001b[31mred\u0007\r\n", (await RunAsync("logs a r1 --raw", isTerminal: true)).Output);
        Assert.Equal("a\tb\n\u001b[31mred\u0007\r\n", (await RunAsync("logs a r1")).Output);
    }

    [Fact]
    public async Task A_followed_output_ends_with_the_run()
    {
        _api.Answer(
            ": following\n\nid: 6\ndata: {\"offset\":0,\"bytes\":6,\"text\":\"hello\\n\"}\n\n"
                + "id: 8\ndata: {\"offset\":6,\"bytes\":2,\"base64\":\"aQo=\"}\n\n",
            type: "text/event-stream");
        _api.Answer("event: end\ndata: succeeded; 8 bytes written\n\n", type: "text/event-stream");

        Assert.Equal((0, "hello\ni\n", "succeeded; 8 bytes written\n"), await RunAsync("logs a r1 -f"));
        Assert.Equal(
            ["GET /api/v1/runs/a/r1/output?follow=true&offset=0", "GET /api/v1/runs/a/r1/output?follow=true&offset=8"],
            _api.Requests.Select(request => request.Line));
    }

    [Fact]
    public async Task A_followed_output_resumes_after_an_outage_of_the_master_or_the_store()
    {
        const string type = "text/event-stream";
        _api.Answer("id: 2\ndata: {\"text\":\"a\\n\"}\n\n", type: type).Answer("{}", 503);
        _api.Answer("event: error\ndata: the log store is away\n\n", type: type).Answer("", type: "application/octet-stream");
        _api.Answer("id: 4\ndata: {\"text\":\"b\\n\"}\n\nevent: end\ndata: succeeded\n\n", type: type);

        Assert.Equal((0, "a\nb\n", "succeeded\n"), await RunAsync("logs a r1 -f"));
        Assert.Equal(
            ["follow=true&offset=0", "follow=true&offset=2", "follow=true&offset=2", "offset=2", "follow=true&offset=2"],
            _api.Requests.Select(request => request.Line.Split('?')[1]));
    }

    [Fact]
    public async Task Following_a_run_that_does_not_exist_ends_the_command()
    {
        _api.Answer("event: error\ndata: there is no such run\n\n", type: "text/event-stream");
        _api.Answer("""{"detail":"there is no such run in flight, and no record of it"}""", 404);

        Assert.Equal((2, "", "there is no such run in flight, and no record of it\n"), await RunAsync("logs a r1 -f"));
    }

    [Theory]
    [InlineData("export",    "broke off its answer")]
    [InlineData("get a",     "broke off its answer")]
    [InlineData("logs a r1", "the answer breaks off")]
    public async Task A_connection_that_breaks_while_the_answer_is_read_exits_with_2(string command, string said)
    {
        _api.Answer("{\"name\":", isCut: true);

        var (code, _, error) = await RunAsync(command);

        Assert.Equal(2, code);
        Assert.Contains(said, error, StringComparison.Ordinal);
        Assert.Equal(1, error.Count(letter => letter == '\n'));
    }

    [Fact]
    public async Task A_record_of_the_original_system_has_no_output_to_print()
    {
        _api.Answer("""{"unended":[],"runs":[]}""").Answer("""{"unended":[],"runs":[{"_id":"","jobName":"a"}]}""");

        var (code, _, error) = await RunAsync("logs a");

        Assert.Equal(2, code);
        Assert.Contains("is a record of the original system", error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("apply FILE")]
    [InlineData("save FILE")]
    public async Task A_file_that_has_a_member_twice_exits_with_2(string command)
    {
        await File.WriteAllTextAsync(_scratch.File("job"), """{"name":"a","command":"x","command":"y","cronExpr":"@daily"}""");

        var (code, _, error) = await RunAsync(command);

        Assert.Equal(2, code);
        Assert.Contains("a member comes twice", error, StringComparison.Ordinal);
        Assert.Empty(_api.Requests);
    }

    [Fact]
    public async Task A_surrogate_pair_is_not_split_on_a_terminal()
    {
        var text = "a" + string.Concat(Enumerable.Repeat("\U0001F600", 20_000));
        using var output = new MemoryStream();
        using var bytes = new MemoryStream(Encoding.UTF8.GetBytes(text));

        await new Terminal(Stream.Null, output, TextWriter.Null, IsTerminal: true).CopyAsync(bytes, isRaw: false, CancellationToken.None);

        Assert.Equal(text, Encoding.UTF8.GetString(output.ToArray()));
    }

    [Fact]
    public async Task The_latest_run_is_looked_up_among_the_running_ones_and_then_in_the_log()
    {
        _api.Answer("""{"unended":[],"runs":[]}""").Answer("""{"unended":[],"runs":[{"_id":"a b/r9"}]}""");
        _api.Answer("out", type: "application/octet-stream");

        Assert.Equal("out", (await RunAsync(["logs", "a b"])).Output);
        Assert.Equal(
            [
                "GET /api/v1/runs?filter=job%3A%22a%20b%22%20state%3Arunning&limit=1", "GET /api/v1/runs?filter=job%3A%22a%20b%22&limit=1",
                "GET /api/v1/runs/a%20b/r9/output",
            ],
            _api.Requests.Select(request => request.Line));
    }

    [Fact]
    public async Task A_ledger_with_faults_exits_with_1()
    {
        _api.Answer("""{"lines":[{"planTime":"2026-11-22T10:00:00Z","ending":"succeeded","reason":"","fault":""}],"next":"x"}""");
        _api.Answer("""{"lines":[{"planTime":"2026-11-22T11:00:00Z","ending":"unknown","reason":"no record","fault":"no ending"}]}""");

        var (code, output, _) = await RunAsync("ledger a");

        Assert.Equal(1, code);
        Assert.Equal("2026-11-22T10:00:00Z  succeeded\n2026-11-22T11:00:00Z  unknown    no record  << no ending\n", output);
    }

    [Fact]
    public async Task A_list_has_a_row_for_each_job()
    {
        _api.Answer(
            """
            {"jobs":[{"name":"backup","state":"failing","words":"every hour","next":"2026-11-22T11:00:00Z",
              "last":{"ending":"failed","startedAt":"2026-11-22T10:00:00Z"}},
              {"name":"b","state":"new","words":"daily","last":null,"next":null}],
             "total":3,"next":"x"}
            """);

        var (_, output, error) = await RunAsync("ls --limit 2");

        Assert.Equal(
            """
            JOB     STATE    LAST                         NEXT                  SCHEDULE
            backup  failing  failed 2026-11-22T10:00:00Z  2026-11-22T11:00:00Z  every hour
            b       new      -                            -                     daily

            """,
            output);
        Assert.Equal("2 of 3 jobs; --limit lists more\n", error);
    }

    [Fact]
    public async Task An_import_prints_what_becomes_of_each_line()
    {
        _input = "0 1 * * * x";
        _api.Answer(
            """
            {"dryRun":true,"format":"user","created":1,"changed":0,"unchanged":0,"refused":1,"notes":["any worker"],"lines":[
              {"line":1,"kind":"job","name":"x","change":"created","words":"at 01:00","notes":["a note"],"job":{}},
              {"line":2,"kind":"refused","reason":"@reboot is refused"},{"line":3,"kind":"disabled"},
              {"line":4,"kind":"variable","name":"A","notes":[]}]}
            """);

        var (code, output, _) = await RunAsync("import --dry-run");

        Assert.Equal(0, code);
        Assert.Equal(
            """
            line 1: created x: at 01:00
                a note
            line 2: refused: @reboot is refused
            line 3: is commented out, and not imported
            line 4: variable A
            note: any worker
            dry run, nothing was changed: 1 created, 0 changed, 0 unchanged, 1 refused

            """,
            output);
        Assert.Equal("0 1 * * * x", Assert.Single(_api.Requests).Body);
    }

    [Fact]
    public async Task An_apply_prints_the_plan()
    {
        _api.Answer(
            """
            {"dryRun":false,"created":0,"changed":1,"unchanged":1,"deleted":0,"jobs":[
              {"name":"u","change":"unchanged","members":[],"warnings":[]},
              {"name":"a","change":"changed","warnings":[],
               "members":[{"member":"command","was":"old","is":"new"},{"member":"env.X","is":"1"}]}]}
            """);
        await File.WriteAllTextAsync(_scratch.File("more"), "- name: u\n  command: y\n  cronExpr: '@daily'\n");

        var (_, output, _) = await RunAsync($"apply FILE {_scratch.File("more")}");

        Assert.Equal(
            """
            changed a
                command: "old" -> "new"
                env.X: - -> "1"
            0 created, 1 changed, 0 deleted, 1 unchanged

            """,
            output);
        Assert.Equal($$"""[{{Job}},{"name":"u","command":"y","cronExpr":"@daily"}]""", Assert.Single(_api.Requests).Body);
    }

    [Fact]
    public async Task With_json_the_answer_is_printed_as_it_came()
    {
        _api.Answer("{\"name\":\"gr\\u00f6\\u00dfe\",\"next\":[1]}");

        Assert.Equal("{\"name\":\"größe\",\"next\":[1]}\n", (await RunAsync("get x --json")).Output);
    }

    [Fact]
    public async Task Help_lists_every_option_with_its_default()
    {
        var (code, output, _) = await RunAsync("run --help");

        Assert.Equal(0, code);
        string[] expected = ["<job>", "--worker", "--env", "--wait", "--timeout", "[default: 0]", "--raw", "--url", _api.Url, "--json"];
        Assert.All(expected, text => Assert.Contains(text, output, StringComparison.Ordinal));
    }

    [Fact]
    public void Every_command_is_documented()
    {
        var document = File.ReadAllText(Tool.InRepository("../../docs/cli.md"));
        using var nothing = new MemoryStream();
        var commands = new CommandLine(new Terminal(nothing, nothing, TextWriter.Null, false), _ => null);

        Assert.All(commands.Lines, line =>
            Assert.Contains($"`{string.Join(' ', line.Split(' ')[..2])}", document, StringComparison.Ordinal));
    }

    [Fact]
    public async Task Bash_completes_commands_options_and_names_of_jobs()
    {
        _api.Answer("""{"jobs":[{"name":"backup db"},{"name":"backup $x"},{"name":"other"}]}""");

        Assert.Equal("import", await CompleteAsync("dts-master imp"));
        Assert.Contains("--wait", await CompleteAsync("dts-master run --w"), StringComparison.Ordinal);
        var deadline = Environment.TickCount64 + (long)Patience.Limit.TotalMilliseconds;
        string names;
        do // On a busy host the names may come too late, and then there are none.
        {
            names = await CompleteAsync("dts-master get ba");
        }
        while (names.Length == 0 && Environment.TickCount64 < deadline);

        Assert.Equal("backup\\ \\$x\nbackup\\ db", names);
    }

    private async Task<string> CompleteAsync(string line)
    {
        var words = string.Join(' ', line.Split(' ').Select(word => $"'{word}'"));
        var script = $"""
            source <(dts-master completion bash)
            COMP_WORDS=({words}); COMP_CWORD={line.Count(letter => letter == ' ')}; COMP_LINE='{line}'; COMP_POINT={line.Length}
            _dts_master
            printf '%s\n' "${"{COMPREPLY[@]}"}"
            """;
        // What bash puts into the background comes to this process when bash has ended; it is reaped in a session of its own only. The
        // child itself stays in ours, or the tests that reap orphans take it from .NET, which then ends the whole process.
        var start = new ProcessStartInfo("/bin/bash", ["-c", "setsid --wait /bin/bash -c \"$0\"; exit $?", script])
        {
            RedirectStandardOutput = true,
            Environment = { ["DTS_URL"] = _api.Url, ["PATH"] = $"{AppContext.BaseDirectory}:{Environment.GetEnvironmentVariable("PATH")}" },
        };
        using var bash = Process.Start(start)!;
        var said = await bash.StandardOutput.ReadToEndAsync().Soon();
        await bash.WaitForExitAsync().WaitAsync(Patience.Limit);
        return string.Join('\n', said.Split('\n', StringSplitOptions.RemoveEmptyEntries).Order(StringComparer.Ordinal));
    }

    private Task<(int Code, string Output, string Error)> RunAsync(string command, bool isTerminal = false) =>
        RunAsync(command.Replace("FILE", _scratch.File("job"), StringComparison.Ordinal).Split(' '), isTerminal);

    private async Task<(int Code, string Output, string Error)> RunAsync(string[] arguments, bool isTerminal = false)
    {
        using var output = new MemoryStream();
        await using var error = new StringWriter();
        var terminal = new Terminal(new MemoryStream(Encoding.UTF8.GetBytes(_input)), output, error, isTerminal);
        var code = await new CommandLine(terminal, name => _environment.GetValueOrDefault(name)).RunAsync(arguments);
        return (code, Encoding.UTF8.GetString(output.ToArray()), error.ToString());
    }
}
