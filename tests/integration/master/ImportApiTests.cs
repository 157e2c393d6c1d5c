using System.Net;
using System.Text;
using System.Text.Json.Nodes;
using Dts.Common.Jobs;
using Xunit;

namespace Dts.Tests.Integration.Master;

public sealed class ImportApiTests(MasterProcess master) : IClassFixture<MasterProcess>, IAsyncLifetime
{
    private const string Crontab =
        """
        MAILTO=ops@example.com
        # Nightly backup
        30 2 * * 1-5 /usr/local/bin/backup.sh --full
        @reboot /usr/local/bin/start
        #0 5 * * * /usr/local/bin/old
        0 6 * * * cat%hello
        """;

    public async ValueTask InitializeAsync()
    {
        foreach (var pair in await master.Etcd.ListAsync(master.Keys.Jobs))
        {
            await master.Etcd.DeleteAsync(pair.Key.ToStringUtf8());
        }
    }

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;

    [Fact]
    public async Task A_dry_run_of_an_import_says_line_by_line_what_would_become_of_a_crontab_and_saves_nothing()
    {
        var answer = await PostAsync("import?dryRun=true&format=user", Crontab);

        Assert.Equal(
            ["1 variable MAILTO", "3 job backup created", "4 refused", "5 disabled", "6 job cat created"],
            answer["lines"]!.AsArray().Select(Describe));
        Assert.Equal(
            (true, "user", 2, 1), ((bool)answer["dryRun"]!, (string)answer["format"]!, (int)answer["created"]!, (int)answer["refused"]!));
        var line = answer["lines"]![1]!;
        Assert.Equal("at 02:30 on Monday to Friday", ((string)line["words"]!)[..28]);
        Assert.Equal("Nightly backup", (string?)line["job"]!["description"]);
        Assert.Contains("@reboot is refused", (string)answer["lines"]![2]!["reason"]!, StringComparison.Ordinal);
        Assert.Contains("here-document", (string)answer["lines"]![4]!["notes"]![0]!, StringComparison.Ordinal);
        Assert.NotEmpty(answer["notes"]!.AsArray());
        Assert.Empty(await NamesAsync());
    }

    [Fact]
    public async Task The_same_crontab_imported_twice_changes_nothing()
    {
        var first = await PostAsync("import?format=user&paused=true&user=app&label=team=pay&label=host=w1&prefix=w1-", Crontab);
        var second = await PostAsync("import?format=user&paused=true&user=app&label=team=pay&label=host=w1&prefix=w1-", Crontab);

        Assert.Equal((2, 2), ((int)first["created"]!, (int)second["unchanged"]!));
        Assert.Equal((0, 0), ((int)second["created"]!, (int)second["changed"]!));
        Assert.Equal(["w1-backup", "w1-cat"], await NamesAsync());
        var job = first["lines"]![1]!["job"]!;
        Assert.Equal((false, "app"), ((bool)job["enabled"]!, (string)job["user"]!));
        Assert.Equal("""{"team":"pay","host":"w1"}""", job["labels"]!.ToJsonString());
    }

    [Fact]
    public async Task An_import_changes_a_job_of_others_only_when_it_is_asked_to()
    {
        await PostAsync("apply", """[{"name":"backup","command":"mine","cronExpr":"@daily"}]""");

        var kept = await PostAsync("import?format=user", Crontab);
        Assert.Contains("differs in command, cronExpr", (string)kept["lines"]![1]!["reason"]!, StringComparison.Ordinal);
        Assert.Equal((1, 2), ((int)kept["created"]!, (int)kept["refused"]!));

        var changed = await PostAsync("import?format=user&replace=true", Crontab);
        Assert.Equal((1, 1), ((int)changed["changed"]!, (int)changed["unchanged"]!));
    }

    [Fact]
    public async Task Jobs_are_applied_as_JSON_as_lines_or_as_YAML()
    {
        const string a = """{"name":"a","command":"1","cronExpr":"@daily"}""";
        Assert.Equal(2, (int)(await PostAsync("apply", $"[{a},{a.Replace("\"a\"", "\"b\"")}]"))["created"]!);
        Assert.Equal(1, (int)(await PostAsync("apply", $"{a.Replace("\"1\"", "\"2\"")}\n{a.Replace("\"a\"", "\"c\"")}\n"))["changed"]!);

        var answer = await PostAsync(
            "apply",
            """
            # a comment
            - name: a
              command: |
                echo one
                echo two
              cronExpr: "*/5 * * * *"
              env: {PORT: 8080, FLAG: yes}
              timeoutSeconds: 60
            ---
            name: d
            command: echo d
            cronExpr: 0 3 * * *
            then: [a]
            """,
            "application/yaml");

        Assert.Equal((1, 1), ((int)answer["created"]!, (int)answer["changed"]!));
        var job = await JobAsync("a");
        Assert.Equal(("echo one\necho two\n", "8080", "yes", 60), (job.Command, job.Env["PORT"], job.Env["FLAG"], job.TimeoutSeconds));
        Assert.Equal(
            ["command", "cronExpr", "env.FLAG", "env.PORT", "timeoutSeconds"],
            answer["jobs"]![0]!["members"]!.AsArray().Select(change => (string)change!["member"]!).Order());
    }

    [Fact]
    public async Task Prune_deletes_jobs_with_the_label_that_are_not_in_the_set()
    {
        const string a = """{"name":"a","command":"1","cronExpr":"@daily","labels":{"team":"pay"}}""";
        await PostAsync("apply", a + a.Replace("\"a\"", "\"b\"") + """{"name":"c","command":"1","cronExpr":"@daily"}""");

        Assert.Equal(1, (int)(await PostAsync("apply?prune=label:team=pay&dryRun=true", a))["deleted"]!);
        Assert.Equal(["a", "b", "c"], await NamesAsync());

        Assert.Equal(1, (int)(await PostAsync("apply?prune=label:team=pay", a))["deleted"]!);
        Assert.Equal(["a", "c"], await NamesAsync());
    }

    [Theory]
    [InlineData("apply", "[]", 422, "body has 0 jobs; expected 1 to 10000")]
    [InlineData("apply", "[{\"name\":1}]",                                   422, "job 1: name is 1; expected a text; nothing")]
    [InlineData("apply", "name: a\ncommand: b\ncronExpr: x\n---\n[]\n---\n{}", 422, "job 1 \"a\": cronExpr \"x\": ")]
    [InlineData("apply", "{\"name\":\"a\",\"command\":\"b\",\"cronExpr\":\"@daily\",\"timezone\":\"UTC\"}", 422,
        "job 1 \"a\": member \"timezone\" is not known, did you mean \"timeZone\"?; ?lenient=true keeps it; nothing was changed")]
    [InlineData("apply", "{\"name\":\"a\",\"command\":\"b\",\"command\":\"c\",\"cronExpr\":\"@daily\"}", 422,
        "job 1: a member comes twice")]
    [InlineData("apply", "{", 400, "body is not JSON (line 1, byte 2)")]
    [InlineData("apply", "name: *x", 400, "body is not YAML (line 1, column 7)")]
    [InlineData("apply?prune=team", "[]", 400, "prune is \"team\"; expected label:key=value")]
    [InlineData("apply?dryRun=maybe", "[]", 400, "dryRun is \"maybe\"; expected true or false")]
    [InlineData("import?format=x", "", 400, "format is \"x\"; expected user or system")]
    [InlineData("import?label=a=1&label=a=2", "", 400, "label is \"a=2\"; expected each key once")]
    [InlineData("import?label=x", "", 400, "label is \"x\"; expected key=value")]
    [InlineData("import", "* * * * * app x", 400, "format is not clear")]
    [InlineData("import?format=system&user=a", "", 400, "user is \"a\"; expected none")]
    public async Task A_set_that_cannot_be_read_is_refused_and_changes_nothing(string path, string body, int status, string detail)
    {
        using var answer = await SendAsync(path, body, "text/plain");

        Assert.Equal(status, (int)answer.StatusCode);
        Assert.Equal("application/problem+json", answer.Content.Headers.ContentType!.MediaType);
        var problem = JsonNode.Parse(await answer.Content.ReadAsStringAsync())!;
        Assert.StartsWith(detail, (string?)problem["detail"], StringComparison.Ordinal);
        Assert.Empty(await NamesAsync());
    }

    [Fact]
    public async Task A_set_or_a_crontab_of_too_many_jobs_is_refused()
    {
        foreach (var (path, line) in new[] { ("apply", "- 0\n"), ("import?format=user", "* * * * * x\n") })
        {
            using var answer = await SendAsync(path, string.Concat(Enumerable.Repeat(line, 10_001)), "text/plain");

            var problem = JsonNode.Parse(await answer.Content.ReadAsStringAsync())!;
            Assert.Equal(422, (int)answer.StatusCode);
            Assert.StartsWith("body has more than 10000 jobs; expected", (string?)problem["detail"], StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task A_note_with_a_member_twice_keeps_no_other_line_back()
    {
        var answer = await PostAsync(
            "import?format=user", "# dts: {\"user\":\"a\",\"user\":\"b\"}\n0 1 * * * first\n0 2 * * * second");

        Assert.Equal(["2 refused", "3 job second created"], answer["lines"]!.AsArray().Select(Describe));
    }

    [Fact]
    public async Task A_set_with_faults_names_each()
    {
        using var answer = await SendAsync(
            "apply",
            """
            {"name":"a","command":"1","cronExpr":"x"}
            {"name":"b","command":"1","cronExpr":"@daily"}
            {"name":"c","command":"","cronExpr":"@daily"}
            """,
            "application/json");

        Assert.Equal(HttpStatusCode.UnprocessableEntity, answer.StatusCode);
        var faults = JsonNode.Parse(await answer.Content.ReadAsStringAsync())!["faults"]!.AsArray();
        Assert.Equal([("job 1", "a"), ("job 3", "c")], faults.Select(fault => ((string)fault!["place"]!, (string)fault["name"]!)));
        Assert.Empty(await NamesAsync());
    }

    [Theory]
    [InlineData("crontab", "import",             "text/plain")]
    [InlineData("json",    "apply?lenient=true", "application/json")]
    [InlineData("yaml",    "apply?lenient=true", "application/yaml")]
    public async Task An_export_that_is_read_again_gives_the_same_jobs(string format, string path, string type)
    {
        await PostAsync("import?format=user&label=team=pay", Crontab);
        await PostAsync(
            "apply?lenient=true",
            """
            {"name":"d","command":"a\nb\\\nc","cronExpr":"@every 5m","enabled":false,"env":{"A":" x ","B":"5%"},"then":["backup"],"later":1}
            {"name":"e","command":"date +%F","cronExpr":"0 0 13 * 5","timeZone":"Asia/Tokyo","mode":"all","target":{"labels":{"os":"deb"}}}
            """);
        var before = await AllAsync();

        var exported = await master.Http.GetStringAsync($"/api/v1/export?format={format}");
        await InitializeAsync();
        await PostAsync(path, exported, type);

        Assert.Equal(before, await AllAsync());
        Assert.Equal(2, (await master.Http.GetStringAsync("/api/v1/export?label=team=pay")).Split("\"name\"").Length - 1);
    }

    [Fact]
    public async Task A_thousand_jobs_are_applied()
    {
        var set = string.Join('\n', Enumerable.Range(0, 1000).Select(n =>
            $$"""{"name":"job {{n}}","command":"echo {{n}}","cronExpr":"{{n % 60}} * * * *","then":["job {{(n * 7) + 1}}"]}"""));
        var began = System.Diagnostics.Stopwatch.StartNew();

        Assert.Equal(1000, (int)(await PostAsync("apply", set))["created"]!);

        TestContext.Current.TestOutputHelper!.WriteLine($"{began.ElapsedMilliseconds} ms");
        Assert.Equal(1000, (await NamesAsync()).Count);
    }

    private static string Describe(JsonNode? line) => string.Join(
        ' ', new[] { "line", "kind", "name", "change" }.Select(member => line![member]?.ToString()).Where(text => text is not null));

    private async Task<JsonNode> PostAsync(string path, string body, string type = "text/plain")
    {
        using var answer = await SendAsync(path, body, type);
        var text = await answer.Content.ReadAsStringAsync();
        Assert.True(answer.IsSuccessStatusCode, text);
        return JsonNode.Parse(text)!;
    }

    private async Task<HttpResponseMessage> SendAsync(string path, string body, string type)
    {
        using var content = new StringContent(body, Encoding.UTF8, type);
        return await master.Http.PostAsync($"/api/v1/{path}", content);
    }

    private async Task<List<string>> NamesAsync() =>
        [.. (await master.Etcd.ListAsync(master.Keys.Jobs)).Select(pair => pair.Key.ToStringUtf8()[master.Keys.Jobs.Length..])];

    private async Task<List<string>> AllAsync() =>
        [.. (await master.Etcd.ListAsync(master.Keys.Jobs)).Select(pair => pair.Value.ToStringUtf8())];

    private async Task<Job> JobAsync(string name)
    {
        var pair = await master.Etcd.FindAsync(master.Keys.Job(JobName.Parse(name)));
        Assert.True(JobJson.TryParse(pair!.Value.Memory, out var job, out var error), error);
        return job;
    }
}
