using System.Net;
using System.Text;
using System.Text.Json;
using Dts.Common.Jobs;
using Dts.Common.Logs;
using Dts.Tests.Support;
using Xunit;

namespace Dts.Tests.Integration.Master;

/// <summary>What a reader of a run's output meets when record, chunks and the run itself do not come at the same time.</summary>
public sealed class OutputApiTests(MasterProcess master) : IClassFixture<MasterProcess>
{
    private readonly string _job = $"job-{Guid.NewGuid():N}";

    private RunRecord Record => Some.Record(1, _job);

    private string Url => $"/api/v1/runs/{Record.Id}/output";

    [Fact]
    public async Task An_unknown_run_is_not_found()
    {
        var answer = await master.Http.GetAsync(Url);

        Assert.Equal(HttpStatusCode.NotFound, answer.StatusCode);
        Assert.Contains("there is no such run in flight, and no record of it", await answer.Content.ReadAsStringAsync());
    }

    [Fact]
    public async Task The_name_of_a_job_is_found_in_either_form_of_Unicode()
    {
        var record = Some.Record(1, $"\u00e9-{_job}");
        await master.LogStore.WriteAsync([record with { OutputBytes = 0, OutputStored = 0 }], CancellationToken.None);

        using var answer = await master.Http.GetAsync($"/api/v1/runs/e%CC%81-{record.Id["\u00e9-".Length..]}/output");

        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
    }

    [Fact]
    public async Task Chunks_that_come_after_their_record_are_waited_for()
    {
        await master.LogStore.WriteAsync([Record with { OutputBytes = 8, OutputStored = 8 }], CancellationToken.None);
        await WriteAsync(0, "one\n");
        var followed = FollowAsync();
        using var answer = await master.Http.GetAsync(Url, HttpCompletionOption.ResponseHeadersRead);
        Assert.Equal(8, answer.Content.Headers.ContentLength);
        var saved = answer.Content.ReadAsStringAsync();

        await WriteAsync(4, "two\n");

        Assert.Equal("one\ntwo\n", await saved);
        Assert.Matches("(?s)one.*two.*event: end\ndata: succeeded; 8 bytes written; cut: nothing\n", await followed);
    }

    [Fact]
    public async Task A_download_is_no_longer_than_its_record_says()
    {
        await master.LogStore.WriteAsync([Record with { OutputBytes = 20, OutputStored = 6 }], CancellationToken.None);
        await WriteAsync(0, "one\n");
        await WriteAsync(4, "two\n");

        Assert.Equal("one\ntw", await master.Http.GetStringAsync(Url));
        Assert.Equal("w", await master.Http.GetStringAsync($"{Url}?offset=5"));
    }

    [Fact]
    public async Task Missing_chunks_are_reported_after_a_limited_wait()
    {
        await master.LogStore.WriteAsync([Record with { OutputBytes = 8, OutputStored = 8 }], CancellationToken.None);
        await WriteAsync(0, "one\n");
        var followed = FollowAsync();

        await Assert.ThrowsAsync<HttpRequestException>(() => master.Http.GetByteArrayAsync(Url)); // Shorter than announced.

        Assert.Contains("cut: nothing; bytes 4 to 8 are not in the store, or not yet\n", await followed);
    }

    [Fact]
    public async Task A_run_that_was_silent_until_its_end_is_followed_until_its_record_comes()
    {
        var run = new ClaimedRun("w1", "1", Some.Now, RunSpec.Scheduled(Some.Now));
        var key = master.Keys.Run(JobName.Parse(_job), Record.Id[(_job.Length + 1)..]);
        await master.Etcd.PutAsync(key, JsonSerializer.Serialize(run, JobsJson.Readable.ClaimedRun));
        using var answer = await master.Http.GetAsync($"{Url}?follow=true", HttpCompletionOption.ResponseHeadersRead);
        using var lines = new StreamReader(await answer.Content.ReadAsStreamAsync());
        for (var line = ""; line != ": nothing new";)
        {
            line = await lines.ReadLineAsync().Soon();
            Assert.NotNull(line);
        }

        await master.Etcd.DeleteAsync(key);
        await Patience.Until(() => master.Http.GetAsync(Url).Result.StatusCode == HttpStatusCode.NotFound, () => "it is found");
        await master.LogStore.WriteAsync([Record with { OutputBytes = 6 }], CancellationToken.None);

        var rest = await lines.ReadToEndAsync();
        Assert.Contains("hello", rest);
        Assert.Contains("event: end\ndata: succeeded; 6 bytes written; cut: nothing\n", rest);
    }

    private Task<IReadOnlyList<Refused<OutputChunk>>> WriteAsync(long offset, string text) =>
        master.LogStore.WriteOutputAsync(
            [new OutputChunk(Record.Id, offset, Encoding.UTF8.GetBytes(text), Record.ExpireAt)], CancellationToken.None);

    private Task<string> FollowAsync() => master.Http.GetStringAsync($"{Url}?follow=true");
}
