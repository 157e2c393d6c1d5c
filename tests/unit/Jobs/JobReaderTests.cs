using System.Text;
using Dts.Common.Jobs;
using Dts.Tests.Support;
using Xunit;

namespace Dts.Tests.Unit.Jobs;

/// <summary>Reading many jobs gives what reading each by itself gives.</summary>
public sealed class JobReaderTests
{
    private readonly JobReader _reader = new();

    [Fact]
    public void Jobs_that_differ_by_name_and_command_share_the_rest()
    {
        var first = Read(JobJson.ToJson(Some.Job("a") with { Env = new Dictionary<string, string> { ["A"] = "b" } }));
        var second = Read(JobJson.ToJson(Some.Job("b") with { Env = first!.Env, Command = "echo 备份" }));

        Assert.Equal(("b", "echo 备份"), (second!.Name, second.Command));
        Assert.Same(first.Env, second.Env);
        Assert.Same(first.CronExpr, second.CronExpr);
    }

    [Theory]
    [InlineData("""{"name":"§","command":"§","cronExpr":"@daily"}""")]
    [InlineData("""{"name":"§","command":"§","cronExpr":"@daily","name":"last"}""")]
    [InlineData("""{"name":"§","command":"§","cronExpr":"@daily","n\u0061me":"last"}""")]
    [InlineData("""{"name":"§","command":"§","cronExpr":"@daily","command":"last"}""")]
    [InlineData("""{"name":"§","command":"§","cronExpr":"@daily","env":{"name":"x"}}""")]
    [InlineData("""{"name":"§","command":"§","cronExpr":"@daily","later":[1,null,{"a":"b"}]}""")]
    [InlineData("""{"name":"§","command":"§ 2>/dev/null","cronExpr":"@daily","description":"null"}""")]
    [InlineData("""{"name":"§","command":"§","cronExpr":"@daily","secrets":["a", null]}""")]
    [InlineData("""{"name":"§","command":"§","cronExpr":"@daily","labels":{"a":null}}""")]
    [InlineData("""{"name":"§","command":"§","cronExpr":"@daily","target":{"more":null}}""")]
    [InlineData("""{"name":"§","command":"§","cronExpr":"@daily","retry": null }""")]
    [InlineData("""{"name":"§","command":"§","cronExpr":"@daily","timeoutSeconds":"1"}""")]
    [InlineData("""{"name":"§","command":"§","cronExpr":null}""")]
    [InlineData("""{"name":"§","command":"§"}""")]
    [InlineData("""{"name":"§","command":"§","cronExpr":"@daily"} more""")]
    [InlineData("""{"name":"§","command":"§","cronExpr":"@daily\ud800"}""")]
    [InlineData("""{ "name":"§", "command":"§", "cronExpr":"@daily" }""")]
    [InlineData("""{"name":"§/","command":"§","cronExpr":"@daily"}""")]
    [InlineData("""{"name":"§","command":"§","cronExpr":"@daily","startDeadlineSeconds":0}""")]
    [InlineData("""{"name":"§\"","command":"a \\ § b","cronExpr":"@daily"}""")]
    [InlineData("{\"name\":\"§\",\"command\":\"a \u0001 § b\",\"cronExpr\":\"@daily\"}")]
    [InlineData("null")]
    [InlineData("")]
    public void A_job_is_read_as_if_it_came_alone(string json)
    {
        foreach (var text in new[] { "a", "last", "x", "b", "null", "", "a/b" })
        {
            var utf8 = Encoding.UTF8.GetBytes(json.Replace("§", text, StringComparison.Ordinal));

            var isJob = JobJson.TryParse(utf8, out var alone, out var error);

            Assert.Equal(isJob, _reader.TryParse(utf8, out var job, out var found, out var unrunnable));
            Assert.Equal((error, alone is null ? "" : JobJson.ToJson(alone)), (found, job is null ? "" : JobJson.ToJson(job)));
            Assert.Equal(alone is null ? "" : JobRules.FindUnrunnable(alone) ?? "", unrunnable);
        }
    }

    private Job? Read(string json) => _reader.TryParse(Encoding.UTF8.GetBytes(json), out var job, out _, out _) ? job : null;
}
