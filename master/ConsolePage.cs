using Dts.Master.Access;

namespace Dts.Master;

/// <summary>The web console: three files inside the executable. They hold nothing secret: who asks is asked of what they ask for.</summary>
internal static class ConsolePage
{
    private const string Policy =
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; base-uri 'none'; "
            + "form-action 'none'; frame-ancestors 'none'";

    public static void Map(IEndpointRouteBuilder routes)
    {
        routes.MapGet("/", Serve("index.html", "text/html; charset=utf-8")).AllowAnyone();
        routes.MapGet("/console.js", Serve("console.js", "text/javascript; charset=utf-8")).AllowAnyone();
        routes.MapGet("/console.css", Serve("console.css", "text/css; charset=utf-8")).AllowAnyone();
    }

    private static RequestDelegate Serve(string file, string type)
    {
        using var stream = typeof(ConsolePage).Assembly.GetManifestResourceStream($"console/{file}")
            ?? throw new FileNotFoundException(file);
        using var copy = new MemoryStream();
        stream.CopyTo(copy);
        var content = copy.ToArray();
        return async http =>
        {
            http.Response.ContentType = type;
            http.Response.Headers.ContentSecurityPolicy = Policy;
            http.Response.Headers.XContentTypeOptions = "nosniff";
            http.Response.Headers.CacheControl = "no-cache";
            await http.Response.Body.WriteAsync(content, http.RequestAborted);
        };
    }
}
