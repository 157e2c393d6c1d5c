using System.Text;
using System.Text.Json.Nodes;

namespace Dts.Master.Commands;

/// <summary>Prints a run's output as it comes, and knows where it is.</summary>
/// <param name="path">Of the output.</param>
internal sealed class Follower(Asked asked, string path, bool isRaw)
{
    /// <summary>The byte to go on with.</summary>
    public string Offset { get; private set; } = "0";

    /// <summary>A stream has begun at least once, so the master and the run are known.</summary>
    public bool HasBegun { get; private set; }

    /// <summary>Reads one event stream. Returns the exit code, or null if the stream ended before the run.</summary>
    public async Task<int?> ReadAsync()
    {
        using var answer = await asked.Api.OpenAsync(ApiClient.Query(path, ("follow", "true"), ("offset", Offset)), asked.Cancel);
        HasBegun = true;
        using var reader = new StreamReader(await answer.Content.ReadAsStreamAsync(asked.Cancel), Encoding.UTF8);
        var (name, next) = ("", Offset);
        while (await reader.ReadLineAsync(asked.Cancel) is { } text)
        {
            if (text.StartsWith("id: ", StringComparison.Ordinal))
            {
                next = text[4..];
            }
            else if (text.StartsWith("event: ", StringComparison.Ordinal))
            {
                name = text[7..];
            }
            else if (text.StartsWith("data: ", StringComparison.Ordinal) && name == "end")
            {
                asked.Terminal.Note(text[6..]);
                return ExitCodes.Done;
            }
            else if (text.StartsWith("data: ", StringComparison.Ordinal) && name.Length > 0)
            {
                await CheckAsync();
                throw new CommandFailure(ExitCodes.Refused, text[6..]) { MayPass = true };
            }
            else if (text.StartsWith("data: ", StringComparison.Ordinal))
            {
                using var piece = new MemoryStream(BytesOf(JsonNode.Parse(text[6..])));
                await asked.Terminal.CopyAsync(piece, isRaw, asked.Cancel);
                Offset = next;
            }
        }

        return null;
    }

    /// <summary>An error in a stream does not say whether a retry can help. The plain output does: 404 when there is no run.</summary>
    private async Task CheckAsync() =>
        (await asked.Api.OpenAsync(ApiClient.Query(path, ("offset", Offset)), asked.Cancel)).Dispose();

    private static byte[] BytesOf(JsonNode? piece) =>
        piece.Text("base64") is { Length: > 0 } bytes ? Convert.FromBase64String(bytes) : Encoding.UTF8.GetBytes(piece.Text("text"));
}
