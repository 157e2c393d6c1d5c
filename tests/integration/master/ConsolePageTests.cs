using System.IO.Compression;
using System.Net;
using System.Text.RegularExpressions;
using Xunit;

namespace Dts.Tests.Integration.Master;

/// <summary>How the files of the console are served.</summary>
public sealed partial class ConsolePageTests(MasterProcess master) : IClassFixture<MasterProcess>
{
    [Theory]
    [InlineData("/")]
    [InlineData("/jobs")]
    [InlineData("/jobs/back%20up/calendar?at=2026-11-22T10:00:00Z")]
    [InlineData("/runs/hello/20261122T100000Z")]
    [InlineData("/workers")]
    [InlineData("/settings/import")]
    [InlineData("/new")]
    [InlineData("/signin")]
    public async Task Each_address_of_the_console_is_answered_with_its_document(string path)
    {
        using var answer = await master.Http.GetAsync(path);

        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        Assert.Equal("text/html; charset=utf-8", $"{answer.Content.Headers.ContentType}");
        Assert.Equal("no-cache", $"{answer.Headers.CacheControl}");
        Assert.Contains("<main", await answer.Content.ReadAsStringAsync(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_policy_allows_only_files_of_our_own_and_no_markup_from_text()
    {
        using var answer = await master.Http.GetAsync("/");
        var policy = answer.Headers.GetValues("Content-Security-Policy").Single();

        Assert.Contains("default-src 'none'; script-src 'self'; style-src 'self'", policy, StringComparison.Ordinal);
        Assert.Contains("require-trusted-types-for 'script'; trusted-types 'none'", policy, StringComparison.Ordinal);
        Assert.Contains("frame-ancestors 'none'", policy, StringComparison.Ordinal);
        Assert.DoesNotContain("unsafe", policy, StringComparison.Ordinal);
        Assert.Equal("nosniff", answer.Headers.GetValues("X-Content-Type-Options").Single());
        Assert.Equal("no-referrer", answer.Headers.GetValues("Referrer-Policy").Single());
    }

    [Fact]
    public async Task The_document_names_its_files_which_have_their_types_and_are_cached_forever()
    {
        var files = FileAddress().Matches(await master.Http.GetStringAsync("/")).Select(match => match.Value).ToList();

        Assert.Contains(files, file => file.EndsWith("/app.js", StringComparison.Ordinal));
        Assert.Contains(files, file => file.EndsWith("/frame.css", StringComparison.Ordinal));
        foreach (var file in files)
        {
            using var answer = await master.Http.GetAsync(file);

            Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
            var type = file.EndsWith(".css", StringComparison.Ordinal) ? "text/css" : "text/javascript";
            Assert.Equal(type, answer.Content.Headers.ContentType?.MediaType);
            Assert.Equal("public, max-age=31536000, immutable", string.Join(", ", answer.Headers.GetValues("Cache-Control")));
        }
    }

    [Fact]
    public async Task A_file_that_another_version_requests_is_answered_and_not_cached()
    {
        using var answer = await master.Http.GetAsync("/console/0123456789abcdef/pages/now.js");

        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        Assert.Equal("no-store", $"{answer.Headers.CacheControl}");
    }

    [Theory]
    [InlineData("/console/0123456789abcdef/none.js")]
    [InlineData("/console/0123456789abcdef/../../Program.cs")]
    [InlineData("/console/app.js")]
    public async Task A_file_that_is_not_there_is_404(string path)
    {
        using var answer = await master.Http.GetAsync(path);

        Assert.Equal(HttpStatusCode.NotFound, answer.StatusCode);
    }

    [Fact]
    public async Task A_browser_that_has_the_document_gets_no_body()
    {
        using var first = await master.Http.GetAsync("/");
        using var again = new HttpRequestMessage(HttpMethod.Get, "/jobs") { Headers = { IfNoneMatch = { first.Headers.ETag! } } };
        using var answer = await master.Http.SendAsync(again);

        Assert.Equal(HttpStatusCode.NotModified, answer.StatusCode);
        Assert.Empty(await answer.Content.ReadAsByteArrayAsync());
    }

    [Fact]
    public async Task A_file_is_compressed_for_a_browser_that_accepts_it()
    {
        var plain = await master.Http.GetByteArrayAsync("/");
        using var request = new HttpRequestMessage(HttpMethod.Get, "/") { Headers = { { "Accept-Encoding", "br, gzip" } } };
        using var answer = await master.Http.SendAsync(request);

        Assert.Equal(["gzip"], answer.Content.Headers.ContentEncoding);
        await using var gzip = new GZipStream(await answer.Content.ReadAsStreamAsync(), CompressionMode.Decompress);
        using var unpacked = new MemoryStream();
        await gzip.CopyToAsync(unpacked);
        Assert.Equal(plain, unpacked.ToArray());
    }

    [Fact]
    public async Task The_status_says_how_quickly_etcd_and_the_log_store_answer()
    {
        var status = System.Text.Json.Nodes.JsonNode.Parse(await master.Http.GetStringAsync("/api/v1/status"))!;

        Assert.NotEqual("", (string)status["version"]!);
        Assert.Equal("UTC", (string)status["timeZone"]!);
        Assert.InRange((double)status["etcd"]!["answeredInMs"]!, 0, 3000);
        Assert.InRange((double)status["log"]!["answeredInMs"]!, 0, 3000);
    }

    [GeneratedRegex("/console/[0-9a-f]{16}/[^\"]+")]
    private static partial Regex FileAddress();
}
