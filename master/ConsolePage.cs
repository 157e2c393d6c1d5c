using System.IO.Compression;
using System.Security.Cryptography;
using Dts.Master.Access;
using Dts.Master.Api;

namespace Dts.Master;

/// <summary>The web console: plain files inside the executable, compressed once at the start.</summary>
/// <remarks>
/// The page is one document at many addresses; its script reads the address. All other files are below a folder whose name is the hash of
/// all files, so browsers cache them forever, and never mix files of two versions. If masters of two versions share an address, a request
/// with the other version's hash is answered, but not cached.
/// </remarks>
internal static class ConsolePage
{
    private const string Policy =
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; base-uri 'none'; "
            + "form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'";

    private const string Folder = "/console/";
    private const string Prefix = "console/";
    private const string Document = "index.html";

    // The addresses of its pages, except for the first.
    private static readonly string[] Addresses =
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
        foreach (var address in Addresses)
        {
            routes.MapGet(address, answer).AllowAnyone();
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

    /// <summary>A file, ready to be sent.</summary>
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

            var isPacked = GzipBody.Accepts(http.Request);
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
