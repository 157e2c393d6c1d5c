using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using System.Text;
using Google.Protobuf;

namespace Dts.Tests.Support;

/// <summary>An OTLP receiver on loopback (HTTP, protobuf) that keeps what it receives.</summary>
internal sealed class OtlpReceiver : IDisposable
{
    private readonly HttpListener _listener = new();

    public OtlpReceiver(int? port = null)
    {
        Endpoint = new Uri($"http://127.0.0.1:{port ?? FindFreePort()}");
        _listener.Prefixes.Add($"{Endpoint}");
        _listener.Start();
        _ = TakeAsync();
    }

    public Uri Endpoint { get; }

    public ConcurrentQueue<OtlpSpan> Spans { get; } = new();

    /// <summary>The names of the received metrics, each with the service instance that sent it.</summary>
    public ConcurrentDictionary<(string Instance, string Metric), bool> Metrics { get; } = new();

    public void Dispose() => _listener.Close();

    public static int FindFreePort()
    {
        using var probe = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        probe.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        return ((IPEndPoint)probe.LocalEndPoint!).Port;
    }

    private async Task TakeAsync()
    {
        try
        {
            while (true)
            {
                await TakeAsync(await _listener.GetContextAsync());
            }
        }
        catch (Exception closed) when (closed is HttpListenerException or ObjectDisposedException)
        {
            // Disposed.
        }
    }

    private async Task TakeAsync(HttpListenerContext context)
    {
        try
        {
            using var body = new MemoryStream();
            await context.Request.InputStream.CopyToAsync(body);
            Take(context.Request.Url!.AbsolutePath, body.ToArray());
            context.Response.ContentType = "application/x-protobuf";
            context.Response.Close();
        }
        catch (Exception broken) when (broken is HttpListenerException or IOException or InvalidOperationException)
        {
            // The sender broke off. Others go on.
        }
    }

    // Field numbers: opentelemetry/proto, collector, metrics, trace, common and resource, version 1.
    private void Take(string path, byte[] request)
    {
        foreach (var ofResource in Wire.Read(request).Where(field => field.Number == 1).Select(field => Wire.Read(field.Bytes).ToList()))
        {
            var instance = ofResource.Where(field => field.Number == 1)
                .SelectMany(field => Attributes(Wire.Read(field.Bytes), 1))
                .FirstOrDefault(attribute => attribute.Key == "service.instance.id").Value;
            foreach (var item in ofResource.Where(field => field.Number == 2)
                .SelectMany(scope => Wire.Read(scope.Bytes).Where(field => field.Number == 2)))
            {
                var fields = Wire.Read(item.Bytes).ToList();
                if (path == "/v1/metrics")
                {
                    Metrics[(instance, Text(fields, 1))] = true;
                }
                else
                {
                    Spans.Enqueue(new OtlpSpan(
                        Hex(fields, 1), Hex(fields, 2), Hex(fields, 4), Text(fields, 5), Attributes(fields, 9).ToDictionary()));
                }
            }
        }
    }

    private static IEnumerable<KeyValuePair<string, string>> Attributes(IEnumerable<Wire> fields, int number) =>
        from field in fields
        where field.Number == number
        let pair = Wire.Read(field.Bytes).ToList()
        let value = Wire.Read(pair.First(of => of.Number == 2).Bytes).Single()
        select KeyValuePair.Create(Text(pair, 1), value.Bytes.Length > 0 ? Encoding.UTF8.GetString(value.Bytes) : $"{value.Value}");

    private static string Text(IEnumerable<Wire> fields, int number) =>
        Encoding.UTF8.GetString(fields.FirstOrDefault(field => field.Number == number)?.Bytes ?? []);

    private static string Hex(IEnumerable<Wire> fields, int number) =>
        Convert.ToHexStringLower(fields.FirstOrDefault(field => field.Number == number)?.Bytes ?? []);

    /// <summary>A field of a protobuf message.</summary>
    private sealed record Wire(int Number, ulong Value, byte[] Bytes)
    {
        public static IEnumerable<Wire> Read(byte[] message)
        {
            var input = new CodedInputStream(message);
            while (input.ReadTag() is > 0 and var tag)
            {
                yield return WireFormat.GetTagWireType(tag) switch
                {
                    WireFormat.WireType.Varint => new Wire(WireFormat.GetTagFieldNumber(tag), input.ReadUInt64(), []),
                    WireFormat.WireType.Fixed64 => new Wire(WireFormat.GetTagFieldNumber(tag), input.ReadFixed64(), []),
                    WireFormat.WireType.Fixed32 => new Wire(WireFormat.GetTagFieldNumber(tag), input.ReadFixed32(), []),
                    _ => new Wire(WireFormat.GetTagFieldNumber(tag), 0, input.ReadBytes().ToByteArray()),
                };
            }
        }
    }
}

internal sealed record OtlpSpan(string Trace, string Id, string Parent, string Name, IReadOnlyDictionary<string, string> Attributes);
