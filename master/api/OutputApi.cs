using System.Buffers;
using System.ComponentModel;
using System.Globalization;
using System.Text.Json;
using System.Text.Json.Serialization;
using System.Text.Unicode;
using Dts.Common.Etcd;
using Dts.Common.Hosting;
using Dts.Common.Jobs;
using Dts.Common.Logs;
using Dts.Master.Access;
using Dts.Master.Jobs;
using Dts.Master.Logs;

namespace Dts.Master.Api;

/// <summary>A run's output: whole, as a file, or as server-sent events while it is written.</summary>
/// <remarks>
/// Any master reads it from the log store. A reader that was cut off goes on from its offset. A stream ends when the run has ended.
/// </remarks>
internal sealed class OutputApi(JobStore jobs, ILogReader store, EtcdClient etcd, Keys keys, TimeProvider time)
{
    private const int BytesAtOnce = 256 << 10;

    private const string NoSuchRun = "there is no such run in flight, and no record of it";

    private static readonly TimeSpan LookEvery = TimeSpan.FromMilliseconds(300);
    private static readonly TimeSpan SayEvery = TimeSpan.FromSeconds(15);      // Otherwise proxies take the stream for dead.
    // A run that is just being claimed, its record or its last chunks may be on their way.
    private static readonly TimeSpan AppearsWithin = TimeSpan.FromSeconds(10);

    private readonly FollowedRuns _followed = new(store, etcd, time);
    private readonly CallerQuota _quota = new(
        FollowedRuns.FollowersMax, "readers", "already follow outputs on this master", "try again later, or without follow=true");

    public void Map(RouteGroupBuilder v1) =>
        v1.MapGet("/runs/{job}/{runId}/output", (
            string job,
            string runId,
            [Description("The byte to begin at; Last-Event-ID goes before it")] string? offset,
            [Description("true sends server-sent events until the run has ended")] string? follow,
            HttpContext http) => ServeAsync(http, job, runId, offset, follow))
            .RequireRole(Role.Viewer)
            .WithMetadata([new OwnDeadline(), .. ApiHeaders.OfOutput])
            .Produces(StatusCodes.Status200OK, contentType: "application/octet-stream", additionalContentTypes: "text/event-stream")
            .WithSummary("The output of a run: whole, or as server-sent events while it is written");

    private async Task ServeAsync(HttpContext http, string job, string runId, string? from, string? follow)
    {
        var name = await jobs.ResolveAsync(Query.Name(job), http.RequestAborted);
        var offset = ReadOffset(http.Request.Headers["Last-Event-ID"].FirstOrDefault() ?? from);
        var isFollowed = Query.Flag("follow", follow);

        var (id, runKey) = ($"{name}/{runId}", keys.Run(name, runId));
        try
        {
            await (isFollowed
                ? FollowAsync(http, id, offset, runKey)
                : SendAsync(http, new OutputReader(store, id, offset), runKey));
        }
        catch (OperationCanceledException) when (http.RequestAborted.IsCancellationRequested)
        {
            // The reader has gone.
        }
        catch (Exception failure) when (failure is LogStoreException or EtcdException && http.Response.HasStarted)
        {
            await SayAsync(http, "error", failure.Message); // The reader asks again from its offset.
        }
    }

    private static long ReadOffset(string? text) =>
        text is null ? 0
        : long.TryParse(text, CultureInfo.InvariantCulture, out var offset) && offset >= 0 ? offset
        : throw new FormatException("offset is not a whole number of bytes; expected 0 or more");

    /// <summary>
    /// Sends the output as a file. After the run has ended, it is as long as its record says, or the connection is closed, so that the
    /// reader notices.
    /// </summary>
    private async Task SendAsync(HttpContext http, OutputReader reader, string runKey)
    {
        var record = await reader.FindRecordAsync(http.RequestAborted);
        var bytes = await reader.ReadAsync(record, BytesAtOnce, http.RequestAborted);
        if (bytes.Length == 0 && record is null && !reader.IsLost && await etcd.FindAsync(runKey, cancel: http.RequestAborted) is null)
        {
            throw Refusal.NotFound(NoSuchRun);
        }

        var headers = http.Response.Headers;
        http.Response.ContentType = "application/octet-stream";
        headers.ContentDisposition = $"attachment; filename=\"{Uri.EscapeDataString(runKey[(runKey.LastIndexOf('/') + 1)..])}.log\"";
        headers.XContentTypeOptions = "nosniff";
        if (record is not null)
        {
            headers["DTS-Output-Bytes"] = record.OutputBytes.ToString(CultureInfo.InvariantCulture);
            headers["DTS-Output-Cut"] = CutOf(record);
            http.Response.ContentLength = record.OutputStored > 0
                ? Math.Max(0, record.OutputStored - (reader.Offset - bytes.Length))
                : null;
        }

        for (var asked = time.GetTimestamp(); ; bytes = await reader.ReadAsync(record, BytesAtOnce, http.RequestAborted))
        {
            if (bytes.Length > 0)
            {
                // On a full disk, the last piece may be longer than the record says.
                var beyond = record is { OutputStored: > 0 } ? Math.Max(0, reader.Offset - record.OutputStored) : 0;
                await http.Response.Body.WriteAsync(bytes.AsMemory(0, (int)Math.Max(0, bytes.Length - beyond)), http.RequestAborted);
                asked = time.GetTimestamp();
            }
            else if (reader.Offset >= (record?.OutputStored ?? 0))
            {
                return;
            }
            else if (time.GetElapsedTime(asked) > AppearsWithin)
            {
                http.Abort();
                return;
            }
            else
            {
                await Task.Delay(LookEvery, time, http.RequestAborted); // The record is there, and the last chunks are on their way.
            }
        }
    }

    /// <summary>The part of a run's output that is missing.</summary>
    private static string CutOf(RunRecord record) => record switch
    {
        { OutputStored: > 0 } when record.OutputStored < record.OutputBytes =>
            $"{record.OutputBytes - record.OutputStored} bytes from byte {record.OutputStored} on; the record has the tail",
        { OutputStored: 0, OutputTruncated: true } => "in the middle, where it says so",
        _ => "nothing",
    };

    private async Task FollowAsync(HttpContext http, string id, long offset, string runKey)
    {
        using var taken = _quota.Take(Caller.Of(http));
        var run = _followed.Join(id, runKey, offset);
        try
        {
            await FollowAsync(http, run, offset);
        }
        finally
        {
            _followed.Leave(run);
        }
    }

    private async Task FollowAsync(HttpContext http, FollowedRun run, long offset)
    {
        http.Response.ContentType = "text/event-stream";
        http.Response.Headers.CacheControl = "no-cache";
        http.Response.Headers["X-Accel-Buffering"] = "no"; // nginx passes each event on at once.
        var said = time.GetTimestamp(); // When the reader last got something.
        byte[] rest = [];
        await SayAsync(http, comment: "following");
        while (true)
        {
            if (await run.ReadAsync(offset, http.RequestAborted) is { Length: > 0 } bytes)
            {
                offset += bytes.Length;
                var piece = rest.Length == 0 ? bytes : [.. rest, .. bytes];
                rest = await SendEventAsync(http, piece, offset - piece.Length, isLast: false);
                said = time.GetTimestamp();
                continue;
            }

            var isSilent = run.Silence > AppearsWithin;
            if (run.Record is { } record && (isSilent || offset >= record.OutputStored))
            {
                await SendEventAsync(http, rest, offset - rest.Length, isLast: true);
                var missing = offset < record.OutputStored
                    ? $"; bytes {offset} to {record.OutputStored} are not in the store, or not yet"
                    : "";
                await SayAsync(http, "end", $"{record.Status.Word()}; {record.OutputBytes} bytes written; cut: {CutOf(record)}{missing}");
                return;
            }

            if (run.Record is null && isSilent)
            {
                await SendEventAsync(http, rest, offset - rest.Length, isLast: true);
                await (run.IsLost
                    ? SayAsync(http, "end", "lost; this is the output that its worker had stored")
                    : SayAsync(http, "error", NoSuchRun));
                return;
            }

            if (time.GetElapsedTime(said) > SayEvery)
            {
                await SayAsync(http, comment: "nothing new");
                said = time.GetTimestamp();
            }
        }
    }

    /// <summary>Sends bytes, except for an incomplete character at their end, and returns those of the character.</summary>
    private static async Task<byte[]> SendEventAsync(HttpContext http, byte[] bytes, long offset, bool isLast)
    {
        var letters = new char[bytes.Length];
        var status = Utf8.ToUtf16(bytes, letters, out var whole, out var count, replaceInvalidSequences: false, isFinalBlock: isLast);
        var isText = status != OperationStatus.InvalidData;
        whole = isText ? whole : bytes.Length;
        if (whole > 0)
        {
            var output = new OutputEvent(
                offset, whole, isText ? new string(letters, 0, count) : null, isText ? null : Convert.ToBase64String(bytes));
            var data = JsonSerializer.SerializeToUtf8Bytes(output, ApiJson.Readable.OutputEvent);
            await http.Response.WriteAsync($"id: {(offset + whole).ToString(CultureInfo.InvariantCulture)}\ndata: ", http.RequestAborted);
            await http.Response.Body.WriteAsync(data, http.RequestAborted);
            await http.Response.WriteAsync("\n\n", http.RequestAborted);
            await http.Response.Body.FlushAsync(http.RequestAborted);
        }

        return bytes[whole..];
    }

    private static async Task SayAsync(HttpContext http, string? name = null, string data = "", string? comment = null)
    {
        await http.Response.WriteAsync(
            comment is not null ? $": {comment}\n\n" : $"event: {name}\ndata: {data.ReplaceLineEndings(" ")}\n\n", http.RequestAborted);
        await http.Response.Body.FlushAsync(http.RequestAborted);
    }
}

/// <summary>A piece of output in the event stream: as text, or, if it is not UTF-8, as base64.</summary>
/// <param name="Offset">In bytes from the start of the output.</param>
/// <param name="Bytes">The number of bytes in the output.</param>
internal sealed record OutputEvent(long Offset, long Bytes, [property: JsonConverter(typeof(LongText))] string? Text, string? Base64);
