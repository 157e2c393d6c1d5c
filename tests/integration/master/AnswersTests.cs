using System.IO.Compression;
using System.Net;
using System.Text;
using System.Text.Json;
using Dts.Common.Jobs;
using Dts.Master.Api;
using Dts.Tests.Support;
using Xunit;

namespace Dts.Tests.Integration.Master;

/// <summary>How answers are sent: HEAD, gzip, what may be kept.</summary>
public sealed class AnswersTests(MasterProcess master) : IClassFixture<MasterProcess>
{
    private readonly string _name = $"job-{Guid.NewGuid():N}";

    [Theory]
    [InlineData("/")]
    [InlineData("/healthz")]
    [InlineData("/job/list")]
    [InlineData("/api/v1/workers")]
    [InlineData("/api/v1/schedule/preview?expr=*+*+*+*+*")]
    [InlineData("/openapi/v1.json")]
    public async Task HEAD_is_answered_wherever_GET_is(string path)
    {
        using var request = new HttpRequestMessage(HttpMethod.Head, path);
        using var answer = await master.Http.SendAsync(request);
        using var whole = await master.Http.GetAsync(path);

        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        Assert.Equal(whole.Content.Headers.ContentType, answer.Content.Headers.ContentType);
        Assert.Empty(await answer.Content.ReadAsByteArrayAsync());
        Assert.NotEmpty(await whole.Content.ReadAsByteArrayAsync());
    }

    [Fact]
    public async Task A_path_that_GET_has_names_HEAD_among_its_methods()
    {
        using var answer = await master.Http.DeleteAsync("/api/v1/workers");

        Assert.Equal(HttpStatusCode.MethodNotAllowed, answer.StatusCode);
        Assert.Equal(["GET", "HEAD"], answer.Content.Headers.Allow.Order());
    }

    [Fact]
    public async Task A_long_answer_is_compressed_for_a_client_that_accepts_it()
    {
        await SaveAsync(new string('x', 20_000));
        var plain = await master.Http.GetByteArrayAsync($"/api/v1/jobs/{_name}");

        using var answer = await AskAsync($"/api/v1/jobs/{_name}", "br, gzip;q=0.5");
        var sent = await answer.Content.ReadAsByteArrayAsync();

        Assert.Equal(["gzip"], answer.Content.Headers.ContentEncoding);
        Assert.Equal(["Accept-Encoding"], answer.Headers.Vary);
        Assert.InRange(sent.Length, 1, plain.Length / 10);
        using var unpacked = new MemoryStream();
        await using (var gzip = new GZipStream(new MemoryStream(sent), CompressionMode.Decompress))
        {
            await gzip.CopyToAsync(unpacked);
        }

        Assert.Equal(plain, unpacked.ToArray());
    }

    [Fact]
    public async Task Caches_distinguish_the_two_forms_of_an_answer_and_either_tag_is_good_for_a_save()
    {
        await SaveAsync(new string('x', 20_000));

        using var plain = await AskAsync($"/api/v1/jobs/{_name}", "identity");
        using var packed = await AskAsync($"/api/v1/jobs/{_name}", "gzip");

        Assert.Equal(["Accept-Encoding"], plain.Headers.Vary);
        Assert.Equal((false, true), (plain.Headers.ETag!.IsWeak, packed.Headers.ETag!.IsWeak));
        Assert.Equal(plain.Headers.ETag.Tag, packed.Headers.ETag.Tag);
        using var save = new HttpRequestMessage(HttpMethod.Put, $"/api/v1/jobs/{_name}")
        {
            Content = new StringContent("""{"command":"a","cronExpr":"0 3 * * *"}""", Encoding.UTF8, "application/json"),
        };
        save.Headers.IfMatch.Add(packed.Headers.ETag);
        using var saved = await master.Http.SendAsync(save);
        Assert.Equal(HttpStatusCode.OK, saved.StatusCode);
    }

    [Theory]
    [InlineData("/api/v1/workers", "gzip")]                  // It would grow.
    [InlineData("/api/v1/jobs/{name}", "gzip;q=0")]
    [InlineData("/api/v1/jobs/{name}", "identity")]
    [InlineData("/api/v1/nothing", "gzip")]
    public async Task A_small_answer_and_one_for_another_client_are_plain(string path, string accept)
    {
        await SaveAsync(new string('x', 2 * GzipBody.FloorBytes));

        using var answer = await AskAsync(path.Replace("{name}", _name, StringComparison.Ordinal), accept);

        Assert.Empty(answer.Content.Headers.ContentEncoding);
        using var json = JsonDocument.Parse(await answer.Content.ReadAsStringAsync());
        Assert.Equal(JsonValueKind.Object, json.RootElement.ValueKind);
    }

    [Fact]
    public async Task An_event_stream_is_neither_compressed_nor_held_back()
    {
        var run = new ClaimedRun("w1", "1", Some.Now, RunSpec.Scheduled(Some.Now));
        var key = master.Keys.Run(JobName.Parse(_name), run.Run.Id);
        await master.Etcd.PutAsync(key, JsonSerializer.Serialize(run, JobsJson.Readable.ClaimedRun));

        using var answer = await AskAsync($"/api/v1/runs/{_name}/{run.Run.Id}/output?follow=true", "gzip");
        using var lines = new StreamReader(await answer.Content.ReadAsStreamAsync());

        Assert.Equal(": following", await lines.ReadLineAsync().WaitAsync(Patience.Limit));
        Assert.Empty(answer.Content.Headers.ContentEncoding);
        await master.Etcd.DeleteAsync(key);
    }

    [Fact]
    public async Task A_browser_may_keep_a_job_and_asks_each_time_whether_it_is_the_present_one()
    {
        await SaveAsync("x");

        using var job = await master.Http.GetAsync($"/api/v1/jobs/{_name}");
        using var list = await master.Http.GetAsync("/api/v1/workers");

        Assert.Equal("no-cache, private", job.Headers.CacheControl!.ToString());
        Assert.Equal("no-store", list.Headers.CacheControl!.ToString());
    }

    private async Task SaveAsync(string description)
    {
        var job = $$"""{"command":"echo hello","cronExpr":"0 3 * * *","description":"{{description}}"}""";
        using var content = new StringContent(job, Encoding.UTF8, "application/json");
        using var saved = await master.Http.PutAsync($"/api/v1/jobs/{_name}", content);
        Assert.Equal(HttpStatusCode.Created, saved.StatusCode);
    }

    private async Task<HttpResponseMessage> AskAsync(string path, string accept)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, path) { Headers = { { "Accept-Encoding", accept } } };
        return await master.Http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead);
    }
}
