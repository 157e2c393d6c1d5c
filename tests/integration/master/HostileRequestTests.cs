using System.Globalization;
using System.Net;
using System.Text;
using System.Text.Json.Nodes;
using Dts.Common.Hosting;
using Dts.Common.Jobs;
using Dts.Tests.Support;
using Xunit;

namespace Dts.Tests.Integration.Master;

/// <summary>Hostile requests and foreign values in etcd: they affect nothing else.</summary>
/// <remarks>All tests here share one master; each test has its own jobs.</remarks>
public sealed class HostileRequestTests(MasterProcess master) : IClassFixture<MasterProcess>
{
    private const string Success = """{"errno":0,"msg":"success","data":null}""";

    private readonly string _name = $"job-{Guid.NewGuid():N}";

    [Theory]
    [InlineData("GET",     "/job/save",                "POST")]
    [InlineData("GET",     "/job/delete",              "POST")]
    [InlineData("GET",     "/job/kill",                "POST")]
    [InlineData("HEAD",    "/job/save",                "POST")]
    [InlineData("PUT",     "/job/save",                "POST")]
    [InlineData("PATCH",   "/job/save",                "POST")]
    [InlineData("PUT",     "/job/delete",              "POST")]
    [InlineData("PATCH",   "/job/kill",                "POST")]
    [InlineData("OPTIONS", "/job/delete",              "POST")]
    [InlineData("DELETE",  "/job/kill",                "POST")]
    [InlineData("GET",     "/api/v1/jobs/{name}/run",   "POST")]
    [InlineData("HEAD",    "/api/v1/jobs/{name}/pause", "POST")]
    public async Task Only_methods_for_changes_change_a_job(string method, string path, string allowed)
    {
        await SaveAsync(Three(_name));
        using var form = new FormUrlEncodedContent([new("job", Three($"{_name}-other")), new("name", _name)]);
        using var request = new HttpRequestMessage(new HttpMethod(method), path.Replace("{name}", _name)) { Content = form };
        if (method is "GET" or "HEAD")
        {
            request.Headers.Add("Origin", "http://evil.example");
            request.Headers.Add("Sec-Fetch-Site", "cross-site");
        }

        using var answer = await master.Http.SendAsync(request);

        Assert.Equal(HttpStatusCode.MethodNotAllowed, answer.StatusCode);
        Assert.Equal(
            allowed,
            string.Join(", ", answer.Content.Headers.Allow.OrderByDescending(word => word == "POST").ThenByDescending(word => word)));
        var message = $"\"method {method} is not for this path; expected ";
        Assert.Contains(method == "HEAD" ? "" : message, await answer.Content.ReadAsStringAsync(), StringComparison.Ordinal);
        Assert.NotNull(await StoredAsync(_name));
        Assert.Null(await StoredAsync($"{_name}-other"));
        Assert.Null(await master.Etcd.FindAsync(master.Keys.Killer(JobName.Parse(_name))));
        Assert.Empty(await master.Etcd.ListAsync(master.Keys.QueueOf(JobName.Parse(_name))));
    }

    [Theory]
    [InlineData("""
        "x":"\udfff"
        """, "member x has")]
    [InlineData("""
        "owner":{"mails":["a",{"b":"\ud800 "}]}
        """, "member owner has")]
    [InlineData("""
        "owner":{"\ud800":1}
        """, "member owner has")]
    [InlineData("""
        "\ud800":1
        """, """member \\ud800 has""")]
    [InlineData("""
        "description":"\udfff"
        """, "member description has")]
    public async Task Text_that_is_not_Unicode_is_refused_and_its_member_named(string member, string named)
    {
        var answer = await SaveAsync($"{Three(_name)[..^1]},{member.Trim()}}}");

        Assert.Equal(
            $$"""{"errno":-1,"msg":"{{named}} text that is not Unicode; expected UTF-8 without lone surrogates","data":null}""", answer);
        Assert.Null(await StoredAsync(_name));
    }

    [Fact]
    public async Task A_job_that_cannot_be_read_is_left_out_of_the_list_and_named_in_the_log_once()
    {
        await SaveAsync(Three($"{_name}-a"));
        await master.Etcd.PutAsync(
            $"{master.Keys.Jobs}{_name}-b", $$"""{"name":"{{_name}}-b","command":"x","cronExpr":"* * * * *","x":"\udfff"}""");
        await SaveAsync(Three($"{_name}-c"));

        for (var time = 0; time < 2; time++)
        {
            var jobs = JsonNode.Parse(await master.Http.GetStringAsync("/job/list"))!["data"]!
                .AsArray()
                .Select(job => (string)job!["name"]!);
            Assert.Equal([$"{_name}-a", $"{_name}-c"], jobs.Where(name => name.StartsWith(_name, StringComparison.Ordinal)));
        }

        await Patience.Until(
            () => Lines($"/cron/jobs/{_name}-b has a value that DTS cannot read (member x has text that is not Unicode") == 1, master.Said);
        Assert.Equal(Success, await PostAsync("/job/kill", "name", $"{_name}-b"));
        Assert.Equal(Success, await PostAsync("/job/delete", "name", $"{_name}-b"));
        Assert.Null(await StoredAsync($"{_name}-b"));
        Assert.Equal(1, Lines($"/cron/jobs/{_name}-b has a value"));
    }

    [Theory]
    [InlineData("hello")]
    [InlineData("null")]
    [InlineData("[null]")]
    [InlineData("{}")]
    [InlineData("""{"planTime":"2026-11-22T10:00:00Z","trigger":"\udfff","notBefore":"2026-11-22T10:00:00Z"}""")]
    public async Task A_foreign_value_prevents_neither_kill_nor_save_of_its_job(string value)
    {
        var name = JobName.Parse(_name);
        await SaveAsync(Three(_name));
        using var run = await master.Http.PostAsync($"/api/v1/jobs/{_name}/run", null);
        string[] foreign =
        [
            master.Keys.Queued(name, "20261122T100000Z"),
            master.Keys.Run(name, "20261122T100000Z"),
            master.Keys.History(name),
        ];
        foreach (var key in foreign)
        {
            await master.Etcd.PutAsync(key, value);
        }

        Assert.Equal(Success, await PostAsync("/job/kill", "name", _name));
        Assert.StartsWith(
            """{"errno":0,""", await SaveAsync(Three(_name).Replace("hello", "more", StringComparison.Ordinal)), StringComparison.Ordinal);
        var unended = await master.Http.GetStringAsync("/api/v1/runs?filter=state:running|queued");
        Assert.StartsWith("""{"unended":[""", unended, StringComparison.Ordinal);

        // The waiting run is cancelled; the foreign value causes no ending.
        Assert.Single(await master.Etcd.ListAsync(master.Keys.AllOwed + _name));
        await Patience.Until(() => Lines($"/cron/queue/{_name}") == 1 && Lines($"/cron/runs/{_name}") == 1, master.Said);
        await PostAsync("/job/delete", "name", _name);
        foreach (var key in foreign)
        {
            await master.Etcd.DeleteAsync(key);
        }
    }

    [Theory]
    [InlineData("""{"worker":"a/b"}""",      """worker is \"a/b\"; expected a worker's id (1 to 100 letters, digits, '.', '_' or '-')""")]
    [InlineData("""{"worker":"a\u0000b"}""",
        """worker is \"a?b\"; expected a worker's id (1 to 100 letters, digits, '.', '_' or '-')""")]
    [InlineData("""{"worker":"\udfff"}""",
        "worker has text that is not Unicode; expected UTF-8 without lone surrogates")]
    [InlineData("""{"env":["\udfff"]}""",    "env is text that is not Unicode; expected an object of texts")]
    [InlineData("""{"env":{"A":null}}""",    """env is {\"A\":null}; expected an object of texts""")]
    [InlineData("""{"env":["A"]}""",         """env is [\"A\"]; expected an object of texts""")]
    [InlineData("""{"env":{"A=B":"x"}}""",   """env \"A=B\" is not a variable's name; expected letters, digits and '_'""")]
    [InlineData("""{"workers":["w1"]}""",    """member \"workers\" is not known; expected worker, env or planTime""")]
    [InlineData("""{"wroker":"w1"}""",       """member \"wroker\" is not known; expected worker, env or planTime""")]
    [InlineData("[1]",
        """body is not a JSON object; expected nothing, or {\"worker\":\"an id\",\"env\":{\"NAME\":\"value\"},"""
            + """\"planTime\":\"a past time\"}""")]
    [InlineData("{",
        """body is not JSON (line 1, byte 2); expected nothing, or {\"worker\":\"an id\",\"env\":{\"NAME\":\"value\"},"""
            + """\"planTime\":\"a past time\"}""")]
    public async Task A_wrong_request_to_run_is_refused_and_nothing_is_queued(string body, string message)
    {
        await SaveAsync(Three(_name));

        Assert.Contains($"\"detail\":\"{message}\"", await RunAsync(body), StringComparison.Ordinal);
        Assert.Empty(await master.Etcd.ListAsync(master.Keys.QueueOf(JobName.Parse(_name))));
    }

    [Theory]
    [InlineData("""{"worker":null}""")]
    [InlineData("""{"env":null}""")]
    [InlineData("""{"planTime":null,"worker":null,"env":null}""")]
    public async Task A_null_in_a_request_to_run_is_as_if_it_were_missing(string body)
    {
        await SaveAsync(Three(_name));

        Assert.Contains("\"runId\":\"", await RunAsync(body), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_worker_id_of_a_hundred_kilobytes_never_becomes_a_key()
    {
        await SaveAsync(Three(_name));

        const string refused = "\"status\":413,\"detail\":\"body is larger than 65536 bytes; expected JSON within that limit\"";
        Assert.Contains(refused, await RunAsync($$"""{"worker":"{{new string('x', 100_000)}}"}"""));
        Assert.Empty(await master.Etcd.ListAsync(master.Keys.QueueOf(JobName.Parse(_name))));
    }

    [Theory]
    [InlineData("/api/v1/jobs/any/run", "application/json", "{\"worker\":\"", "body is larger than 65536 bytes; "
        + "expected JSON within that limit")]
    [InlineData("/job/save", "application/x-www-form-urlencoded", "job=", "body is larger than 1048576 bytes; "
        + "expected a form within that limit")]
    [InlineData("/job/save", "application/x-www-form-urlencoded", "many", "body is larger than 1048576 bytes; "
        + "expected a form within that limit")]
    public async Task A_body_of_sixty_megabytes_is_refused_in_one_line_and_takes_no_memory(
        string path, string type, string begin, string message)
    {
        const int megabytes = 60;
        await master.Http.GetStringAsync("/job/list");
        var before = PeakKilobytes();
        var piece = Encoding.ASCII.GetBytes(
            begin == "many" ? $"&{new string('x', 20)}={new string('y', (1 << 20) - 22)}" : new string('x', 1 << 20));
        byte[] body = [.. Encoding.ASCII.GetBytes(begin), .. Enumerable.Repeat(piece, megabytes).SelectMany(bytes => bytes)];
        using var content = new ByteArrayContent(body) { Headers = { { "Content-Type", type } } };

        using var answer = await master.Http.PostAsync(path, content);

        Assert.Contains($"\"{message}\"", await answer.Content.ReadAsStringAsync(), StringComparison.Ordinal);
        Assert.InRange(PeakKilobytes() - before, 0, 30 * 1024);
    }

    [Theory]
    [InlineData(".",            "name is \".\", which a URL takes for a folder; expected another name")]
    [InlineData("..",           "name is \"..\", which a URL takes for a folder; expected another name")]
    [InlineData(" ",            "name \" \" begins or ends with a blank; expected none there")]
    [InlineData("a ",           "name \"a \" begins or ends with a blank; expected none there")]
    [InlineData("\u3000a",      "name \"\u3000a\" begins or ends with a blank; expected none there")]
    [InlineData("a\u200bb",     "name \"a\u200bb\" has the invisible character U+200B; expected visible letters")]
    [InlineData("\ufeffa",      "name \"\ufeffa\" has the invisible character U+FEFF; expected visible letters")]
    [InlineData("\u3164",       "name \"\u3164\" has the invisible character U+3164; expected visible letters")]
    [InlineData("a\u00a0b",     "name \"a\u00a0b\" has the invisible character U+00A0; expected visible letters")]
    public async Task A_confusing_name_is_refused_at_save_but_a_stored_one_can_be_killed_and_deleted(string name, string message)
    {
        var answer = await SaveAsync(Three(name));
        Assert.Equal(message, (string)JsonNode.Parse(answer)!["msg"]!);
        Assert.Null(await StoredAsync(name));

        await master.Etcd.PutAsync(master.Keys.Jobs + name, Three(name));
        var list = JsonNode.Parse(await master.Http.GetStringAsync("/job/list"))!;
        Assert.Contains(name, list["data"]!.AsArray().Select(job => (string)job!["name"]!));
        Assert.Equal(Success, await PostAsync("/job/kill", "name", name));
        Assert.NotNull(await master.Etcd.FindAsync(master.Keys.Killers + name));
        Assert.Contains("\"errno\":0", await PostAsync("/job/delete", "name", name), StringComparison.Ordinal);
        Assert.Null(await StoredAsync(name));
    }

    [Fact]
    public async Task A_decomposed_name_is_stored_composed_and_found_in_either_form()
    {
        var (apart, composed) = ($"e\u0301 \u1100\u1161 {_name}", $"\u00e9 \uac00 {_name}");

        Assert.Equal(
            """{"errno":0,"msg":"success","data":null,"warnings":["name had separate letters and accents; """
                + """it was saved in Unicode's composed form (NFC)"]}""",
            await SaveAsync(Three(apart)));
        Assert.NotNull(await StoredAsync(composed));
        Assert.Null(await StoredAsync(apart));
        Assert.DoesNotContain("warnings", await SaveAsync($$"""{{Three(composed)[..^1]}},"then":[]}"""), StringComparison.Ordinal);

        await PostAsync("/job/kill", "name", apart);
        Assert.NotNull(await master.Etcd.FindAsync(master.Keys.Killers + composed));
        using var run = await master.Http.PostAsync($"/api/v1/jobs/{Uri.EscapeDataString(apart)}/run", null);
        Assert.StartsWith("""{"jobName":""", await run.Content.ReadAsStringAsync(), StringComparison.Ordinal);
        Assert.Contains(composed, await PostAsync("/job/delete", "name", apart), StringComparison.Ordinal);
        Assert.Null(await StoredAsync(composed));
    }

    [Fact]
    public async Task A_job_stored_under_a_decomposed_name_is_edited_in_place()
    {
        var (apart, composed) = ($"e\u0301 {_name}", $"\u00e9 {_name}");
        await master.Etcd.PutAsync(master.Keys.Jobs + apart, Three(apart));

        Assert.Contains("echo hello", await SaveAsync(Three(apart)), StringComparison.Ordinal);
        Assert.Null(await StoredAsync(composed));
        Assert.Contains("echo hello", await PostAsync("/job/delete", "name", apart), StringComparison.Ordinal);
        Assert.Null(await StoredAsync(apart));
    }

    [Fact]
    public async Task Windows_line_ends_in_a_command_are_saved_as_LF_and_the_answer_says_so()
    {
        var job = $$"""{"name":"{{_name}}","command":"echo a\r\necho b\r\n","cronExpr":"* * * * *"}""";

        var warned =
            """{"errno":0,"msg":"success","data":null,"warnings":["command had Windows line ends (CRLF); they were saved as LF"]}""";
        Assert.Equal(warned, await SaveAsync(job));
        Assert.Equal("echo a\necho b\n", (string)JsonNode.Parse((await StoredAsync(_name))!)!["command"]!);
    }

    [Fact]
    public async Task A_variable_that_exec_cannot_take_is_refused_at_save()
    {
        var variable = new string('A', 131_070);

        Assert.Equal(
            $$"""{"errno":-1,"msg":"env {{Display.Line(variable)}} has 131072 bytes with its name; expected at most 131071","data":null}""",
            await SaveAsync($$$"""{{{Three(_name)[..^1]}}},"env":{"{{{variable}}}":"x"}}"""));
        Assert.Null(await StoredAsync(_name));
    }

    [Theory]
    [InlineData("/job/list")]
    [InlineData("/job/log")]
    [InlineData("/api/v1/runs")]
    public async Task A_browser_neither_guesses_the_type_of_an_answer_nor_caches_it(string path)
    {
        using var answer = await master.Http.GetAsync(path);

        Assert.Equal("nosniff", Assert.Single(answer.Headers.GetValues("X-Content-Type-Options")));
        Assert.Equal("no-store", answer.Headers.CacheControl!.ToString());
    }

    private static string Three(string name) => $$"""{"name":"{{name}}","command":"echo hello","cronExpr":"*/2 * * * * *"}""";

    private int Lines(string part) => master.Said().Split('\n').Count(line => line.Contains(part, StringComparison.Ordinal));

    private long PeakKilobytes()
    {
        var line = File.ReadLines($"/proc/{master.Pid}/status").First(line => line.StartsWith("VmHWM:", StringComparison.Ordinal));
        return long.Parse(line["VmHWM:".Length..^"kB".Length].Trim(), CultureInfo.InvariantCulture);
    }

    private async Task<string?> StoredAsync(string name) => (await master.Etcd.FindAsync(master.Keys.Jobs + name))?.Value.ToStringUtf8();

    private Task<string> SaveAsync(string job) => PostAsync("/job/save", "job", job);

    private async Task<string> RunAsync(string body)
    {
        using var content = new StringContent(body, Encoding.UTF8, "application/json");
        using var answer = await master.Http.PostAsync($"/api/v1/jobs/{_name}/run", content);
        return await answer.Content.ReadAsStringAsync();
    }

    private async Task<string> PostAsync(string path, string field, string value)
    {
        using var form = new FormUrlEncodedContent([new(field, value)]);
        using var answer = await master.Http.PostAsync(path, form);
        return await answer.Content.ReadAsStringAsync();
    }
}
