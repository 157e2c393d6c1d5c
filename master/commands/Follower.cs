using System.Net.ServerSentEvents;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Dts.Master.Commands;

/// <summary>Prints a run's output as it arrives, until the run has ended.</summary>
internal sealed class Follower(CommandCall call, string path, bool isRaw)
{
    private string _offset = "0"; // The next byte to read.
    private bool _hasBegun; // A stream has begun at least once, so the master and the run are known.

    /// <remarks>
    /// Resumes when the connection breaks, or when the master or its log store is unavailable. Gives up after some tries without a byte.
    /// </remarks>
    public async Task<int> RunAsync()
    {
        for (var failures = 0; ;)
        {
            var (from, why) = (_offset, "its end is missing");
            try
            {
                if (await ReadAsync())
                {
                    return ExitCodes.Done;
                }
            }
            catch (CommandFailure failure) when (failure.IsTransient && _hasBegun)
            {
                why = failure.Message;
            }
            catch (Exception failure) when (failure is JsonException || ApiClient.IsBreak(failure))
            {
                why = failure.Message;
            }

            failures = _offset != from ? 0 : failures + 1;
            if (failures == ApiClient.TriesMax)
            {
                throw new CommandFailure(
                    ExitCodes.Refused, $"the output broke off at byte {_offset}, {ApiClient.TriesMax} times without progress: {why}");
            }

            if (failures > 0)
            {
                await Task.Delay(ApiClient.PauseAfter(failures), call.Cancel);
            }
        }
    }

    /// <summary>Reads one event stream; false = it ended before the run.</summary>
    private async Task<bool> ReadAsync()
    {
        using var answer = await call.Api.OpenAsync(ApiClient.Query(path, ("follow", "true"), ("offset", _offset)), call.Cancel);
        _hasBegun = true;
        await foreach (var told in SseParser.Create(await answer.Content.ReadAsStreamAsync(call.Cancel)).EnumerateAsync(call.Cancel))
        {
            switch (told.EventType)
            {
                case SseParser.EventTypeDefault:
                    using (var piece = new MemoryStream(BytesOf(JsonNode.Parse(told.Data))))
                    {
                        await call.Terminal.CopyAsync(piece, isRaw, call.Cancel);
                    }

                    _offset = told.EventId ?? _offset;
                    break;
                case "end":
                    call.Terminal.Note(told.Data);
                    return true;
                default:
                    await ThrowIfNoRunAsync();
                    throw new CommandFailure(ExitCodes.Refused, told.Data) { IsTransient = true };
            }
        }

        return false;
    }

    /// <summary>An error in a stream does not say whether a retry can help. The plain output does: 404 when there is no run.</summary>
    private async Task ThrowIfNoRunAsync() =>
        (await call.Api.OpenAsync(ApiClient.Query(path, ("offset", _offset)), call.Cancel)).Dispose();

    private static byte[] BytesOf(JsonNode? piece) =>
        piece.Text("base64") is { Length: > 0 } bytes ? Convert.FromBase64String(bytes) : Encoding.UTF8.GetBytes(piece.Text("text"));
}
