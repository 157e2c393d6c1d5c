namespace Dts.Master.Api;

/// <summary>Reads a request's body into memory, up to a limit.</summary>
internal static class RequestBody
{
    /// <summary>Beyond this size the connection is closed: nobody sends such a body by mistake.</summary>
    public const long BytesReadMax = 64 << 20;

    private const int PieceBytes = 16 << 10;

    /// <exception cref="FormatException">The body is larger. The rest is read and dropped, so that the client reads the answer.</exception>
    public static async Task<MemoryStream> ReadAsync(HttpContext http, int bytesMax, string expected)
    {
        var body = new MemoryStream();
        var piece = new byte[PieceBytes];
        var isTooLarge = http.Request.ContentLength > bytesMax;
        while (await http.Request.Body.ReadAsync(piece, http.RequestAborted) is > 0 and var count)
        {
            isTooLarge |= body.Length + count > bytesMax;
            if (!isTooLarge)
            {
                body.Write(piece, 0, count);
            }
        }

        body.Position = 0;
        return isTooLarge
            ? throw new FormatException($"body is larger than {bytesMax} bytes; expected {expected} within that limit")
            : body;
    }
}
