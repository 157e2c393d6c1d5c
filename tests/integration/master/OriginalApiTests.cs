using System.Net;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Dts.Common.Jobs;
using Dts.Common.Logs;
using Dts.Tests.Support;
using Dts.Worker.Sessions;
using Xunit;

namespace Dts.Tests.Integration.Master;

/// <remarks>One master for all tests here: each has jobs of its own.</remarks>
public sealed class OriginalApiTests(MasterProcess master) : IClassFixture<MasterProcess>
{
    private readonly string _name = $"job-{Guid.NewGuid():N}";

    private string ThreeFields => $$"""{"name":"{{_name}}","command":"echo hello","cronExpr":"*/2 * * * * *"}""";

    private string AllFields =>
        $$$"""{"name":"{{{_name}}}","command":"echo hello","cronExpr":"*/2 * * * * *","description":"","enabled":true"""
            + ""","timeZone":"","mode":"one","overlap":"forbid","misfire":"skip","startDeadlineSeconds":60,"timeoutSeconds":0"""
            + ""","killGraceSeconds":5,"onWorkerLost":"record","onDisconnect":"continue","user":"","cwd":"","shell":"","memoryMax":0"""
            + ""","cpuMax":0,"pidsMax":0,"outputLimitBytes":0,"retentionDays":0,"labels":{},"target":{"workers":[],"labels":{}}"""
            + ""","retry":{"max":0,"delaySeconds":10,"backoff":2,"maxDelaySeconds":3600,"elsewhere":false}"""
            + ""","env":{},"secrets":[],"then":[],"onFailure":[],"always":[]}""";

    [Fact]
    public async Task Save_answers_null_for_a_new_job_and_then_the_job_it_replaced()
    {
        Assert.Equal("""{"errno":0,"msg":"success","data":null}""", await PostAsync("/job/save", ("job", ThreeFields)));
        Assert.Equal($$"""{"errno":0,"msg":"success","data":{{AllFields}}}""", await PostAsync("/job/save", ("job", ThreeFields)));
    }

    [Fact]
    public async Task A_job_whose_schedule_is_over_is_saved_again_and_a_new_one_is_refused()
    {
        var over = ThreeFields.Replace("*/2 * * * * *", "@at 2020-01-01T00:00:00Z", StringComparison.Ordinal);
        Assert.Equal(
            """{"errno":-1,"msg":"cronExpr \"@at 2020-01-01T00:00:00Z\" never fires from now on; """
                + """expected an expression that does","data":null}""",
            await PostAsync("/job/save", ("job", over)));

        await master.Etcd.PutAsync(master.Keys.Job(JobName.Parse(_name)), over);

        Assert.StartsWith(
            """{"errno":0,""", await PostAsync("/job/save", ("job", over.Replace("echo hello", "echo more", StringComparison.Ordinal))));
    }

    [Fact]
    public async Task A_save_of_three_fields_keeps_the_other_members_of_the_job()
    {
        var all = $$"""{"name":"{{_name}}","command":"a","cronExpr":"* * * * *","timeoutSeconds":9,"enabled":false,"owner":"me"}""";
        await PostAsync("/job/save", ("job", all));
        await PostAsync("/job/save", ("job", ThreeFields));

        var stored = JsonNode.Parse((await StoredAsync(_name))!)!;
        Assert.Equal(("echo hello", "*/2 * * * * *"), ((string?)stored["command"], (string?)stored["cronExpr"]));
        Assert.Equal((9, false, "me"), ((int)stored["timeoutSeconds"]!, (bool)stored["enabled"]!, (string?)stored["owner"]));

        // A fourth member means that the client knows of members, and has sent those that it wants.
        await PostAsync("/job/save", ("job", $$"""{{ThreeFields[..^1]}},"enabled":true}"""));
        Assert.Equal(0, (int)JsonNode.Parse((await StoredAsync(_name))!)!["timeoutSeconds"]!);
    }

    [Fact]
    public async Task A_save_of_three_fields_mends_a_job_whose_other_members_are_wrong()
    {
        var bad = $$"""{{ThreeFields[..^1]}},"timeoutSeconds":-1,"user":"u"}""";
        await master.Etcd.PutAsync(master.Keys.Job(JobName.Parse(_name)), bad);

        Assert.StartsWith("""{"errno":0,""", await PostAsync("/job/save", ("job", ThreeFields)));

        Assert.Equal(0, (int)JsonNode.Parse((await StoredAsync(_name))!)!["timeoutSeconds"]!);
    }

    [Fact]
    public async Task Delete_answers_the_job_and_then_null()
    {
        await PostAsync("/job/save", ("job", ThreeFields));

        Assert.Equal($$"""{"errno":0,"msg":"success","data":{{AllFields}}}""", await PostAsync("/job/delete", ("name", _name)));
        Assert.Equal("""{"errno":0,"msg":"success","data":null}""", await PostAsync("/job/delete", ("name", _name)));
        Assert.Null(await StoredAsync(_name));
    }

    [Fact]
    public async Task Kill_answers_null_also_when_nothing_runs_and_leaves_its_request()
    {
        Assert.Equal("""{"errno":0,"msg":"success","data":null}""", await PostAsync("/job/kill", ("name", _name)));
        Assert.NotNull(await master.Etcd.FindAsync(master.Keys.Killer(JobName.Parse(_name))));
    }

    [Fact]
    public async Task List_answers_the_jobs_in_the_order_of_their_keys()
    {
        await PostAsync("/job/save", ("job", ThreeFields.Replace(_name, $"{_name}-b", StringComparison.Ordinal)));
        await PostAsync("/job/save", ("job", ThreeFields.Replace(_name, $"{_name}-a", StringComparison.Ordinal)));

        var answer = JsonNode.Parse(await GetAsync("/job/list"))!;

        Assert.Equal(["errno", "msg", "data"], answer.AsObject().Select(member => member.Key));
        Assert.Equal((0, "success"), (answer["errno"]!.GetValue<int>(), answer["msg"]!.GetValue<string>()));
        var names = answer["data"]!
            .AsArray()
            .Select(job => job!["name"]!.GetValue<string>())
            .Where(name => name.StartsWith(_name, StringComparison.Ordinal));
        Assert.Equal([$"{_name}-a", $"{_name}-b"], names);
    }

    [Fact]
    public async Task Log_answers_the_records_newest_first_to_the_byte()
    {
        Assert.Equal("""{"errno":0,"msg":"success","data":[]}""", await GetAsync($"/job/log?name={_name}"));
        await master.LogStore.WriteAsync([Some.Record(0, _name), Some.Record(1, _name)], CancellationToken.None);

        var newer = JsonSerializer.Serialize(Some.Record(1, _name), LogsJson.Readable.RunRecord);
        var older = JsonSerializer.Serialize(Some.Record(0, _name), LogsJson.Readable.RunRecord);
        var data = $"[{newer},{older}]";
        Assert.Equal($$"""{"errno":0,"msg":"success","data":{{data}}}""", await GetAsync($"/job/log?name={_name}"));
        Assert.StartsWith(
            $$"""[{"jobName":"{{_name}}","command":"echo hello","err":"","output":"hello\n","planTime":1795341660000,""",
            data,
            StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("",                   0,  20)]
    [InlineData("&skip=x&limit=y",    0,  20)]
    [InlineData("&skip=-1&limit=0",   0,  20)]
    [InlineData("&skip=3&limit=2",    3,  2)]
    [InlineData("&skip=20",           20, 5)]
    [InlineData("&limit=1000000",     0,  25)]
    public async Task Log_takes_skip_and_limit_from_query_or_form_and_has_defaults_for_wrong_numbers(string query, int first, int count)
    {
        await master.LogStore.WriteAsync([.. Enumerable.Range(0, 25).Select(n => Some.Record(24 - n, _name))], CancellationToken.None);
        var expected = Enumerable.Range(first, count).Select(n => Some.Record(24 - n, _name).Id);
        using var form = new StringContent($"name={_name}{query}", Encoding.UTF8, "application/x-www-form-urlencoded");

        Assert.Equal(expected, IdsOf(await GetAsync($"/job/log?name={_name}{query}")));
        Assert.Equal(expected, IdsOf(await SendAsync(HttpMethod.Post, "/job/log", form)));
    }

    [Fact]
    public async Task Worker_list_answers_each_live_address_once()
    {
        Assert.Equal("""{"errno":0,"msg":"success","data":[]}""", await GetAsync("/worker/list"));
        string[] workers = ["b", "a", "a2"];
        var lease = await master.Etcd.GrantAsync(TimeSpan.FromMinutes(1));
        foreach (var id in workers)
        {
            var registration = new WorkerRegistration(
                "host", $"10.0.0.{(id[0] == 'a' ? 1 : 2)}", "0", new ProcessIdentity("boot", 1, 1), 8, Some.Now);
            await master.Etcd.PutAsync(
                master.Keys.Worker(id), JsonSerializer.Serialize(registration, JobsJson.Readable.WorkerRegistration), lease);
        }

        await master.Etcd.PutAsync(master.Keys.Worker("10.9.9.9"), "", lease); // the original's own, which says nothing

        Assert.Equal("""{"errno":0,"msg":"success","data":["10.0.0.1","10.0.0.2"]}""", await GetAsync("/worker/list"));
        await master.Etcd.RevokeAsync(lease);
        Assert.Equal("""{"errno":0,"msg":"success","data":[]}""", await GetAsync("/worker/list"));
    }

    [Fact]
    public async Task A_job_in_a_form_is_stored_unchanged()
    {
        var job = $$"""{"name":"{{_name}}备份 &=+%","command":"a && b > c + d % e; echo '备份'","cronExpr":"* * * * *","owner":"x"}""";

        Assert.Equal("""{"errno":0,"msg":"success","data":null}""", await PostAsync("/job/save", ("job", job)));

        var stored = JsonNode.Parse((await StoredAsync($"{_name}备份 &=+%"))!)!;
        Assert.Equal(("a && b > c + d % e; echo '备份'", "x"), (stored["command"]!.GetValue<string>(), stored["owner"]!.GetValue<string>()));
    }

    [Theory]
    [InlineData("""{"name":"a/b","command":"x","cronExpr":"* * * * *"}""", "name \\\"a/b\\\" has a '/'; expected any letters without '/'")]
    [InlineData("""{"name":"a","command":" ","cronExpr":"* * * * *"}""", "command is empty; expected a shell command")]
    [InlineData("""{"name":"a","cronExpr":"* * * * *"}""", "command is missing; expected a text")]
    [InlineData("""{"name":"a","command":"x","cronExpr":"* * * * *","user":"-x"}""", "user \\\"-x\\\" is not a user's name; "
        + "expected letters, digits, '.', '_', '-', '@' or '$', at most 100, the first no '-'")]
    [InlineData("""{"name":"a","command":"x","cronExpr":"* * * * *","env":{"A":null}}""", "env is {\\\"A\\\":null}; "
        + "expected an object of texts")]
    [InlineData("nonsense", "job is not JSON (line 1, byte 2); expected {\\\"name\\\":…,\\\"command\\\":…,\\\"cronExpr\\\":…}")]
    public async Task A_job_that_cannot_be_is_refused_in_one_line_and_not_stored(string job, string message)
    {
        Assert.Equal($$"""{"errno":-1,"msg":"{{message}}","data":null}""", await PostAsync("/job/save", ("job", job)));
        Assert.Null(await StoredAsync("a"));
    }

    [Fact]
    public async Task A_bad_expression_is_shown_and_not_stored()
    {
        var answer = await PostAsync("/job/save", ("job", ThreeFields.Replace("*/2 * * * * *", "75 * * * *", StringComparison.Ordinal)));

        Assert.StartsWith("""{"errno":-1,"msg":"cronExpr \"75 * * * *\": """, answer, StringComparison.Ordinal);
        Assert.DoesNotContain("\\n", answer, StringComparison.Ordinal);
        Assert.Null(await StoredAsync(_name));
    }

    [Theory]
    [InlineData("/job/save", "job")]
    [InlineData("/job/delete", "name")]
    [InlineData("/job/kill", "name")]
    public async Task A_body_that_is_not_a_form_has_no_fields(string path, string field)
    {
        string Missing(string received) =>
            $$"""{"errno":-1,"msg":"{{field}} is missing in {{received}}; expected a POST form with {{field}}=…","data":null}""";
        using var json = new StringContent(ThreeFields, Encoding.UTF8, "application/json");
        using var multipart = new MultipartFormDataContent { { new StringContent(ThreeFields), field } };
        using var otherField = new FormUrlEncodedContent([new("other", ThreeFields)]);

        Assert.Equal(Missing("a body of type application/json"), await SendAsync(HttpMethod.Post, path, json));
        Assert.Equal(Missing("a body of type multipart/form-data"), await SendAsync(HttpMethod.Post, path, multipart));
        Assert.Equal(Missing("a form with other"), await SendAsync(HttpMethod.Post, path, otherField));
        Assert.Equal(Missing("a request without a form"), await SendAsync(HttpMethod.Post, path, null));
        Assert.Equal(Missing("a request without a form"), await SendAsync(HttpMethod.Post, $"{path}?{field}={_name}", null));
        Assert.Null(await StoredAsync(_name));
    }

    [Fact]
    public async Task A_wrong_name_is_refused_by_the_other_paths_too()
    {
        Assert.StartsWith("""{"errno":-1,"msg":"name is empty;""", await GetAsync("/job/log"), StringComparison.Ordinal);
        Assert.StartsWith(
            """{"errno":-1,"msg":"name \"a/b\" has a '/';""", await PostAsync("/job/kill", ("name", "a/b")), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_body_of_ten_megabytes_is_one_line_and_nothing_is_stored()
    {
        using var scratch = new ScratchFolder();
        await File.WriteAllTextAsync(
            scratch.File("job"), ThreeFields.Replace("echo hello", new string('x', 10 << 20), StringComparison.Ordinal));
        string[] form = ["--data-urlencode", $"job@{scratch.File("job")}", $"{master.Http.BaseAddress}job/save"];

        var refused = """{"errno":-1,"msg":"body is larger than 1048576 bytes; expected a form within that limit","data":null}""";
        Assert.Equal(refused, await Tool.RunAsync("curl", ["-sS", .. form]));
        Assert.Equal(refused, await Tool.RunAsync("curl", ["-sS", "-H", "Expect:", .. form])); // It does not ask before it sends.
        Assert.Null(await StoredAsync(_name));
    }

    [Fact]
    public async Task A_page_elsewhere_cannot_save_a_job()
    {
        using var form = new FormUrlEncodedContent([new("job", ThreeFields)]);
        form.Headers.Add("Origin", "https://evil.example");
        using var answer = await master.Http.PostAsync("/job/save", form);

        Assert.Equal(HttpStatusCode.Forbidden, answer.StatusCode);
        Assert.Null(await StoredAsync(_name));
    }

    [Fact]
    public async Task The_answers_are_JSON_in_UTF8_and_tell_nothing_of_the_server()
    {
        using var answer = await master.Http.GetAsync("/job/list");

        Assert.Equal("application/json; charset=utf-8", answer.Content.Headers.ContentType!.ToString());
        Assert.Empty(answer.Headers.Server);
    }

    [Theory]
    [InlineData("/healthz", "ok\n")]
    [InlineData("/readyz", "ready\n")]
    public async Task It_is_healthy(string path, string text) => Assert.Equal(text, await master.Http.GetStringAsync(path));

    private static IEnumerable<string> IdsOf(string answer) =>
        JsonNode.Parse(answer)!["data"]!.AsArray().Select(record => record!["_id"]!.GetValue<string>());

    private async Task<string?> StoredAsync(string name) => (await master.Etcd.FindAsync(master.Keys.Jobs + name))?.Value.ToStringUtf8();

    private async Task<string> PostAsync(string path, params (string Name, string Value)[] fields)
    {
        using var form = new FormUrlEncodedContent(fields.Select(field => KeyValuePair.Create(field.Name, field.Value)));
        return await SendAsync(HttpMethod.Post, path, form);
    }

    private Task<string> GetAsync(string path) => SendAsync(HttpMethod.Get, path, null);

    private async Task<string> SendAsync(HttpMethod method, string path, HttpContent? content)
    {
        using var request = new HttpRequestMessage(method, path) { Content = content };
        using var answer = await master.Http.SendAsync(request);
        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        return await answer.Content.ReadAsStringAsync();
    }
}
