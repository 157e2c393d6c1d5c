using System.Text;
using Dts.Master.Crontab;
using Dts.Master.Jobs;
using Xunit;

namespace Dts.Tests.Unit.Master.Crontab;

public sealed class JobSetTests
{
    private const string A = """{"name":"a","command":"x","cronExpr":"@daily"}""";
    private const string Twice = """{"name":"b","command":"x","command":"y","cronExpr":"@daily"}""";

    [Theory]
    [InlineData(A,                                          "a")]
    [InlineData($"[{A},{A}]",                               "a a")]
    [InlineData($"{A}\n[{A}] {A}",                          "a a a")]
    [InlineData($$"""{"jobs":[{{A}},{{A}}]}""",             "a a")]
    [InlineData($$"""{"jobs":[],"name":"a","command":"x","cronExpr":"@daily"}""", "a")]
    [InlineData($$"""{"jobs":[{{A}},1]} {{A}}""",           "a ! a")]
    [InlineData("[]",                                       "")]
    [InlineData("[1,null,[]]",                              "! ! !")]
    [InlineData("""{"jobs":1}""",                           "!")]
    [InlineData($"[{A},{Twice},{A}]",                       "a ! a")]
    [InlineData(Twice,                                      "!")]
    [InlineData("""{"name":"a","command":"x","cronExpr":"@daily","env":{"A":"1","A":"2"}}""", "!")]
    [InlineData("""{"name":"a","command":"x","cronExpr":"@daily","\ud800":1}""", "!")]
    public void Jobs_are_read_from_arrays_and_from_consecutive_values(string text, string names)
    {
        var read = Read(text);

        Assert.Equal(names, string.Join(' ', read.Select(job => job.Job?.Name ?? "!")));
        Assert.All(read, job => Assert.Equal(job.Job is null, job.Fault.Length > 0));
        Assert.All(read, job => Assert.Equal(job.Job is null, job.Members is null));
    }

    [Theory]
    [InlineData("[",          "0,",         "0]")]
    [InlineData("""{"jobs":[""", "0,",      "0]}")]
    [InlineData("",           "0 ",         "")]
    [InlineData("",           "- 0\n",      "")]
    public void Reading_stops_one_job_beyond_the_limit(string begin, string job, string end) => Assert.Equal(
        JobSet.JobsMax + 1,
        Read(begin + string.Concat(Enumerable.Repeat(job, JobSet.JobsMax + 5)) + end, job[0] == '0' ? "application/json" : "").Count);

    [Fact]
    public void Secrets_in_YAML_are_strings_even_if_they_look_like_numbers() => Assert.Equal(
        ["2024", "token"],
        Assert.Single(Read("name: a\ncommand: x\ncronExpr: \"@daily\"\nsecrets: [2024, token]\n")).Job?.Secrets);

    [Fact]
    public void A_job_that_is_too_large_for_etcd_is_refused()
    {
        var read = Read($$"""[{{A}},{"name":"{{new string('x', 2 << 20)}}"}]""");

        Assert.Equal("a", read[0].Job?.Name);
        Assert.StartsWith("job has 2097163 bytes of JSON; expected at most", read[1].Fault, StringComparison.Ordinal);
    }

    private static IReadOnlyList<WantedJob> Read(string text, string type = "") => JobSet.Read(Encoding.UTF8.GetBytes(text), type);
}
