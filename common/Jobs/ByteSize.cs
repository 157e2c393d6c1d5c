using System.Globalization;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace Dts.Common.Jobs;

/// <summary>A number of bytes; in JSON a number, or a text with a unit: "512M" (K, M, G, T: powers of 1024).</summary>
[JsonConverter(typeof(Json))]
public readonly record struct ByteSize(long Bytes)
{
    private const string Units = "KMGT";

    public static bool TryParse(string text, out ByteSize size)
    {
        var unit = text.Length > 0 ? Units.IndexOf(text[^1], StringComparison.Ordinal) + 1 : 0;
        var isNumber = long.TryParse(unit > 0 ? text[..^1] : text, NumberStyles.None, CultureInfo.InvariantCulture, out var number);
        size = isNumber && number <= long.MaxValue >> (10 * unit) ? new ByteSize(number << (10 * unit)) : default;
        return isNumber && size.Bytes >> (10 * unit) == number;
    }

    /// <summary>The form for a job: "512M".</summary>
    public override string ToString()
    {
        var (number, unit) = Shorten();
        return unit == 0 ? $"{number}" : $"{number}{Units[unit - 1]}";
    }

    /// <summary>For people: "512 MiB".</summary>
    public string Describe()
    {
        var (number, unit) = Shorten();
        return unit == 0 ? $"{number} bytes" : $"{number} {Units[unit - 1]}iB";
    }

    private (long Number, int Unit) Shorten()
    {
        var (number, unit) = (Bytes, 0);
        while (unit < Units.Length && number > 0 && number % 1024 == 0)
        {
            (number, unit) = (number / 1024, unit + 1);
        }

        return (number, unit);
    }

    public sealed class Json : JsonConverter<ByteSize>
    {
        public override ByteSize Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) =>
            reader.TokenType switch
        {
            JsonTokenType.Number when reader.TryGetInt64(out var bytes) => new ByteSize(bytes),
            JsonTokenType.String when TryParse(reader.GetString()!, out var size) => size,
            _ => throw new JsonException(),
        };

        public override void Write(Utf8JsonWriter writer, ByteSize value, JsonSerializerOptions options)
        {
            if (value.Bytes % 1024 != 0 || value.Bytes <= 0)
            {
                writer.WriteNumberValue(value.Bytes);
            }
            else
            {
                writer.WriteStringValue(value.ToString());
            }
        }
    }
}
