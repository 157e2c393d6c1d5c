using System.IO.Compression;
using System.Security.Cryptography;
using Microsoft.Net.Http.Headers;
using Dts.Master.Access;

namespace Dts.Master;

/// <summary>The web console: plain files inside the executable, compressed once at the start.</summary>
/// <remarks>
/// The page is one document at many addresses; its script draws what the address means. All other files are below a folder named by the
/// hash of them all, so browsers keep them for good, and never mix those of two versions. Masters of two versions may stand behind one
/// address: a file that is asked for by another version's hash is answered, and not kept.
/// </remarks>
internal static class ConsolePage
{
    private const string Policy =
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; base-uri 'none'; "
            + "form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'";

    private const string Folder = "/console/";
    private const string Prefix = "console/";
    private const string Document = "index.html";

    // The addresses of its pages besides the first.
    private static readonly string[] Places =
        ["/new", "/signin", "/jobs/{**rest}", "/runs/{**rest}", "/workers/{**rest}", "/settings/{**rest}"];

    private static readonly Dictionary<string, string> Types = new()
    {
        [".html"] = "text/html; charset=utf-8",
        [".js"] = "text/javascript; charset=utf-8",
        [".css"] = "text/css; charset=utf-8",
    };

    public static void Map(IEndpointRouteBuilder routes)
    {
        var files = Load();
        var version = HashOf([.. files.OrderBy(file => file.Key, StringComparer.Ordinal).SelectMany(file => file.Value)]);
        var html = System.Text.Encoding.UTF8.GetString(files[Document]).Replace(Folder, $"{Folder}{version}/", StringComparison.Ordinal);
        var document = new Served(Document, System.Text.Encoding.UTF8.GetBytes(html));
        RequestDelegate answer = http => document.AnswerAsync(http, "no-cache");
        routes.MapGet("/", answer).AllowAnyone();
        foreach (var place in Places)
        {
            routes.MapGet(place, answer).AllowAnyone();
        }

        var served = files.Where(file => file.Key != Document).ToDictionary(file => file.Key, file => new Served(file.Key, file.Value));
        routes.MapGet(Folder + "{version}/{**file}", (RequestDelegate)(http =>
        {
            if (!served.TryGetValue($"{http.Request.RouteValues["file"]}", out var file))
            {
                http.Response.StatusCode = StatusCodes.Status404NotFound;
                return Task.CompletedTask;
            }

            var isOurs = $"{http.Request.RouteValues["version"]}" == version;
            return file.AnswerAsync(http, isOurs ? "public, max-age=31536000, immutable" : "no-store");
        })).AllowAnyone();
    }

    private static Dictionary<string, byte[]> Load()
    {
        var assembly = typeof(ConsolePage).Assembly;
        return assembly.GetManifestResourceNames()
            .Where(name => name.StartsWith(Prefix, StringComparison.Ordinal))
            .ToDictionary(name => name[Prefix.Length..], name =>
            {
                using var stream = assembly.GetManifestResourceStream(name)!;
                using var copy = new MemoryStream();
                stream.CopyTo(copy);
                return copy.ToArray();
            });
    }

    private static string HashOf(byte[] content) => Convert.ToHexStringLower(SHA256.HashData(content))[..16];

    /// <summary>A file as it is served.</summary>
    private sealed class Served(string name, byte[] content)
    {
        private readonly byte[] _gzip = Compress(content);
        private readonly string _tag = $"\"{HashOf(content)}\"";
        private readonly string _type = Types[Path.GetExtension(name)];

        public async Task AnswerAsync(HttpContext http, string kept)
        {
            var headers = http.Response.Headers;
            headers.XContentTypeOptions = "nosniff";
            headers.CacheControl = kept;
            headers.Vary = "Accept-Encoding";
            if (name == Document)
            {
                headers.ContentSecurityPolicy = Policy;
                headers["Referrer-Policy"] = "no-referrer";
                headers.ETag = _tag;
            }

            if ($"{http.Request.Headers.IfNoneMatch}".Contains(_tag, StringComparison.Ordinal))
            {
                http.Response.StatusCode = StatusCodes.Status304NotModified;
                return;
            }

            var isPacked = StringWithQualityHeaderValue.TryParseList(http.Request.Headers.AcceptEncoding, out var codings)
                && codings.Any(coding => coding.Value.Equals("gzip", StringComparison.OrdinalIgnoreCase) && coding.Quality is null or > 0);
            var body = isPacked ? _gzip : content;
            headers.ContentEncoding = isPacked ? "gzip" : default;
            http.Response.ContentType = _type;
            http.Response.ContentLength = body.Length;
            await http.Response.Body.WriteAsync(body, http.RequestAborted);
        }

        private static byte[] Compress(byte[] content)
        {
            using var packed = new MemoryStream();
            using (var gzip = new GZipStream(packed, CompressionLevel.SmallestSize))
            {
                gzip.Write(content);
            }

            return packed.ToArray();
        }
    }
}
