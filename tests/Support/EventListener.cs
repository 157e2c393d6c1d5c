using System.Net;
using System.Text.Json.Nodes;

namespace Dts.Tests.Support;

/// <summary>A listener to a master's events that keeps them.</summary>
internal sealed class EventListener : IAsyncDisposable
{
    private readonly CancellationTokenSource _stop = new();
    private readonly List<Heard> _heard = [];
    private readonly HttpResponseMessage _answer;
    private readonly Task _listening;

    private EventListener(HttpResponseMessage answer)
    {
        _answer = answer;
        _listening = ListenAsync();
    }

    /// <summary>All events so far, in order.</summary>
    public IReadOnlyList<Heard> All
    {
        get
        {
            lock (_heard)
            {
                return [.. _heard];
            }
        }
    }

    public HttpStatusCode Status => _answer.StatusCode;

    public static async Task<EventListener> StartAsync(HttpClient http, string filter = "", string? lastEventId = null)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, $"/api/v1/events?filter={Uri.EscapeDataString(filter)}");
        if (lastEventId is not null)
        {
            request.Headers.Add("Last-Event-ID", lastEventId);
        }

        return new EventListener(await http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead));
    }

    /// <summary>Waits for the first event that meets the condition.</summary>
    public async Task<Heard> SoonAsync(Func<Heard, bool> fits)
    {
        Heard? found = null;
        await Patience.Until(() => (found = All.FirstOrDefault(fits)) is not null, () => string.Join('\n', All));
        return found!;
    }

    public Task<Heard> SoonAsync(string name, string change = "") =>
        SoonAsync(heard => heard.Name == name && (change.Length == 0 || (string?)heard.Data["change"] == change));

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _listening.WaitAsync(Patience.Limit);
        _answer.Dispose();
        _stop.Dispose();
    }

    private async Task ListenAsync()
    {
        try
        {
            using var reader = new StreamReader(await _answer.Content.ReadAsStreamAsync(_stop.Token));
            var (id, name) = ("", "");
            while (await reader.ReadLineAsync(_stop.Token) is { } line)
            {
                switch (line.Split(": ", 2))
                {
                    case ["id", var text]:
                        id = text;
                        break;
                    case ["event", var text]:
                        name = text;
                        break;
                    case ["data", var text]:
                        lock (_heard)
                        {
                            _heard.Add(new Heard(id, name, JsonNode.Parse(text)!));
                        }

                        break;
                }
            }
        }
        catch (Exception gone) when (gone is OperationCanceledException or IOException or HttpRequestException)
        {
            // One side has closed the stream.
        }
    }

    internal sealed record Heard(string Id, string Name, JsonNode Data)
    {
        public override string ToString() => $"{Id} {Name} {Data.ToJsonString()}";
    }
}
