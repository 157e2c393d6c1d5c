using System.Net;
using System.Net.Http.Headers;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Dts.Master.Commands;

/// <summary>A master's API as the commands use it. An error of the API becomes a <see cref="CommandFailure"/> with its one line.</summary>
internal sealed class ApiClient : IDisposable
{
    private static readonly TimeSpan AnswerWithin = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan BodyWithin = TimeSpan.FromMinutes(2);

    private readonly HttpClient _http;

    /// <param name="token">Empty = none is sent.</param>
    public ApiClient(Uri url, string token)
    {
        _http = new HttpClient(new SocketsHttpHandler { AllowAutoRedirect = false, ConnectTimeout = TimeSpan.FromSeconds(5) })
        {
            BaseAddress = url,
            Timeout = Timeout.InfiniteTimeSpan,
        };
        if (token.Length > 0)
        {
            _http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", token);
        }
    }

    public void Dispose() => _http.Dispose();

    /// <summary>A path below /api/v1 from its parts, each escaped.</summary>
    public static string Path(params string[] parts) => "/api/v1/" + string.Join('/', parts.Select(Uri.EscapeDataString));

    /// <summary>A path with those parameters that have a value.</summary>
    public static string Query(string path, params (string Name, string? Value)[] parameters)
    {
        var given = parameters.Where(parameter => parameter.Value is { Length: > 0 })
            .Select(parameter => $"{parameter.Name}={Uri.EscapeDataString(parameter.Value!)}").ToList();
        return given.Count > 0 ? $"{path}?{string.Join('&', given)}" : path;
    }

    /// <summary>Whether the connection broke while an answer was read.</summary>
    public static bool IsBreak(Exception failure) =>
        failure is HttpRequestException or HttpIOException or IOException { InnerException: SocketException };

    public async Task<JsonNode> GetAsync(string path, CancellationToken cancel) =>
        await ReadAsync(await SendAsync(HttpMethod.Get, path, null, AnswerWithin, cancel), cancel);

    public async Task<string> GetTextAsync(string path, CancellationToken cancel)
    {
        using var answer = await SendAsync(HttpMethod.Get, path, null, AnswerWithin, cancel);
        return await ReadTextAsync(answer, cancel);
    }

    public async Task<JsonNode> SendAsync(
        HttpMethod method,
        string path,
        HttpContent? body,
        CancellationToken cancel,
        TimeSpan? within = null,
        params (string Name, string Value)[] headers) =>
        await ReadAsync(await SendAsync(method, path, body, within ?? AnswerWithin, cancel, headers), cancel);

    /// <summary>The answer while it still comes; the caller disposes of it.</summary>
    public Task<HttpResponseMessage> OpenAsync(string path, CancellationToken cancel) =>
        SendAsync(HttpMethod.Get, path, null, AnswerWithin, cancel);

    public static HttpContent Json(JsonNode body) => new StringContent(body.ToJsonString(), Encoding.UTF8, "application/json");

    public static HttpContent Bytes(byte[] body, string type) =>
        new ByteArrayContent(body) { Headers = { ContentType = new MediaTypeHeaderValue(type) } };

    private async Task<HttpResponseMessage> SendAsync(
        HttpMethod method,
        string path,
        HttpContent? body,
        TimeSpan within,
        CancellationToken cancel,
        params (string Name, string Value)[] headers)
    {
        using var request = new HttpRequestMessage(method, path) { Content = body };
        foreach (var (name, value) in headers)
        {
            request.Headers.TryAddWithoutValidation(name, value);
        }

        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        limit.CancelAfter(within);
        HttpResponseMessage answer;
        try
        {
            answer = await _http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, limit.Token);
        }
        catch (HttpRequestException failure)
        {
            throw Passes($"{_http.BaseAddress} cannot be reached: {failure.Message}; --url or DTS_URL names the master");
        }
        catch (OperationCanceledException) when (!cancel.IsCancellationRequested)
        {
            throw Passes($"{_http.BaseAddress} gave no answer in {within.TotalSeconds:0} s");
        }

        if (answer.IsSuccessStatusCode)
        {
            return answer;
        }

        using (answer)
        {
            throw new CommandFailure(ExitCodes.Refused, Explain(answer, await ReadTextAsync(answer, cancel)))
            {
                MayPass = answer.StatusCode is HttpStatusCode.BadGateway or HttpStatusCode.ServiceUnavailable
                    or HttpStatusCode.GatewayTimeout or HttpStatusCode.TooManyRequests,
            };
        }
    }

    private static CommandFailure Passes(string message) => new(ExitCodes.Refused, message) { MayPass = true };

    private async Task<string> ReadTextAsync(HttpResponseMessage answer, CancellationToken cancel)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        limit.CancelAfter(BodyWithin);
        try
        {
            return await answer.Content.ReadAsStringAsync(limit.Token);
        }
        catch (Exception failure) when (failure is HttpRequestException or IOException)
        {
            throw Passes($"{_http.BaseAddress} broke off its answer: {failure.Message}");
        }
        catch (OperationCanceledException) when (!cancel.IsCancellationRequested)
        {
            throw Passes($"{_http.BaseAddress} did not end its answer in {BodyWithin.TotalSeconds:0} s");
        }
    }

    private async Task<JsonNode> ReadAsync(HttpResponseMessage answer, CancellationToken cancel)
    {
        using (answer)
        {
            var text = await ReadTextAsync(answer, cancel);
            try
            {
                return (text.Length > 0 ? JsonNode.Parse(text) : null) ?? new JsonObject();
            }
            catch (JsonException)
            {
                throw new CommandFailure(ExitCodes.Refused, $"{_http.BaseAddress} did not answer with JSON: is it a master of DTS?");
            }
        }
    }

    private string Explain(HttpResponseMessage answer, string body)
    {
        try
        {
            if (JsonNode.Parse(body) is JsonObject problem && problem["detail"]?.GetValue<string>() is { Length: > 0 } detail)
            {
                return detail;
            }
        }
        catch (Exception wrong) when (wrong is JsonException or InvalidOperationException)
        {
            // It is not from a master.
        }

        var path = answer.RequestMessage?.RequestUri?.AbsolutePath;
        return $"{_http.BaseAddress} answered {(int)answer.StatusCode} {answer.ReasonPhrase} to {path}";
    }
}
