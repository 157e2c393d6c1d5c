using System.Diagnostics.CodeAnalysis;
using System.Runtime.InteropServices;
using System.Text;
using System.Text.Json;
using System.Text.Unicode;
using Dts.Common.Hosting;

namespace Dts.Common.Jobs;

/// <summary>Reads a job's JSON so that what is wrong with it is said in one line: the field, the value, what was expected.</summary>
public static class JobJson
{
    private static readonly string[] Needed = ["name", "command", "cronExpr"];

    private static readonly Dictionary<string, string> Expected = new()
    {
        ["enabled"] = "true or false",
        ["labels"] = "an object of texts",
        ["mode"] = "one or all",
        ["target"] = "an object {workers: [ids], labels: {…}}",
        ["overlap"] = "forbid, allow or replace",
        ["misfire"] = "skip, once or all",
        ["startDeadlineSeconds"] = "a whole number of seconds",
        ["timeoutSeconds"] = "a whole number of seconds",
        ["killGraceSeconds"] = "a whole number of seconds",
        ["retry"] = "an object {max, delaySeconds, backoff, maxDelaySeconds, elsewhere}",
        ["onWorkerLost"] = "record or rerun",
        ["onDisconnect"] = "continue or kill",
        ["env"] = "an object of texts",
        ["secrets"] = "a list of names of secrets",
        ["memoryMax"] = "a whole number of bytes, or a text such as \"512M\" (K, M, G or T)",
        ["cpuMax"] = "a number of cores, such as 1.5",
        ["pidsMax"] = "a whole number of processes",
        ["outputLimitBytes"] = "a whole number of bytes",
        ["retentionDays"] = "a whole number of days",
        ["then"] = "a list of job names",
        ["onFailure"] = "a list of job names",
        ["always"] = "a list of job names",
        ["alert"] = "an object {channel, on, after, slowFactor, noSuccessSeconds, quietSeconds}",
    };

    public static string ToJson(Job job) => JsonSerializer.Serialize(job, JobsJson.Readable.Job);

    /// <summary>Reads a job without judging it; see <see cref="JobRules"/>.</summary>
    public static bool TryParse(ReadOnlyMemory<byte> utf8, [NotNullWhen(true)] out Job? job, out string error)
    {
        job = null;
        try
        {
            using var document = JsonDocument.Parse(utf8);
            error = (IsPlain(utf8.Span) ? null : FindNotUnicode(document.RootElement))
                ?? FindMissing(document.RootElement)
                ?? FindNull(document.RootElement)
                ?? "";
            if (error.Length == 0)
            {
                job = ParseMembers(document.RootElement, out error);
            }
        }
        catch (JsonException wrong)
        {
            error = $"job is not JSON (line {wrong.LineNumber + 1}, byte {wrong.BytePositionInLine + 1}); "
                + $"expected {{\"name\":…,\"command\":…,\"cronExpr\":…}}";
        }

        return job is not null;
    }

    /// <summary>True when no member needs to be looked at: valid UTF-8 without an escape by number has no lone surrogate.</summary>
    private static bool IsPlain(ReadOnlySpan<byte> utf8) => Utf8.IsValid(utf8) && utf8.IndexOf("\\u"u8) < 0;

    /// <summary>
    /// Finds a member, known or not, whose name or value is not UTF-8 or has a lone surrogate. Such a member can be read, but not
    /// written again.
    /// </summary>
    private static string? FindNotUnicode(JsonElement root)
    {
        if (root.ValueKind != JsonValueKind.Object)
        {
            return IsUnicode(root) ? null : "job has text that is not Unicode; expected an object with name, command and cronExpr";
        }

        foreach (var member in root.EnumerateObject())
        {
            if (!IsUnicode(member))
            {
                var name = Display.Line(Encoding.UTF8.GetString(JsonMarshal.GetRawUtf8PropertyName(member)));
                return $"member {name} has text that is not Unicode; expected UTF-8 without lone surrogates";
            }
        }

        return null;
    }

    private static bool IsUnicode(JsonProperty member)
    {
        try
        {
            return member.Name is not null && IsUnicode(member.Value);
        }
        catch (InvalidOperationException)
        {
            return false;
        }
    }

    private static bool IsUnicode(JsonElement value)
    {
        try
        {
            return value.ValueKind switch
            {
                JsonValueKind.String => value.GetString() is not null,
                JsonValueKind.Array => value.EnumerateArray().All(IsUnicode),
                JsonValueKind.Object => value.EnumerateObject().All(IsUnicode),
                _ => true,
            };
        }
        catch (InvalidOperationException)
        {
            return false;
        }
    }

    private static string? FindMissing(JsonElement root)
    {
        if (root.ValueKind != JsonValueKind.Object)
        {
            return $"job is {Show(root)}; expected an object with name, command and cronExpr";
        }

        foreach (var field in Needed)
        {
            if (!root.TryGetProperty(field, out var value))
            {
                return $"{field} is missing; expected a text";
            }

            if (value.ValueKind != JsonValueKind.String)
            {
                return $"{field} is {Show(value)}; expected a text";
            }
        }

        return null;
    }

    /// <summary>A null inside a list or an object, which the serializer would let through.</summary>
    private static string? FindNull(JsonElement root)
    {
        foreach (var (field, expected) in Expected)
        {
            if (root.TryGetProperty(field, out var value) && HasNull(value))
            {
                return $"{field} is {Show(value)}; expected {expected}";
            }
        }

        return null;
    }

    private static bool HasNull(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.Null => true,
        JsonValueKind.Array => value.EnumerateArray().Any(HasNull),
        JsonValueKind.Object => value.EnumerateObject().Any(member => HasNull(member.Value)),
        _ => false,
    };

    private static Job? ParseMembers(JsonElement root, out string error)
    {
        error = "";
        try
        {
            return root.Deserialize(JobsJson.Readable.Job);
        }
        catch (JsonException wrong)
        {
            var field = (wrong.Path ?? "").Replace("$.", "", StringComparison.Ordinal).Split('.', '[')[0];
            error = root.TryGetProperty(field, out var value)
                ? $"{field} is {Show(value)}; expected {Expected.GetValueOrDefault(field, "a text")}"
                : "job is not what was expected: an object with name, command and cronExpr";
            return null;
        }
    }

    private static string Show(JsonElement value) => Display.Line(value.GetRawText());
}
