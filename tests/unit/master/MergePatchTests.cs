using System.Text.Json.Nodes;
using Dts.Master.Jobs;
using Xunit;

namespace Dts.Tests.Unit.Master;

public sealed class MergePatchTests
{
    [Theory]
    // RFC 7396, appendix A, as far as both are objects
    [InlineData("""{"a":"b"}""",                 """{"a":"c"}""",                     """{"a":"c"}""")]
    [InlineData("""{"a":"b"}""",                 """{"b":"c"}""",                     """{"a":"b","b":"c"}""")]
    [InlineData("""{"a":"b"}""",                 """{"a":null}""",                    """{}""")]
    [InlineData("""{"a":"b","b":"c"}""",         """{"a":null}""",                    """{"b":"c"}""")]
    [InlineData("""{"a":["b"]}""",               """{"a":"c"}""",                     """{"a":"c"}""")]
    [InlineData("""{"a":"c"}""",                 """{"a":["b"]}""",                   """{"a":["b"]}""")]
    [InlineData("""{"a":{"b":"c"}}""",           """{"a":{"b":"d","c":null}}""",      """{"a":{"b":"d"}}""")]
    [InlineData("""{"a":[{"b":"c"}]}""",         """{"a":[1]}""",                     """{"a":[1]}""")]
    [InlineData("""{"e":null}""",                """{"a":1}""",                       """{"e":null,"a":1}""")]
    [InlineData("""{}""",                        """{"a":{"bb":{"ccc":null}}}""",     """{"a":{"bb":{}}}""")]
    // an object in the place of another value
    [InlineData("""{"a":1}""",                   """{"a":{"b":2}}""",                 """{"a":{"b":2}}""")]
    public void Members_are_replaced_objects_merged_and_null_removes(string target, string patch, string result)
    {
        var merged = JsonNode.Parse(target)!.AsObject();

        MergePatch.Apply(merged, JsonNode.Parse(patch)!.AsObject());

        Assert.Equal(result, merged.ToJsonString());
    }
}
