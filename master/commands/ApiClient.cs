using System.Net;
using System.Net.Http.Headers;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Dts.Master.Commands;

/// <summary>A client of a master's API. An error becomes a <see cref="CommandFailure"/> of one line.</summary>
internal sealed class ApiClient : IDisposable
{
    /// <summary>How often a request that can be repeated is tried without an answer.</summary>
    public const int TriesMax = 8;

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

    /// <summary>A path with the parameters that have a value.</summary>
    public static string Query(string path, params (string Name, string? Value)[] parameters)
    {
        var given = parameters.Where(parameter => parameter.Value is { Length: > 0 })
            .Select(parameter => $"{parameter.Name}={Uri.EscapeDataString(parameter.Value!)}").ToList();
        return given.Count > 0 ? $"{path}?{string.Join('&', given)}" : path;
    }

    /// <summary>The pause before the next try.</summary>
    public static TimeSpan PauseAfter(int failures) => TimeSpan.FromSeconds(Math.Min(5, 0.25 * (1 << failures)));

    /// <summary>Whether the connection broke while an answer was read.</summary>
    public static bool IsBreak(Exception failure) =>
        failure is HttpRequestException or HttpIOException or IOException { InnerException: SocketException };

    public Task<JsonNode> GetAsync(string path, CancellationToken cancel) => SendAsync(HttpMethod.Get, path, null, cancel);

    public async Task<JsonNode> SendAsync(
        HttpMethod method,
        string path,
        HttpContent? body,
        CancellationToken cancel,
        TimeSpan? within = null,
        params (string Name, string Value)[] headers)
    {
        using var answer = await OpenAsync(method, path, body, within ?? AnswerWithin, cancel, headers);
        var text = await ReadAsync(answer, cancel);
        try
        {
            return (text.Length > 0 ? JsonNode.Parse(text) : null) ?? new JsonObject();
        }
        catch (JsonException)
        {
            throw new CommandFailure(ExitCodes.Refused, $"{_http.BaseAddress} did not answer with JSON: is it a master of DTS?");
        }
    }

    public async Task<string> GetTextAsync(string path, CancellationToken cancel)
    {
        using var answer = await OpenAsync(path, cancel);
        return await ReadAsync(answer, cancel);
    }

    /// <summary>The answer while it still arrives; the caller disposes of it.</summary>
    public Task<HttpResponseMessage> OpenAsync(string path, CancellationToken cancel) =>
        OpenAsync(HttpMethod.Get, path, null, AnswerWithin, cancel);

    public static HttpContent Json(JsonNode body) => new StringContent(body.ToJsonString(), Encoding.UTF8, "application/json");

    public static HttpContent Bytes(byte[] body, string type) =>
        new ByteArrayContent(body) { Headers = { ContentType = new MediaTypeHeaderValue(type) } };

    private async Task<HttpResponseMessage> OpenAsync(
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

        var answer = await LimitAsync(
            limit => _http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, limit),
            within,
            failure => $"cannot be reached: {failure}; --url or DTS_URL names the master",
            $"gave no answer in {within.TotalSeconds:0} s",
            cancel);
        if (answer.IsSuccessStatusCode)
        {
            return answer;
        }

        using (answer)
        {
            throw new CommandFailure(ExitCodes.Refused, Explain(answer, await ReadAsync(answer, cancel)))
            {
                IsTransient = answer.StatusCode is HttpStatusCode.BadGateway or HttpStatusCode.ServiceUnavailable
                    or HttpStatusCode.GatewayTimeout or HttpStatusCode.TooManyRequests,
            };
        }
    }

    private Task<string> ReadAsync(HttpResponseMessage answer, CancellationToken cancel) => LimitAsync(
        answer.Content.ReadAsStringAsync,
        BodyWithin,
        failure => $"broke off its answer: {failure}",
        $"did not end its answer in {BodyWithin.TotalSeconds:0} s",
        cancel);

    /// <summary>Limits the time of a call, and reports failures that may pass.</summary>
    private async Task<T> LimitAsync<T>(
        Func<CancellationToken, Task<T>> call, TimeSpan within, Func<string, string> failed, string late, CancellationToken cancel)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        limit.CancelAfter(within);
        try
        {
            return await call(limit.Token);
        }
        catch (Exception failure) when (failure is HttpRequestException or IOException)
        {
            throw new CommandFailure(ExitCodes.Refused, $"{_http.BaseAddress} {failed(failure.Message)}") { IsTransient = true };
        }
        catch (OperationCanceledException) when (!cancel.IsCancellationRequested)
        {
            throw new CommandFailure(ExitCodes.Refused, $"{_http.BaseAddress} {late}") { IsTransient = true };
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
            // No master answered.
        }

        var path = answer.RequestMessage?.RequestUri?.AbsolutePath;
        return $"{_http.BaseAddress} answered {(int)answer.StatusCode} {answer.ReasonPhrase} to {path}";
    }
}
