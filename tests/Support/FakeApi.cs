using System.Collections.Concurrent;
using System.Net;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.DependencyInjection;

namespace Dts.Tests.Support;

/// <summary>An HTTP server that records requests and returns prepared answers in order, then repeats the last one.</summary>
internal sealed class FakeApi : IAsyncDisposable
{
    private readonly WebApplication _app;
    private readonly ConcurrentQueue<(int Status, string Body, string Type, bool IsCut)> _answers = new();

    private FakeApi(WebApplication app) => _app = app;

    public ConcurrentQueue<(string Line, string Body, string Token, string Key)> Requests { get; } = new();

    public string Url => _app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.Single();

    public static async Task<FakeApi> StartAsync()
    {
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.WebHost.UseKestrelCore().ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, 0));
        var app = builder.Build();
        var api = new FakeApi(app);
        app.Run(api.AnswerAsync);
        await app.StartAsync();
        return api;
    }

    /// <param name="isCut">The connection breaks after the body, before the end of the answer.</param>
    public FakeApi Answer(string body, int status = 200, string type = "application/json", bool isCut = false)
    {
        _answers.Enqueue((status, body, type, isCut));
        return this;
    }

    public async ValueTask DisposeAsync() => await _app.DisposeAsync();

    private async Task AnswerAsync(HttpContext http)
    {
        using var reader = new StreamReader(http.Request.Body);
        var line = $"{http.Request.Method} {http.Features.Get<IHttpRequestFeature>()!.RawTarget}";
        var body = await reader.ReadToEndAsync();
        var headers = http.Request.Headers;
        var condition = $"{headers.IfMatch}{headers.IfNoneMatch}";
        Requests.Enqueue((
            condition.Length > 0 ? $"{line} if {condition}" : line, body, $"{headers.Authorization}", $"{headers["Idempotency-Key"]}"));
        if (!_answers.TryPeek(out var answer))
        {
            answer = (200, "{}", "application/json", false);
        }
        else if (_answers.Count > 1)
        {
            _answers.TryDequeue(out answer);
        }

        http.Response.StatusCode = answer.Status;
        http.Response.ContentType = answer.Type;
        var bytes = System.Text.Encoding.Latin1.GetBytes(answer.Body); // One byte per character.
        http.Response.ContentLength = answer.IsCut ? bytes.Length + 1 : bytes.Length; // One too many: the server cuts the connection.
        await http.Response.Body.WriteAsync(bytes);
    }
}
