using System.Text.Encodings.Web;
using System.Text.Json;

namespace Dts.Common.Hosting;

/// <summary>
/// How DTS writes JSON: only what JSON itself forbids is escaped, so that texts stay readable in etcd, in the log and in curl.
/// </summary>
public static class JsonText
{
    public static JsonSerializerOptions Readable(JsonSerializerOptions options) =>
        new(options) { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };
}
