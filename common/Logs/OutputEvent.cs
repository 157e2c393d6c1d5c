using System.Text.Json.Serialization;

namespace Dts.Common.Logs;

/// <summary>A piece of output as the event stream sends it: as text, or, where it is no UTF-8, as base64.</summary>
/// <param name="Offset">In bytes from the beginning of the output.</param>
/// <param name="Bytes">How many bytes it stands for.</param>
public sealed record OutputEvent(long Offset, long Bytes, [property: JsonConverter(typeof(LongText))] string? Text, string? Base64);
