using System.Collections.Concurrent;
using System.Net;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;

namespace Dts.Tests.Support;

/// <summary>An HTTP server on loopback that accepts messages, or refuses them.</summary>
internal sealed class WebhookReceiver : IAsyncDisposable
{
    private readonly WebApplication _app;

    private WebhookReceiver(WebApplication app) => _app = app;

    /// <summary>All received messages, also refused ones.</summary>
    public ConcurrentQueue<Post> Posts { get; } = new();

    /// <summary>The status and body of the next answers.</summary>
    public (int Status, string Body) Answer { get; set; } = (200, "ok");

    /// <summary>Answers wait for it.</summary>
    public Task Opened { get; set; } = Task.CompletedTask;

    public string Url => _app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.Single();

    public static async Task<WebhookReceiver> StartAsync()
    {
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.WebHost.UseKestrelCore().ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, 0));
        var receiver = new WebhookReceiver(builder.Build());
        receiver._app.Run(receiver.TakeAsync);
        await receiver._app.StartAsync();
        return receiver;
    }

    /// <summary>Waits until so many posts have arrived.</summary>
    public async Task<IReadOnlyList<Post>> SoonAsync(int count, Func<string>? state = null)
    {
        await Patience.Until(
            () => Posts.Count >= count, () => $"{Posts.Count} of {count} posts: {string.Join('\n', Posts)}\n{state?.Invoke()}");
        return [.. Posts];
    }

    public async ValueTask DisposeAsync() => await _app.DisposeAsync();

    private async Task TakeAsync(HttpContext http)
    {
        using var reader = new StreamReader(http.Request.Body);
        var body = await reader.ReadToEndAsync();
        Posts.Enqueue(new Post(
            $"{http.Request.Path}{http.Request.QueryString}",
            body,
            http.Request.Headers.ToDictionary(header => header.Key, header => $"{header.Value}")));
        await Opened;
        http.Response.StatusCode = Answer.Status;
        await http.Response.WriteAsync(Answer.Body);
    }

    internal sealed record Post(string Path, string Body, IReadOnlyDictionary<string, string> Headers)
    {
        public JsonNode Json => JsonNode.Parse(Body)!;

        /// <summary>The event and the job or worker that it is about.</summary>
        public string Said => $"{Json["event"]} {Json["job"] ?? Json["worker"]}";

        public override string ToString() => $"{Path} {Body}";
    }
}
