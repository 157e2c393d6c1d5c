using System.Text;
using System.Text.Json;
using Dts.Common.Hosting;
using Dts.Common.Jobs;
using Dts.Master;
using Dts.Master.Api;
using Dts.Tests.Support;
using Microsoft.AspNetCore.Http;
using Xunit;

namespace Dts.Tests.Unit.Master;

public sealed class EnvelopeTests
{
    private readonly RecordedLog _log = new();

    private static Job Unwritable => Some.Job("bad") with { Unknown = new() { ["x"] = JsonElement.Parse("""
        "\udfff"
        """) } };

    [Fact]
    public async Task A_row_that_cannot_be_written_is_left_out_and_named_in_the_log()
    {
        var body = await AnswerAsync(
            (gate, http) => gate.AnswerAsync(http, [Some.Job("a"), Unwritable, Some.Job("c")], ApiJson.Readable.Job, job => job.Name));

        var names = JsonElement.Parse(body).GetProperty("data").EnumerateArray().Select(job => job.GetProperty("name").GetString());
        Assert.Equal(["a", "c"], names);
        Assert.Contains("Warning[604] bad is left out of the answer to /job/list: ", Assert.Single(_log.Lines), StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_answer_that_cannot_be_written_is_one_error_and_never_half_an_answer()
    {
        var body = await AnswerAsync(
            (_, http) => Envelope.SucceedAsync(
                http, [.. Enumerable.Repeat(Some.Job(), 1000), Unwritable], ApiJson.Readable.IReadOnlyListJob));

        Assert.Equal("""{"errno":-1,"msg":"internal error: the master's log has the details","data":null}""", body);
    }

    [Fact]
    public async Task Warnings_are_a_fourth_member_and_only_when_there_are_any()
    {
        Assert.Equal(
            """{"errno":0,"msg":"success","data":"x"}""",
            await AnswerAsync((_, http) => Envelope.SucceedAsync(http, "x", ApiJson.Readable.String, [])));
        Assert.Equal(
            """{"errno":0,"msg":"success","data":"x","warnings":["a","b"]}""",
            await AnswerAsync((_, http) => Envelope.SucceedAsync(http, "x", ApiJson.Readable.String, ["a", "b"])));
    }

    private async Task<string> AnswerAsync(Func<RequestGate, HttpContext, Task> answer)
    {
        var gate = new RequestGate(MasterSettings.Read(SettingsReader.Load([], "")), _log);
        using var body = new MemoryStream();
        var http = new DefaultHttpContext { Request = { Path = "/job/list" }, Response = { Body = body } };
        await gate.Guard(http => answer(gate, http))(http);
        Assert.Equal(body.Length, http.Response.ContentLength);
        return Encoding.UTF8.GetString(body.ToArray());
    }
}
