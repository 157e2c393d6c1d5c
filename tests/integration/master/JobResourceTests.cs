using System.Globalization;
using System.Net;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Dts.Common.Jobs;
using Dts.Tests.Support;
using Dts.Worker.Sessions;
using Xunit;

namespace Dts.Tests.Integration.Master;

/// <summary>One job over HTTP.</summary>
/// <remarks>One master for all tests here: each has jobs of its own.</remarks>
public sealed class JobResourceTests(MasterProcess master) : IClassFixture<MasterProcess>
{
    private const string Daily = """{"command":"echo hello","cronExpr":"0 3 * * *"}""";

    private readonly string _name = $"job-{Guid.NewGuid():N}";

    private string Url => $"/api/v1/jobs/{_name}";

    [Fact]
    public async Task A_put_creates_a_job_and_then_replaces_it_and_says_what_the_schedule_means()
    {
        var (created, first) = await SendAsync(HttpMethod.Put, Url, Daily);
        var (replaced, _) = await SendAsync(HttpMethod.Put, Url, Daily.Replace("hello", "more", StringComparison.Ordinal));

        Assert.Equal((HttpStatusCode.Created, HttpStatusCode.OK), (created.StatusCode, replaced.StatusCode));
        Assert.Equal(Url, created.Headers.Location!.ToString());
        Assert.Equal((_name, "at 03:00 every day, UTC"), ((string?)first["job"]!["name"], (string?)first["words"]));
        Assert.Equal(5, first["next"]!.AsArray().Count);
        Assert.All(first["next"]!.AsArray(), time => Assert.EndsWith("T03:00:00Z", (string?)time));
        Assert.Empty(first["warnings"]!.AsArray());
        var (read, job) = await SendAsync(HttpMethod.Get, Url);
        Assert.Equal("echo more", (string?)job["command"]);
        Assert.Equal(replaced.Headers.ETag, read.Headers.ETag);
        Assert.Equal(
            (await master.Etcd.FindAsync(master.Keys.Job(JobName.Parse(_name))))!.ModRevision,
            long.Parse(read.Headers.ETag!.Tag.Trim('"'), CultureInfo.InvariantCulture));
    }

    [Fact]
    public async Task A_patch_changes_the_members_that_it_names_and_null_sets_the_default()
    {
        await SendAsync(
            HttpMethod.Put,
            Url,
            """
            {"command":"a","cronExpr":"0 3 * * *","timeoutSeconds":9,"labels":{"team":"pay","of":"x"},"retry":{"max":3,"delaySeconds":1}}
            """);

        var (answer, saved) = await SendAsync(
            HttpMethod.Patch,
            Url,
            """{"command":"b","timeoutSeconds":null,"labels":{"of":null},"retry":{"max":4}}""",
            type: "application/merge-patch+json");

        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        var job = saved["job"]!;
        Assert.Equal(("b", 0, """{"team":"pay"}"""), ((string?)job["command"], (int)job["timeoutSeconds"]!, job["labels"]!.ToJsonString()));
        Assert.Equal((4, 1), ((int)job["retry"]!["max"]!, (int)job["retry"]!["delaySeconds"]!));
        Assert.Equal(HttpStatusCode.NotFound, (await SendAsync(HttpMethod.Patch, $"{Url}-other", """{"command":"b"}""")).Answer.StatusCode);
    }

    [Fact]
    public async Task A_stale_save_is_refused_with_the_changed_members()
    {
        var (first, _) = await SendAsync(HttpMethod.Put, Url, Daily);
        var (second, _) = await SendAsync(HttpMethod.Patch, Url, """{"command":"theirs","timeoutSeconds":5}""");

        foreach (var method in new[] { HttpMethod.Put, HttpMethod.Patch, HttpMethod.Delete })
        {
            var body = method == HttpMethod.Delete ? null : Daily;
            var problem = await RefusedAsync(method, body);

            var (then, now) = (first.Headers.ETag!.Tag.Trim('"'), second.Headers.ETag!.Tag.Trim('"'));
            var difference = problem["difference"]!.AsObject();
            var at = (DateTimeOffset)difference["at"]!;
            Assert.Equal(
                $"job \"{_name}\" has changed since revision {then} in command, timeoutSeconds (by local from 127.0.0.1 at "
                    + $"{at.UtcDateTime:yyyy-MM-ddTHH:mm:ssZ}); read revision {now}, and change that",
                (string?)problem["detail"]);
            Assert.InRange(at, DateTimeOffset.UtcNow.AddMinutes(-1), DateTimeOffset.UtcNow);
            difference.Remove("at");
            Assert.Equal(
                $$"""{"revision":{{now}},"members":["command","timeoutSeconds"],"by":"local","from":"127.0.0.1"}""",
                difference.ToJsonString());
        }

        var (renewed, _) = await SendAsync(HttpMethod.Put, Url, Daily, headers: [("If-Match", second.Headers.ETag!.Tag)]);
        Assert.Equal(HttpStatusCode.OK, renewed.StatusCode);

        async Task<JsonNode> RefusedAsync(HttpMethod method, string? body)
        {
            JsonNode problem = null!;
            await Patience.Until(
                async () =>
                {
                    (var stale, problem) = await SendAsync(method, Url, body, headers: [("If-Match", first.Headers.ETag!.Tag)]);
                    Assert.Equal(HttpStatusCode.PreconditionFailed, stale.StatusCode);
                    return problem["difference"]!["by"] is not null; // The author is named if found within a second.
                },
                () => problem.ToJsonString());
            return problem;
        }
    }

    [Fact]
    public async Task Pause_and_resume_heed_If_Match()
    {
        var (first, _) = await SendAsync(HttpMethod.Put, Url, Daily);
        var (second, _) = await SendAsync(HttpMethod.Patch, Url, """{"command":"theirs"}""");

        var (stale, problem) = await SendAsync(HttpMethod.Post, $"{Url}/pause", headers: [("If-Match", first.Headers.ETag!.Tag)]);
        var (met, job) = await SendAsync(HttpMethod.Post, $"{Url}/pause", headers: [("If-Match", second.Headers.ETag!.Tag)]);

        Assert.Equal(HttpStatusCode.PreconditionFailed, stale.StatusCode);
        Assert.StartsWith($"job \"{_name}\" has changed since revision ", (string?)problem["detail"]);
        Assert.Equal((HttpStatusCode.OK, false), (met.StatusCode, (bool)job["enabled"]!));
    }

    [Fact]
    public async Task A_save_that_changes_nothing_keeps_the_ETag()
    {
        var (first, _) = await SendAsync(HttpMethod.Put, Url, Daily);
        await SendAsync(HttpMethod.Post, $"{Url}/resume");
        var (again, _) = await SendAsync(HttpMethod.Put, Url, Daily, headers: [("If-Match", first.Headers.ETag!.Tag)]);

        Assert.Equal((HttpStatusCode.OK, first.Headers.ETag), (again.StatusCode, again.Headers.ETag));
    }

    [Fact]
    public async Task A_refusal_names_no_author_of_a_job_that_was_put_by_hand()
    {
        var (first, _) = await SendAsync(HttpMethod.Put, Url, Daily);
        var name = JobName.Parse(_name);
        await master.Etcd.PutAsync(master.Keys.Job(name), (await master.Etcd.FindAsync(master.Keys.Job(name)))!.Value.ToStringUtf8());

        var (stale, problem) = await SendAsync(HttpMethod.Put, Url, Daily, headers: [("If-Match", first.Headers.ETag!.Tag)]);

        Assert.Equal(HttpStatusCode.PreconditionFailed, stale.StatusCode);
        Assert.Matches("has changed since revision [0-9]+; read revision [0-9]+, and change that$", (string?)problem["detail"]);
        Assert.Null(problem["difference"]!["by"]);
    }

    [Fact]
    public async Task A_condition_of_several_revisions_is_refused_as_what_it_is()
    {
        var (saved, _) = await SendAsync(HttpMethod.Put, Url, Daily);

        var (stale, problem) = await SendAsync(HttpMethod.Put, Url, Daily, headers: [("If-Match", "\"1\", \"2\"")]);

        Assert.Equal(HttpStatusCode.PreconditionFailed, stale.StatusCode);
        Assert.Contains("has changed since the revisions that If-Match names", (string?)problem["detail"]);
        Assert.Contains(saved.Headers.ETag!.Tag.Trim('"'), (string?)problem["detail"]);
    }

    [Theory]
    [InlineData("*",                       HttpStatusCode.NotModified)]
    [InlineData("W/\"of-a-cache\"",        HttpStatusCode.OK)]
    [InlineData("\"1\", \"of-a-cache\"",  HttpStatusCode.OK)]
    public async Task A_get_takes_every_form_of_If_None_Match(string header, HttpStatusCode status)
    {
        await SendAsync(HttpMethod.Put, Url, Daily);
        using var request = new HttpRequestMessage(HttpMethod.Get, Url);
        request.Headers.TryAddWithoutValidation("If-None-Match", header);

        using var answer = await master.Http.SendAsync(request);

        Assert.Equal(status, answer.StatusCode);
    }

    [Fact]
    public async Task Two_clients_that_edit_one_job_at_once_lose_no_update()
    {
        const int edits = 25;
        await SendAsync(HttpMethod.Put, Url, """{"command":"a","cronExpr":"0 3 * * *","env":{"N":"0"}}""");
        await Task.WhenAll(EditAsync("ONE"), EditAsync("OTHER"), PatchAsync());

        var (_, job) = await SendAsync(HttpMethod.Get, Url);
        Assert.Equal($"{2 * edits}", (string?)job["env"]!["N"]);
        Assert.Equal((edits, edits), (Count("ONE"), Count("OTHER")));
        Assert.Equal(edits, (int)job["timeoutSeconds"]!);

        int Count(string client) => int.Parse((string)job["env"]![client]!, CultureInfo.InvariantCulture);

        // Reads the job, adds one to what all share and to what is its own, and saves it with If-Match.
        async Task EditAsync(string client)
        {
            for (var done = 0; done < edits;)
            {
                var (read, seen) = await SendAsync(HttpMethod.Get, Url);
                seen["env"]!["N"] = $"{int.Parse((string)seen["env"]!["N"]!, CultureInfo.InvariantCulture) + 1}";
                seen["env"]![client] = $"{done + 1}";
                var (saved, _) = await SendAsync(HttpMethod.Put, Url, seen.ToJsonString(), headers: [("If-Match", read.Headers.ETag!.Tag)]);
                Assert.Contains(saved.StatusCode, new[] { HttpStatusCode.OK, HttpStatusCode.PreconditionFailed });
                done += saved.StatusCode == HttpStatusCode.OK ? 1 : 0;
            }
        }

        // A patch without a condition changes one member of the present job, whatever that is.
        async Task PatchAsync()
        {
            for (var n = 1; n <= edits; n++)
            {
                var (saved, _) = await SendAsync(HttpMethod.Patch, Url, $$"""{"timeoutSeconds":{{n}}}""");
                n -= saved.StatusCode == HttpStatusCode.Conflict ? 1 : 0;
            }
        }
    }

    [Fact]
    public async Task A_job_that_must_be_new_does_not_replace_another()
    {
        var (created, _) = await SendAsync(HttpMethod.Put, Url, Daily, headers: [("If-None-Match", "*")]);
        var (refused, problem) = await SendAsync(HttpMethod.Put, Url, Daily, headers: [("If-None-Match", "*")]);

        Assert.Equal((HttpStatusCode.Created, HttpStatusCode.PreconditionFailed), (created.StatusCode, refused.StatusCode));
        Assert.Equal($"job \"{_name}\" exists already; expected none, as If-None-Match says", (string?)problem["detail"]);
    }

    [Fact]
    public async Task A_client_that_has_the_present_version_is_sent_no_body()
    {
        var (saved, _) = await SendAsync(HttpMethod.Put, Url, Daily);
        using var request = new HttpRequestMessage(HttpMethod.Get, Url);
        request.Headers.IfNoneMatch.Add(saved.Headers.ETag!);

        using var answer = await master.Http.SendAsync(request);

        Assert.Equal(HttpStatusCode.NotModified, answer.StatusCode);
        Assert.Equal("", await answer.Content.ReadAsStringAsync());
    }

    [Fact]
    public async Task A_trial_answers_like_a_save_and_saves_nothing()
    {
        var (answer, trial) = await SendAsync(HttpMethod.Put, $"{Url}?dryRun=true", Daily);

        Assert.Equal((HttpStatusCode.OK, "at 03:00 every day, UTC"), (answer.StatusCode, (string?)trial["words"]));
        Assert.Equal(HttpStatusCode.NotFound, (await SendAsync(HttpMethod.Get, Url)).Answer.StatusCode);
        Assert.Empty(await master.Etcd.ListAsync(master.Keys.AllHistory + _name));
    }

    [Fact]
    public async Task Unknown_members_are_refused_and_named_with_the_known_ones_and_kept_when_the_client_insists()
    {
        const string job = """
            {"command":"a","cronExpr":"0 3 * * *","timezone":"UTC","target":{"worker":["w1"]},"owner":"me"}
            """;

        var (refused, problem) = await SendAsync(HttpMethod.Put, Url, job);

        Assert.Equal(HttpStatusCode.UnprocessableEntity, refused.StatusCode);
        Assert.Equal(
            ("urn:dts:unknown-member", "timezone", "timeZone"),
            ((string?)problem["type"], (string?)problem["field"], (string?)problem["expected"]));
        Assert.Equal(
            "member \"timezone\" is not known, did you mean \"timeZone\"?; member \"owner\" is not known; "
                + "member \"target.worker\" is not known, did you mean \"workers\"?; ?lenient=true keeps it",
            (string?)problem["detail"]);

        var (_, kept) = await SendAsync(HttpMethod.Put, $"{Url}?lenient=true", job);
        Assert.Equal("me", (string?)kept["job"]!["owner"]);
        Assert.Equal(
            [
                "member \"timezone\" is not known, did you mean \"timeZone\"?; it is kept and has no effect",
                "member \"owner\" is not known; it is kept and has no effect",
                "member \"target.worker\" is not known, did you mean \"workers\"?; it was left out",
            ],
            Warnings(kept));

        // What the job has already does not need to be insisted on.
        var (_, read) = await SendAsync(HttpMethod.Get, Url);
        Assert.Equal(HttpStatusCode.OK, (await SendAsync(HttpMethod.Put, Url, read.ToJsonString())).Answer.StatusCode);
    }

    [Fact]
    public async Task A_save_warns_of_surprising_effects()
    {
        var lease = await master.Etcd.GrantAsync(TimeSpan.FromMinutes(1));
        var worker = new WorkerRegistration("host", "10.0.0.1", "0", new ProcessIdentity("boot", 1, 1), 8, Some.Now);
        await master.Etcd.PutAsync(master.Keys.Worker("w1"), JsonSerializer.Serialize(worker, JobsJson.Readable.WorkerRegistration), lease);

        var (_, saved) = await SendAsync(HttpMethod.Put, Url, """
            {"command":"a\r\nb","cronExpr":"0 0 3 13 * 5","target":{"workers":["w9"]}}
            """);
        var (_, fine) = await SendAsync(HttpMethod.Put, Url, """{"command":"a","cronExpr":"0 3 * * *","target":{"workers":["w1"]}}""");

        Assert.Equal(
            [
                "command had Windows line ends (CRLF); they were saved as LF",
                "day of month and day of week are both set: the job runs on days that match either",
                "target matches no live worker (w9); until one does, its fires are missed",
            ],
            Warnings(saved));
        Assert.Empty(Warnings(fine));
        await master.Etcd.RevokeAsync(lease);
    }

    [Theory]
    [InlineData("nonsense",                                      400, "body is not JSON (line 1, byte 2); expected an object such as "
        + """{"command":"…","cronExpr":"…"}""", null)]
    [InlineData("[1]",                                           422, "body is not a JSON object; expected an object such as "
        + """{"command":"…","cronExpr":"…"}""", null)]
    [InlineData("""{"command":"a"}""",                           422, "cronExpr is missing; expected a text", "cronExpr")]
    [InlineData("""{"command":" ","cronExpr":"* * * * *"}""",    422, "command is empty; expected a shell command", "command")]
    [InlineData("""{"command":"a","cronExpr":"* * * * *","retry":{"max":200}}""", 422, "retry.max is 200; expected 0 to 100", "retry.max")]
    [InlineData("""{"command":"a","cronExpr":"* * * * *","name":"other"}""", 422, null, "name")]
    [InlineData("""{"command":"a","cronExpr":"@at 2020-01-01T00:00:00Z"}""", 422, "cronExpr \"@at 2020-01-01T00:00:00Z\" never fires "
        + "from now on; expected an expression that does", "cronExpr")]
    [InlineData("""{"command":"a","cronExpr":"* * * * *","timeZone":"Europe/Berln"}""", 422, null, "timeZone")]
    [InlineData("""{"command":"\udfff","cronExpr":"* * * * *"}""", 422, "body has text that is not Unicode; "
        + "expected UTF-8 without lone surrogates", null)]
    public async Task A_wrong_job_is_refused_with_its_field_and_not_stored(string body, int status, string? detail, string? field)
    {
        var (answer, problem) = await SendAsync(HttpMethod.Put, Url, body);

        Assert.Equal((status, field), ((int)answer.StatusCode, (string?)problem["field"]));
        Assert.Equal(detail ?? (string?)problem["detail"], (string?)problem["detail"]);
        Assert.Null(await master.Etcd.FindAsync(master.Keys.Jobs + _name));
    }

    [Fact]
    public async Task A_decomposed_name_is_saved_composed_with_a_warning()
    {
        var (_, saved) = await SendAsync(HttpMethod.Put, $"/api/v1/jobs/e%CC%81-{_name}", Daily);

        Assert.Equal($"\u00e9-{_name}", (string?)saved["job"]!["name"]);
        Assert.Equal(["name had separate letters and accents; it was saved in Unicode's composed form (NFC)"], Warnings(saved));
    }

    [Fact]
    public async Task Pause_resume_and_delete_answer_the_job()
    {
        await SendAsync(HttpMethod.Put, Url, Daily);

        Assert.False((bool)(await SendAsync(HttpMethod.Post, $"{Url}/pause")).Body["enabled"]!);
        Assert.True((bool)(await SendAsync(HttpMethod.Post, $"{Url}/resume")).Body["enabled"]!);
        Assert.Equal(_name, (string?)(await SendAsync(HttpMethod.Delete, Url)).Body["name"]);
        Assert.Equal(HttpStatusCode.NotFound, (await SendAsync(HttpMethod.Delete, Url)).Answer.StatusCode);
    }

    [Fact]
    public async Task A_request_that_two_masters_get_runs_the_job_once()
    {
        await SendAsync(HttpMethod.Put, Url, Daily);
        var key = ("Idempotency-Key", $"deploy {_name}");

        var (first, asked) = await SendAsync(HttpMethod.Post, $"{Url}/run", """{"env":{"A":"1"}}""", headers: [key]);
        var (again, repeated) = await SendAsync(HttpMethod.Post, $"{Url}/run", """{"env":{"A":"1"}}""", headers: [key]);
        var (other, problem) = await SendAsync(HttpMethod.Post, $"{Url}/run", """{"env":{"A":"2"}}""", headers: [key]);

        Assert.Equal((HttpStatusCode.Accepted, HttpStatusCode.Accepted), (first.StatusCode, again.StatusCode));
        Assert.Equal((string?)asked["runId"], (string?)repeated["runId"]);
        Assert.Equal(("false", "true"), (Replayed(first), Replayed(again)));
        Assert.Equal(HttpStatusCode.UnprocessableEntity, other.StatusCode);
        Assert.Equal("Idempotency-Key", (string?)problem["field"]);
        Assert.Single(await master.Etcd.ListAsync(master.Keys.QueueOf(JobName.Parse(_name))));

        static string Replayed(HttpResponseMessage answer) => answer.Headers.GetValues("Idempotency-Replayed").Single();
    }

    [Fact]
    public async Task A_run_can_make_up_for_a_past_planned_time_and_for_no_other()
    {
        await SendAsync(HttpMethod.Put, Url, Daily);

        var (asked, run) = await SendAsync(HttpMethod.Post, $"{Url}/run", """{"planTime":"2026-11-20T06:30:00Z"}""");
        var (late, future) = await SendAsync(HttpMethod.Post, $"{Url}/run", """{"planTime":"2099-11-20T06:30:00Z"}""");
        var (wrong, _) = await SendAsync(HttpMethod.Post, $"{Url}/run", """{"planTime":"half past six"}""");

        Assert.Equal(HttpStatusCode.Accepted, asked.StatusCode);
        Assert.StartsWith("20261120T063000Z-manual-", (string?)run["runId"], StringComparison.Ordinal);
        Assert.Equal((HttpStatusCode.UnprocessableEntity, HttpStatusCode.UnprocessableEntity), (late.StatusCode, wrong.StatusCode));
        Assert.Contains("expected a past time", (string?)future["detail"], StringComparison.Ordinal);
        foreach (var early in new[] { "1970-01-01T00:00:00Z", "1999-12-31T23:59:59Z" })
        {
            Assert.Equal(
                $"planTime is \"{early}\"; expected a past time since 2000-01-01T00:00:00Z, such as 2026-11-26T06:30:00Z",
                (string?)(await SendAsync(HttpMethod.Post, $"{Url}/run", $$"""{"planTime":"{{early}}"}""")).Body["detail"]);
        }

        var queued = (await master.Etcd.ListAsync(master.Keys.QueueOf(JobName.Parse(_name)))).Single();
        Assert.Contains("\"trigger\":\"manual\"", queued.Value.ToStringUtf8(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_client_can_wait_for_the_record_of_its_run()
    {
        await SendAsync(HttpMethod.Put, Url, Daily);
        var waiting = SendAsync(HttpMethod.Post, $"{Url}/run?wait=30");
        await Patience.Until(() => Queued().Count == 1, master.Said);
        var runId = Queued()[0].Key.ToStringUtf8().Split('/')[^1];

        await master.LogStore.WriteAsync([Some.Record(0, _name) with { Id = $"{_name}/{runId}" }], CancellationToken.None);

        var (answer, record) = await waiting;
        Assert.Equal((HttpStatusCode.OK, $"{_name}/{runId}"), (answer.StatusCode, (string?)record["_id"]));

        // When the time is up, the answer is the run's id.
        var (late, asked) = await SendAsync(HttpMethod.Post, $"{Url}/run?wait=1");
        Assert.Equal((HttpStatusCode.Accepted, _name), (late.StatusCode, (string?)asked["jobName"]));

        IReadOnlyList<Mvccpb.KeyValue> Queued() => master.Etcd.ListAsync(master.Keys.QueueOf(JobName.Parse(_name))).Result;
    }

    [Fact]
    public async Task A_kill_passes_its_reason_to_the_workers_and_names_its_runs()
    {
        var name = JobName.Parse(_name);
        await SendAsync(HttpMethod.Put, Url, Daily);
        var (_, asked) = await SendAsync(HttpMethod.Post, $"{Url}/run");
        var run = new ClaimedRun("w1", "1", Some.Now, RunSpec.Scheduled(Some.Now));
        await master.Etcd.PutAsync(master.Keys.Run(name, run.Run.Id), JsonSerializer.Serialize(run, JobsJson.Readable.ClaimedRun));

        var (answer, effect) = await SendAsync(HttpMethod.Post, $"{Url}/kill", """{"reason":"disk is full"}""");

        Assert.Equal(HttpStatusCode.Accepted, answer.StatusCode);
        Assert.Equal(
            $$"""{"running":["{{run.Run.Id}}"],"cancelled":["{{(string?)asked["runId"]}}"]}""", effect.ToJsonString());
        Assert.Equal("disk is full", (await master.Etcd.FindAsync(master.Keys.Killer(name)))!.Value.ToStringUtf8());
        Assert.Contains(
            "killed before it started: disk is full",
            Assert.Single(await master.Etcd.ListAsync(master.Keys.AllOwed + _name)).Value.ToStringUtf8(),
            StringComparison.Ordinal);
        await master.Etcd.DeleteAsync(master.Keys.Run(name, run.Run.Id));
        Assert.Equal(HttpStatusCode.NotFound, (await SendAsync(HttpMethod.Post, $"{Url}/kill?runId=x")).Answer.StatusCode);
        Assert.Equal(HttpStatusCode.NotFound, (await SendAsync(HttpMethod.Post, $"{Url}-other/kill")).Answer.StatusCode);
    }

    [Theory]
    [InlineData("""{"reason":""}""",         "reason is \"\"; expected 1 to 200 printable characters")]
    [InlineData("""{"reason":"a\nb"}""",     "reason is \"a?b\"; expected 1 to 200 printable characters")]
    [InlineData("""{"reason":1}""",          "reason is 1; expected a text")]
    [InlineData("""{"raison":"x"}""",        "member \"raison\" is not known; expected reason or runId")]
    public async Task A_wrong_kill_asks_for_nothing(string body, string detail)
    {
        await SendAsync(HttpMethod.Put, Url, Daily);

        var (answer, problem) = await SendAsync(HttpMethod.Post, $"{Url}/kill", body);

        Assert.Equal((HttpStatusCode.UnprocessableEntity, detail), (answer.StatusCode, (string?)problem["detail"]));
        Assert.Null(await master.Etcd.FindAsync(master.Keys.Killers + _name));
    }

    [Fact]
    public async Task A_schedule_is_shown_before_it_is_saved()
    {
        var (_, preview) = await SendAsync(
            HttpMethod.Get, "/api/v1/schedule/preview?expr=0+3+13+*+5&zone=Europe/Berlin&from=2026-11-22&n=2");

        Assert.Equal("""["2026-11-27T02:00:00Z","2026-12-04T02:00:00Z"]""", preview["next"]!.ToJsonString());
        Assert.EndsWith("Europe/Berlin time", (string?)preview["description"]);
        Assert.StartsWith("day of month and day of week are both set", Warnings(preview).First());

        var (refused, problem) = await SendAsync(HttpMethod.Get, "/api/v1/schedule/preview?expr=75+*+*+*+*");
        Assert.Equal((HttpStatusCode.UnprocessableEntity, "cronExpr"), (refused.StatusCode, (string?)problem["field"]));
        Assert.StartsWith("cronExpr \"75 * * * *\": ", (string?)problem["detail"]);
    }

    private static IEnumerable<string> Warnings(JsonNode answer) => answer["warnings"]!.AsArray().Select(warning => (string)warning!);

    private async Task<(HttpResponseMessage Answer, JsonNode Body)> SendAsync(
        HttpMethod method,
        string path,
        string? body = null,
        string type = "application/json",
        params (string Name, string Value)[] headers)
    {
        using var request = new HttpRequestMessage(method, path);
        if (body is not null)
        {
            request.Content = new StringContent(body, Encoding.UTF8, new MediaTypeHeaderValue(type));
        }

        foreach (var (name, value) in headers)
        {
            request.Headers.Add(name, value);
        }

        var answer = await master.Http.SendAsync(request);
        return (answer, JsonNode.Parse(await answer.Content.ReadAsStringAsync())!);
    }
}
