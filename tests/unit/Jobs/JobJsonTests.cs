using System.Text;
using System.Text.Json.Nodes;
using Dts.Common.Jobs;
using Xunit;

namespace Dts.Tests.Unit.Jobs;

public sealed class JobJsonTests
{
    private const string Three = """{"name":"hello","command":"echo hello","cronExpr":"* * * * *"}""";

    [Fact]
    public void A_job_of_three_fields_behaves_as_crontab_would()
    {
        var job = Read(Three);

        Assert.Equal(("hello", "echo hello", "* * * * *"), (job.Name, job.Command, job.CronExpr));
        Assert.True(job.Enabled);
        Assert.Equal((JobMode.One, Overlap.Forbid, Misfire.Skip), (job.Mode, job.Overlap, job.Misfire));
        Assert.Equal((OnWorkerLost.Record, OnDisconnect.Continue), (job.OnWorkerLost, job.OnDisconnect));
        Assert.Equal(
            (60, 0, 5, 0, 0),
            (job.StartDeadlineSeconds, job.TimeoutSeconds, job.KillGraceSeconds, job.OutputLimitBytes, job.RetentionDays));
        Assert.Equal(("", "", "", "", ""), (job.Description, job.TimeZone, job.User, job.Cwd, job.Shell));
        Assert.Equal(new Retry(0, 10, 2, 3600, false), job.Retry);
        Assert.True(job.Target.IsAnyone);
        Assert.Empty(job.Labels);
        Assert.Empty(job.Env);
        Assert.Empty(job.Then);
    }

    [Fact]
    public void Every_member_is_read_and_written_under_its_name()
    {
        var text = """
            {"name":"备份","command":"a && b > c","cronExpr":"0 3 * * *","description":"nightly <b>","enabled":false,
            "timeZone":"Europe/Berlin","labels":{"team":"x"},"mode":"all","target":{"workers":["w1"],"labels":{"disk":"ssd"}},
            "overlap":"replace","misfire":"once",
            "startDeadlineSeconds":7,"timeoutSeconds":8,"killGraceSeconds":9,
            "retry":{"max":1,"delaySeconds":2,"backoff":1.5,"maxDelaySeconds":4,"elsewhere":true},
            "onWorkerLost":"rerun","onDisconnect":"kill","user":"www","cwd":"/tmp","env":{"A":"1"},"shell":"/bin/sh",
            "memoryMax":"512M","cpuMax":1.5,"pidsMax":64,"outputLimitBytes":2048,"retentionDays":3,"secrets":["db"],
            "then":["next"],"onFailure":["mend"],"always":["tidy"]}
            """;

        var written = JsonNode.Parse(JobJson.ToJson(Read(text)));

        Assert.True(JsonNode.DeepEquals(JsonNode.Parse(text), written), $"{written}");
    }

    [Theory]
    [InlineData("0",             0,             "0")]
    [InlineData("1048576",       1 << 20,       "\"1M\"")]
    [InlineData("1000000",       1_000_000,     "1000000")]
    [InlineData("\"1000000\"",   1_000_000,     "1000000")]
    [InlineData("\"512K\"",      512 << 10,     "\"512K\"")]
    [InlineData("\"1536M\"",     1536L << 20,   "\"1536M\"")]
    [InlineData("\"2048M\"",     2L << 30,      "\"2G\"")]
    [InlineData("\"1T\"",        1L << 40,      "\"1T\"")]
    public void A_size_is_a_number_of_bytes_or_a_text_with_a_unit(string text, long bytes, string written)
    {
        var job = Read(Three[..^1] + $",\"memoryMax\":{text}}}");

        Assert.Equal(new ByteSize(bytes), job.MemoryMax);
        Assert.Contains($"\"memoryMax\":{written},", JobJson.ToJson(job), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("\"512MB\"")]
    [InlineData("\"\"")]
    [InlineData("\"M\"")]
    [InlineData("\"-1M\"")]
    [InlineData("\"1.5G\"")]
    [InlineData("\"9999999999T\"")]
    [InlineData("1.5")]
    [InlineData("null")]
    [InlineData("true")]
    public void A_text_that_is_not_a_size_is_shown(string text)
    {
        Assert.False(JobJson.TryParse(Encoding.UTF8.GetBytes(Three[..^1] + $",\"memoryMax\":{text}}}"), out _, out var error));

        Assert.Equal($"memoryMax is {text}; expected a whole number of bytes, or a text such as \"512M\" (K, M, G or T)", error);
    }

    [Fact]
    public void Text_stays_readable()
    {
        var json = JobJson.ToJson(Read("""{"name":"备份","command":"a && b > c | d '1'","cronExpr":"* * * * *"}"""));

        Assert.Contains("\"备份\"", json, StringComparison.Ordinal);
        Assert.Contains("a && b > c | d '1'", json, StringComparison.Ordinal);
    }

    [Fact]
    public void Members_that_are_not_known_survive()
    {
        var json = JobJson.ToJson(Read("""{"name":"a","command":"b","cronExpr":"* * * * *","owner":{"mail":["x@y"]},"priority":3}"""));

        Assert.Contains("\"owner\":{\"mail\":[\"x@y\"]}", json, StringComparison.Ordinal);
        Assert.Contains("\"priority\":3", json, StringComparison.Ordinal);
    }

    [Theory]
    // not an object
    [InlineData("",        "job is not JSON (line 1, byte 1); expected {\"name\":…,\"command\":…,\"cronExpr\":…}")]
    [InlineData("{",       "job is not JSON (line 1, byte 2); expected {\"name\":…,\"command\":…,\"cronExpr\":…}")]
    [InlineData("{\n \"name\": x}", "job is not JSON (line 2, byte 10); expected {\"name\":…,\"command\":…,\"cronExpr\":…}")]
    [InlineData("[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[1",
        "job has values within values more than 64 levels deep; expected at most 64")]
    [InlineData("[1]",     "job is [1]; expected an object with name, command and cronExpr")]
    [InlineData("null",    "job is null; expected an object with name, command and cronExpr")]
    // the three that are needed
    [InlineData("{}",                                         "name is missing; expected a text")]
    [InlineData("""{"name":"a"}""",                           "command is missing; expected a text")]
    [InlineData("""{"name":"a","command":"b"}""",             "cronExpr is missing; expected a text")]
    [InlineData("""{"name":1,"command":"b","cronExpr":"c"}""", "name is 1; expected a text")]
    [InlineData("""{"name":"a","command":null,"cronExpr":"c"}""", "command is null; expected a text")]
    [InlineData("""{"name":"a","command":"b","cronExpr":["*"]}""", "cronExpr is [\"*\"]; expected a text")]
    public void A_text_that_is_not_a_job_is_refused_with_the_reason(string text, string error) => Assert.Equal(error, ErrorOf(text));

    [Theory]
    [InlineData("description",          "5",            "description is 5; expected a text")]
    [InlineData("enabled",              "\"yes\"",      "enabled is \"yes\"; expected true or false")]
    [InlineData("timeZone",             "null",         "timeZone is null; expected a text")]
    [InlineData("labels",               "{\"a\":1}",    "labels is {\"a\":1}; expected an object of texts")]
    [InlineData("mode",                 "\"two\"",      "mode is \"two\"; expected one or all")]
    [InlineData("target",               "[\"w1\"]",     "target is [\"w1\"]; expected an object {workers: [ids], labels: {…}}")]
    [InlineData("target",               "{\"workers\":\"w1\"}", "target is {\"workers\":\"w1\"}; "
        + "expected an object {workers: [ids], labels: {…}}")]
    [InlineData("overlap",              "\"queue\"",    "overlap is \"queue\"; expected forbid, allow or replace")]
    [InlineData("misfire",              "\"never\"",    "misfire is \"never\"; expected skip, once or all")]
    [InlineData("startDeadlineSeconds", "1.5",          "startDeadlineSeconds is 1.5; expected a whole number of seconds")]
    [InlineData("timeoutSeconds",       "\"10\"",       "timeoutSeconds is \"10\"; expected a whole number of seconds")]
    [InlineData("killGraceSeconds",     "99999999999",  "killGraceSeconds is 99999999999; expected a whole number of seconds")]
    [InlineData("retry",                "3",            "retry is 3; "
        + "expected an object {max, delaySeconds, backoff, maxDelaySeconds, elsewhere}")]
    [InlineData("retry",                "{\"max\":true}", "retry is {\"max\":true}; "
        + "expected an object {max, delaySeconds, backoff, maxDelaySeconds, elsewhere}")]
    [InlineData("onWorkerLost",         "\"\"",         "onWorkerLost is \"\"; expected record or rerun")]
    [InlineData("onDisconnect",         "true",         "onDisconnect is true; expected continue or kill")]
    [InlineData("user",                 "0",            "user is 0; expected a text")]
    [InlineData("env",                  "[\"A=1\"]",    "env is [\"A=1\"]; expected an object of texts")]
    [InlineData("outputLimitBytes",     "\"1k\"",       "outputLimitBytes is \"1k\"; expected a whole number of bytes")]
    [InlineData("retentionDays",        "-0.5",         "retentionDays is -0.5; expected a whole number of days")]
    [InlineData("then",                 "\"next\"",     "then is \"next\"; expected a list of job names")]
    public void A_wrong_member_is_named_with_its_value_and_what_was_expected(string field, string value, string error) =>
        Assert.Equal(error, ErrorOf($$"""{"name":"a","command":"b","cronExpr":"* * * * *","{{field}}":{{value}}}"""));

    [Theory]
    [InlineData("env",    "{\"A\":null}",          "env is {\"A\":null}; expected an object of texts")]
    [InlineData("labels", "{\"a\":null}",          "labels is {\"a\":null}; expected an object of texts")]
    [InlineData("then",   "[null]",                "then is [null]; expected a list of job names")]
    [InlineData("target", "{\"workers\":[null]}",  "target is {\"workers\":[null]}; expected an object {workers: [ids], labels: {…}}")]
    public void A_null_inside_is_as_wrong_as_a_null_outside(string field, string value, string error) =>
        Assert.Equal(error, ErrorOf($$"""{"name":"a","command":"b","cronExpr":"* * * * *","{{field}}":{{value}}}"""));

    [Theory]
    [InlineData("mode",    "1")]
    [InlineData("overlap", "0")]
    [InlineData("misfire", "\"7\"")]
    public void A_choice_is_a_word_and_not_a_number(string field, string value) =>
        Assert.StartsWith(
            $"{field} is {value}; expected",
            ErrorOf($$"""{"name":"a","command":"b","cronExpr":"* * * * *","{{field}}":{{value}}}"""),
            StringComparison.Ordinal);

    private static Job Read(string text)
    {
        Assert.True(JobJson.TryParse(Encoding.UTF8.GetBytes(text), out var job, out var error), error);
        return job;
    }

    private static string ErrorOf(string text)
    {
        Assert.False(JobJson.TryParse(Encoding.UTF8.GetBytes(text), out _, out var error));
        return error;
    }
}
