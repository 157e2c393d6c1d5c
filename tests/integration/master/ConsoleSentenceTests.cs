using System.Text.Json.Nodes;
using Dts.Master.Access;
using Dts.Tests.Support;
using Dts.Worker.Commands;
using Dts.Worker.Fires;
using Dts.Worker.Runs;
using Dts.Worker.Sessions;
using Xunit;

namespace Dts.Tests.Integration.Master;

/// <summary>What the API says to people at the console has Chinese in its dictionary, word for word as the API says it now.</summary>
public sealed class ConsoleSentenceTests(AccessMaster access) : IClassFixture<AccessMaster>
{
    private const string Crontab =
        """
        MAILTO=ops@example.com
        MAILFROM=dts@example.com
        CONTENT_TYPE=text/plain
        RANDOM_DELAY=5
        LOGNAME=mara
        HOME=/srv/app
        TZ=Mars/Olympus
        TZ=Europe/Berlin
        PATH=$HOME/bin:/usr/bin
        DTS_MODE=1
        a-b=1
        OPEN="left
        MORE="one"two
        0 1 * * * in-berlin
        TZ=Mars/Olympus
        -0 1 * * * quiet
        0 2 * * * cat%input
        SHELL=/usr/bin/fish
        0 3 * * * cat%input
        SHELL=/bin/sh
        5/15 * * * * step
        0~30 4 * * * random
        0 5 */2 * 1 both
        0 6
        @daily
        @reboot start
        0 0 31 2 * never
        61 * * * * too-late
        #0 5 * * * old
        # dts: [1]
        0 8 * * * list
        # dts: {"name":"wrong-retry","retry":{"max":200}}
        0 9 * * * retry
        # dts: {"name":"\ud800"}
        0 9 * * * surrogate
        # dts-job: {"name":"twice","command":"true","cronExpr":"0 0 1 1 *"}
        # dts-job: {"name":"twice","command":"true","cronExpr":"0 0 1 1 *"}
        # dts-job: {"name":"no-command"}
        # dts-job: {"name":"own","command":"false","cronExpr":"0 0 1 1 *"}
        # dts-job: {"name":"self","command":"true","cronExpr":"0 0 1 1 *","then":["self"]}
        # dts-job: {"name":"over","command":"true","cronExpr":"@at 2001-01-01T00:00Z"}
        # dts-job: {"name":"channel","command":"true","cronExpr":"0 0 1 1 *","alert":{"channel":"pager"}}
        # dts-job: {"name":"lines","command":"true\r\nfalse","cronExpr":"0 0 1 1 *"}
        # dts-job: {"name":"e\u0301","command":"true","cronExpr":"0 0 1 1 *"}
        CRON_TZ=UTC
        TZ=Europe/Paris
        0 10 * * * in-utc
        """;

    [Fact]
    public async Task Notes_and_reasons_of_an_import_are_Chinese()
    {
        var many = string.Concat(Enumerable.Range(0, 5).Select(i => $"BIG{i}={new string('x', 9000)}\n")) + "0 1 * * * big";
        (string Who, string Query, string Text)[] imports =
        [
            ("admin", "", Crontab),
            ("admin", "", Crontab.Replace("\n", "\r\n", StringComparison.Ordinal)),
            ("admin", "replace=true", Crontab),
            ("admin", "", many),
            ("admin", "format=system", "* * * * * root\n@daily root\n0 1 * * * ro/ot true\n0 1 * * * root true"),
            ("editor limited", "user=root", "0 1 * * * true"),
            ("editor limited", "label=team=pay&user=root", "0 1 * * * true"),
            ("editor limited", "label=team=pay", """# dts-job: {"name":"foreign","command":"true","cronExpr":"0 0 1 1 *"}"""),
            ("editor limited", "label=team=pay", """# dts-job: {"name":"x","command":"true","cronExpr":"0 0 1 1 *","then":["foreign"]}"""),
        ];
        List<string> said = [];
        foreach (var (who, query, text) in imports)
        {
            var answer = await GiveAsync(who, "POST", $"import?dryRun=true&{query}", text);
            Assert.True(answer["lines"] is not null, answer.ToJsonString());
            said.AddRange(Texts(answer["notes"]));
            foreach (var line in answer["lines"]!.AsArray())
            {
                said.AddRange(Texts(line!["notes"]));
                said.AddRange(line["reason"] is { } reason ? [(string)reason!] : []);
            }
        }

        await AssertRefusedAsync(said,
            [
                new("editor", "POST", "import?format=system&user=root", "0 1 * * * root true"),
                new("editor", "POST", "import", "0 1 * * * mara true x"),
                new("editor", "POST", "import", "0 1 * * * root true x\n0 1 * * * cd /x"),
                new("editor", "POST", "import?format=user", $"{new string('\n', 100_001)}"),
                new("editor", "POST", "import?format=user", $"{string.Concat(Enumerable.Repeat("0 1 * * * x\n", 10_001))}"),
                new("editor", "POST", "import?label=a", "0 1 * * * x"),
                new("editor", "POST", "import?label=a=1&label=a=2", "0 1 * * * x"),
            ]);
    }

    [Fact]
    public async Task Warnings_of_schedules_and_why_they_are_refused_are_Chinese()
    {
        string[] surprising =
        [
            "@at 2001-01-01T00:00Z", "0 5 3 * * *", "*/7 * * * *", "0 */5 * * *", "*/7 * * * * *", "0 0 13 * 5", "0 0 */2 * 1",
            "0 0 31 * *", "0 0 L-29 * *", "30 2 * * *", "*/10 2 * * *",
        ];
        string[] wrong =
        [
            "", new('1', 5000), "0\u00a03 * * *", "0\u20033 * * *", "0\u200b3 * * *", "0 0 31 2 *", "0 0 * * 1|2", "0", "0 0",
            "0 0 1 1 * 2030", "0 0 1 1 1 2030-2020", "@reboot", "@often", "@daily 3", "@every", "@every x", "@every 5ms", "@every 9999w",
            "@at 2026-12-24T18:00", "@at soon", "@at 2500-01-01T00:00Z", "60 * * * *", "0 24 * * *", "0 30 * * *", "0 0 0 * *",
            "2030 0 1 * *", "x * * * *", "* * * * jan", "* * mon * *", "* * * * L", "* * * L *", "* * * * mondax", "* * * * moo",
            "1- * * * *", "1; * * * *", "* * * * 1#9", "* * L-99 * *", "*/0 * * * *", "*/90 * * * *", "* * * */90 *", "* * */40 * *",
            "H * * * *", "0,H * * * *", "0 0 0 1 1 * 2030-2020",
        ];
        string[] wrongForAName = ["H(9-1) * * * *", "H(1 * * * *", "* * H(5-1) * *"];
        string[] wrongZones = ["Europe/Berln", "Nowhere/At/All", "Etc/GMT-99"];
        List<string> said = [];
        foreach (var expr in surprising)
        {
            said.AddRange(Texts((await GiveAsync("viewer", "GET", Preview(expr, "&zone=Europe/Berlin")))["warnings"]));
        }

        Assert.True(said.Distinct().Count() >= surprising.Length, string.Join('\n', said));
        var paths = wrong.Select(expr => Preview(expr))
            .Concat(wrongForAName.Select(expr => Preview(expr, "&name=x")))
            .Concat(wrongZones.Select(zone => Preview("@daily", $"&zone={zone}")));
        await AssertRefusedAsync(said, paths.Select(path => new Attempt("viewer", "GET", path)));

        static string Preview(string expr, string more = "") => $"schedule/preview?expr={Uri.EscapeDataString(expr)}{more}";
    }

    [Fact]
    public async Task What_is_wrong_with_a_job_is_Chinese()
    {
        string[] members =
        [
            """{"command":""}""", """{"command":5}""", """{"command":"a\u0000b"}""", $$"""{"command":"{{new string('x', 100_001)}}"}""",
            """{"cronExpr":"x"}""", """{"cronExpr":null}""", """{"timeZone":"Mars/Olympus"}""", """{"description":1}""",
            """{"enabled":"yes"}""", """{"labels":[]}""", """{"labels":{"":"x"}}""", """{"mode":"two"}""", """{"target":1}""",
            """{"overlap":"x"}""", """{"misfire":"x"}""", """{"startDeadlineSeconds":0}""", """{"startDeadlineSeconds":"x"}""",
            """{"timeoutSeconds":-1}""", """{"timeoutSeconds":1e99}""", """{"killGraceSeconds":9999}""", """{"retry":1}""",
            """{"retry":{"max":200}}""", """{"retry":{"delaySeconds":-1}}""", """{"retry":{"backoff":0.5}}""",
            """{"onWorkerLost":"x"}""", """{"onDisconnect":"x"}""", """{"user":"-root"}""", """{"cwd":"srv"}""", """{"env":{"a-b":"1"}}""",
            """{"env":{"DTS_X":"1"}}""", """{"env":{"A":"\u0000"}}""", """{"env":[]}""", """{"env":{"A":null}}""",
            """{"env":{"A":"•••"}}""",
            $$$"""{"env":{"A":"{{{new string('x', 100_001)}}}"}}""", """{"shell":"sh"}""", """{"memoryMax":"1x"}""", """{"memoryMax":1}""",
            """{"cpuMax":"x"}""", """{"cpuMax":0.001}""", """{"pidsMax":-1}""", """{"pidsMax":"x"}""", """{"outputLimitBytes":1}""",
            """{"outputLimitBytes":"x"}""", """{"retentionDays":-1}""", """{"retentionDays":"x"}""", """{"secrets":["DTS_X"]}""",
            """{"secrets":["a","a"]}""", """{"secrets":"x"}""", """{"then":["a/b"]}""", """{"then":"x"}""", """{"then":["x"]}""",
            """{"onFailure":"x"}""", """{"alert":1}""", """{"alert":{"channel":"a b"}}""", """{"alert":{"channel":"pager"}}""",
            """{"alert":{"channel":"pager","on":[]}}""", """{"alert":{"channel":"pager","after":99}}""",
            """{"alert":{"channel":"pager","on":["noSuccess"]}}""", """{"alert":{"channel":"pager","on":["sometimes"]}}""",
            """{"comand":"x"}""", """{"quux":"x"}""", """{"name":"other"}""", """{"cronExpr":"@at 2001-01-01T00:00Z"}""",
            $$"""{"then":[{{string.Join(',', Enumerable.Range(0, 21).Select(i => $"\"j{i}\""))}}]}""",
            $$"""{"secrets":[{{string.Join(',', Enumerable.Range(0, 21).Select(i => $"\"s{i}\""))}}]}""",
            $$$"""{"labels":{ {{{string.Join(',', Enumerable.Range(0, 33).Select(i => $"\"l{i}\":\"\""))}}} }}""",
        ];
        string[] names = ["a%2Fb", "%07", "%20x", "%E2%80%8Bx", ".%20", new('x', 201)];
        var wrong = members.Select(member => new Attempt("admin", "PUT", "jobs/x?dryRun=true", With(member)))
            .Concat(names.Select(name => new Attempt("admin", "PUT", $"jobs/{name}?dryRun=true", With("{}"))))
            .Append(new Attempt("admin", "PUT", "jobs/own?dryRun=true", With("""{"then":["own"]}""")));
        string[] surprising =
        [
            """{"command":"a\r\nb"}""", """{"target":{"workers":["w9"]}}""", """{"quux":1,"retry":{"maximum":1}}""",
        ];
        List<string> said = [];
        foreach (var member in surprising)
        {
            var answer = await GiveAsync("admin", "PUT", "jobs/x?dryRun=true&lenient=true", With(member));
            said.AddRange(Texts(answer["warnings"]));
        }

        said.AddRange(Texts((await GiveAsync("admin", "PUT", "jobs/e%CC%81?dryRun=true", With("{}")))["warnings"]));
        Assert.True(said.Count >= 5, string.Join('\n', said));
        await AssertRefusedAsync(said, [.. wrong]);

        static string With(string member)
        {
            var job = new JsonObject { ["command"] = "true", ["cronExpr"] = "0 0 1 1 *" };
            foreach (var (name, value) in JsonNode.Parse(member)!.AsObject())
            {
                job[name] = value?.DeepClone();
            }

            return job.ToJsonString();
        }
    }

    [Fact]
    public async Task Refusals_of_what_somebody_does_are_Chinese()
    {
        const string job = """{"command":"true","cronExpr":"0 0 1 1 *"}""";
        const string run = "runs/own/20261122T100000Z";
        const string own = """ "command":"true","cronExpr":"0 0 1 1 *","labels":{"team":"pay"} """;
        await access.Access.AddPersonAsync("mara", Role.Viewer, "", "correct horse battery", "tests", default);
        await AssertRefusedAsync([],
            [
                new("viewer", "PUT", "jobs/x", job), new("viewer", "POST", "jobs/own/run"), new("operator", "GET", "users"),
                new("editor", "POST", "users", "{}"), new("nobody's token", "GET", "jobs"), new(null, "GET", "jobs"),
                new("admin", "GET", "jobs/none"), new("admin", "DELETE", "jobs/none"), new("admin", "POST", "jobs/none/run"),
                new("admin", "GET", "jobs/none/versions"), new("admin", "GET", "jobs/own/versions/1"),
                new("admin", "GET", "jobs/none/ledger"), new("admin", "POST", $"{run}/kill"),
                new("admin", "POST", "runs/own/20260101T000000Z/kill"), new("admin", "GET", "runs/own/20260101T000000Z"),
                new("admin", "GET", "runs/own/20260101T000000Z/output"), new("admin", "POST", "workers/w9/drain"),
                new("operator limited", "POST", "workers/w9/drain"), new("operator", "POST", "jobs/own/run", """{"env":{"A":"1"}}"""),
                new("admin", "POST", "jobs/own/run", """{"worker":"a b"}"""),
                new("admin", "POST", "jobs/own/run", """{"planTime":"2999-01-01"}"""),
                new("admin", "POST", "jobs/own/kill", """{"reason":""}"""), new("editor limited", "PUT", "jobs/x", job),
                new("editor limited", "PUT", "jobs/foreign", job),
                new("editor limited", "PUT", "jobs/x", $$"""{ {{own}},"user":"root"}"""),
                new("editor limited", "PUT", "jobs/x", $$"""{ {{own}},"then":["foreign"]}"""),
                new("admin", "PUT", "jobs/own", job, "If-None-Match", "*"), new("admin", "PUT", "jobs/own", job, "If-Match", "\"1\""),
                new("admin", "PUT", "jobs/none", job, "If-Match", "\"1\""), new("admin", "GET", "jobs?filter=stat:x"),
                new("admin", "GET", "jobs?filter=zz:x"), new("admin", "GET", "jobs?filter=state:x"),
                new("admin", "GET", "jobs?filter=job:"), new("admin", "GET", "jobs?filter=job:a|"), new("admin", "GET", "jobs?filter=%22x"),
                new("admin", "GET", "jobs?filter=-"), new("admin", "GET", "jobs?filter=next:x"),
                new("admin", "GET", "jobs?filter=trigger:manual"), new("admin", "GET", "runs?filter=next:none"),
                new("admin", "GET", "runs?filter=from:x"), new("admin", "GET", "runs?from=x"),
                new("admin", "GET", "runs?filter=state:running%20ending:failed"), new("admin", "GET", "audit?filter=outcome:x"),
                new("admin", "GET", $"jobs?filter={new string('x', 5000)}"),
                new("admin", "GET", $"jobs?filter={string.Join("%20", Enumerable.Repeat("x", 200))}"),
                new("admin", "GET", "jobs/own/ledger?from=2026-11-22&to=2026-11-21"),
                new("admin", "POST", "users", """{"name":"a b","role":"viewer","password":"correct horse battery"}"""),
                new("admin", "POST", "users", """{"name":"local","role":"viewer","password":"correct horse battery"}"""),
                new("admin", "POST", "users", """{"name":"mara","role":"viewer","password":"correct horse battery"}"""),
                new("admin", "POST", "users", """{"name":"b","role":"king"}"""), new("admin", "POST", "users", """{"name":"b"}"""),
                new("admin", "POST", "users", """{"name":"b","role":"viewer","password":"short"}"""),
                new("admin", "POST", "users", """{"name":"b","role":"admin","filter":"job:own","password":"correct horse battery"}"""),
                new("admin", "POST", "users", """{"name":"b","role":"viewer","filter":"state:new","password":"correct horse battery"}"""),
                new("admin", "PATCH", "users/none", """{"role":"viewer"}"""), new("admin", "DELETE", "users/none"),
                new("admin", "POST", "tokens", """{"name":"t","role":"viewer","endsAt":"2001-01-01"}"""),
                new("admin", "POST", "tokens", """{"name":"t","role":"viewer","endsAt":"soon"}"""),
                new("admin", "POST", "tokens", """{"name":"viewer","role":"viewer"}"""), new("admin", "DELETE", "tokens/none"),
                new("admin", "PUT", "me/password", """{"password":"x","new":"correct horse battery"}"""),
                new("admin", "PUT", "alerts/rules/a%20b", """{"channel":"x"}"""),
                new("admin", "PUT", "alerts/rules/a", """{"channel":"x"}"""),
                new("admin", "PUT", "alerts/rules/a", """{"channel":"x","on":[]}"""),
                new("admin", "PUT", "alerts/rules/a", """{"channel":"x","after":0}"""),
                new("admin", "PUT", "alerts/rules/a", """{"channel":"x","filter":"ending:failed"}"""),
                new("admin", "PUT", "alerts/rules/a", """{"channel":"x","filter":"state:failing"}"""),
                new("admin", "PUT", "alerts/rules/a", """{"channel":"x","on":["often"]}"""), new("admin", "DELETE", "alerts/rules/none"),
                new("admin", "POST", "alerts/channels/none/test"), new("admin", "POST", "alerts/mutes", """{"filter":"job:own"}"""),
                new("admin", "POST", "alerts/mutes", """{"filter":""}"""),
                new("admin", "POST", "alerts/mutes", """{"filter":"job:own","until":"2001-01-01T00:00:00Z"}"""),
                new("operator limited", "POST", "alerts/mutes", """{"filter":"worker:w1"}"""), new("admin", "DELETE", "alerts/mutes/none"),
                .. Enumerable.Repeat(new Attempt(null, "POST", "session", """{"name":"mara","password":"not the password"}"""), 12),
                new(null, "POST", "session", """{"token":"dts_nobody"}"""),
            ]);
    }

    [Fact]
    public Task Reasons_of_runs_are_Chinese() => ConsoleChinese.AssertWholeAsync(
    [
        .. new CommandOutcome[]
        {
            new CommandOutcome.Exited(3), new CommandOutcome.Signaled(11), new CommandOutcome.TimedOut(TimeSpan.FromSeconds(90)),
            new CommandOutcome.Killed("replaced by the run for 2026-11-22T10:00:00Z"), new CommandOutcome.Abandoned("\"x\""),
            new CommandOutcome.NotStarted("user \"mara\" is unknown on the host of worker w1"),
        }.Select(outcome => outcome.Error),
        Kills.WhyKilled("\"enough\""), Run.RunElsewhere, $"worker w1 lost: {Settlement.NeverHeard}",
        "exit status 1; left behind: sleep (4711)", "no worker claimed it; this one had no free slot",
        "no worker claimed them: 12 fires since 2026-11-22T10:00:00Z", "no live worker matches its target (w9) within 60 s",
        "not started within 60 s: this worker was full, stalled or cut off from etcd", "the previous run was still going",
    ]);

    private static IEnumerable<string> Texts(JsonNode? list) => list?.AsArray().Select(text => (string)text!) ?? [];

    /// <summary>Each request is refused, and all that was said is whole in Chinese.</summary>
    private async Task AssertRefusedAsync(IEnumerable<string> said, IEnumerable<Attempt> attempts)
    {
        List<string> all = [.. said];
        foreach (var attempt in attempts)
        {
            (string, string)[] headers = attempt.Header is { } name ? [(name, attempt.Value)] : [];
            var answer = await GiveAsync(attempt.Who, attempt.Method, attempt.Path, attempt.Body, headers);
            Assert.True(answer["detail"] is not null, $"{attempt}: {answer.ToJsonString()}");
            all.Add((string)answer["detail"]!);
        }

        await ConsoleChinese.AssertWholeAsync(all);
    }

    private async Task<JsonNode> GiveAsync(
        string? who, string method, string path, string? body = null, params (string, string)[] headers)
    {
        var type = path.StartsWith("import", StringComparison.Ordinal) ? "text/plain" : "application/json";
        var (_, text) = await access.AskAsync(who, method, $"/api/v1/{path}", body, type, headers);
        return text.StartsWith('{') ? JsonNode.Parse(text)! : new JsonObject { ["text"] = text };
    }

    private sealed record Attempt(
        string? Who, string Method, string Path, string? Body = null, string? Header = null, string Value = "");
}
