using Dts.Master.Api;
using Dts.Master.Jobs;
using Dts.Tests.Support;
using Microsoft.AspNetCore.Http;
using Xunit;

namespace Dts.Tests.Unit.Master;

public sealed class JobConditionTests
{
    [Theory]
    //          If-Match          If-None-Match  no job  revision 12
    [InlineData(null,             null,          true,   true)]
    [InlineData("\"12\"",         null,          false,  true)]
    [InlineData("W/\"12\"",       null,          false,  true)]  // nginx made it weak
    [InlineData("12",             null,          false,  true)]  // curl without quotes
    [InlineData("\"11\"",         null,          false,  false)]
    [InlineData("\"11\", \"12\"", null,          false,  true)]
    [InlineData("*",              null,          false,  true)]
    [InlineData(null,             "*",           true,   false)]
    public void A_condition_is_met_by_some_states(string? match, string? noneMatch, bool byNone, bool byRevision12)
    {
        var condition = JobCondition.Of(new HeaderDictionary { ["If-Match"] = match, ["If-None-Match"] = noneMatch });

        Assert.Equal(
            (byNone, byRevision12), (condition.IsMetBy(default), condition.IsMetBy(new StoredJob(Some.Job(), 12))));
    }

    [Theory]
    [InlineData("abc", null,     "If-Match is \"abc\"; expected the ETag of a job, such as \"12\", or *")]
    [InlineData(null,  "\"12\"", "If-None-Match is \"\"12\"\"; expected * (the job must not exist yet)")]
    [InlineData("*",   "*",      "If-None-Match is \"*\"; expected none beside If-Match, which needs a job that exists")]
    [InlineData("1",   "*",      "If-None-Match is \"*\"; expected none beside If-Match, which needs a job that exists")]
    public void A_header_that_is_no_condition_is_refused(string? match, string? noneMatch, string message)
    {
        var headers = new HeaderDictionary { ["If-Match"] = match, ["If-None-Match"] = noneMatch };

        Assert.Equal(message, Assert.Throws<Refusal>(() => JobCondition.Of(headers)).Message);
    }
}
