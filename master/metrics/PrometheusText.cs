using System.Globalization;
using System.Text;
using Dts.Common.Metrics;

namespace Dts.Master.Metrics;

/// <summary>Writes metrics in Prometheus' text format, version 0.0.4.</summary>
internal static class PrometheusText
{
    public const string ContentType = "text/plain; version=0.0.4; charset=utf-8";

    public static string Write(IEnumerable<Family> families)
    {
        var text = new StringBuilder();
        foreach (var (name, kind, help, samples) in families)
        {
            text.Append("# HELP ").Append(name).Append(' ').Append(Escape(help, quotes: false)).Append('\n');
            text.Append("# TYPE ").Append(name).Append(' ').Append(WordOf(kind)).Append('\n');
            foreach (var sample in samples)
            {
                if (sample.Distribution is { } distribution)
                {
                    Write(text, name, sample.Labels, distribution);
                }
                else
                {
                    Write(text, name, sample.Labels, sample.Value);
                }
            }
        }

        return text.ToString();
    }

    private static void Write(StringBuilder text, string name, IReadOnlyList<Label> labels, Distribution distribution)
    {
        var upTo = 0L;
        for (var i = 0; i < distribution.Counts.Count; i++)
        {
            upTo += distribution.Counts[i];
            var bound = i < distribution.Bounds.Count ? distribution.Bounds[i].ToString(CultureInfo.InvariantCulture) : "+Inf";
            Write(text, $"{name}_bucket", [.. labels, new Label("le", bound)], upTo);
        }

        Write(text, $"{name}_sum", labels, distribution.Sum);
        Write(text, $"{name}_count", labels, upTo);
    }

    private static void Write(StringBuilder text, string name, IReadOnlyList<Label> labels, double value)
    {
        text.Append(name);
        for (var i = 0; i < labels.Count; i++)
        {
            text.Append(i == 0 ? '{' : ',').Append(labels[i].Name).Append("=\"").Append(Escape(labels[i].Value, quotes: true)).Append('"');
        }

        text.Append(labels.Count > 0 ? "} " : " ").Append(value.ToString(CultureInfo.InvariantCulture)).Append('\n');
    }

    private static string WordOf(FamilyKind kind) => kind switch
    {
        FamilyKind.Counter => "counter",
        FamilyKind.Histogram => "histogram",
        _ => "gauge",
    };

    private static string Escape(string text, bool quotes)
    {
        var escaped = text.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("\n", "\\n", StringComparison.Ordinal);
        return quotes ? escaped.Replace("\"", "\\\"", StringComparison.Ordinal) : escaped;
    }
}
