using System.Text.Json;
using System.Text.Json.Nodes;
using Dts.Common.Jobs;
using Dts.Common.Logs;
using Dts.Tests.Support;
using Xunit;

namespace Dts.Tests.Unit.Logs;

public sealed class RunRecordJsonTests
{
    [Fact]
    public void A_record_begins_with_the_original_s_eight_members_in_its_names_and_units()
    {
        var members = JsonNode.Parse(JsonSerializer.Serialize(Some.Record(0), LogsJson.Readable.RunRecord))!.AsObject();

        Assert.Equal(
            ["jobName", "command", "err", "output", "planTime", "scheduleTime", "startTime", "endTime", "_id"],
            members.Select(member => member.Key).Take(9));
        Assert.Equal(1_795_341_600_000, members["planTime"]!.GetValue<long>());
        Assert.Equal("hello/20261122T100000Z", members["_id"]!.GetValue<string>());
    }

    [Fact]
    public void A_record_without_processes_has_no_such_member()
    {
        var json = JsonSerializer.Serialize(Some.Record(0), LogsJson.Readable.RunRecord);

        Assert.DoesNotContain("processes", json);
        Assert.Null(JsonSerializer.Deserialize(json, LogsJson.Readable.RunRecord)!.Processes);
    }

    [Theory]
    [InlineData(RunStatus.Succeeded, "succeeded")]
    [InlineData(RunStatus.Failed,    "failed")]
    [InlineData(RunStatus.TimedOut,  "timedOut")]
    [InlineData(RunStatus.Killed,    "killed")]
    [InlineData(RunStatus.Cancelled, "cancelled")]
    [InlineData(RunStatus.Skipped,   "skipped")]
    [InlineData(RunStatus.Missed,    "missed")]
    [InlineData(RunStatus.Lost,      "lost")]
    public void A_status_is_the_same_word_everywhere(RunStatus status, string word)
    {
        var json = JsonSerializer.Serialize(Some.Record(0, status: status), LogsJson.Readable.RunRecord);

        Assert.Equal(word, status.Word());
        Assert.Equal(word, JsonNode.Parse(json)!["status"]!.GetValue<string>());
        Assert.Equal(status, JsonSerializer.Deserialize(json, LogsJson.Readable.RunRecord)!.Status);
    }
}
