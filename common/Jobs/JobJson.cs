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

    public static string ToJson(Job job) => JsonSerializer.Serialize(job, JobsJson.Readable.Job);

    /// <summary>Reads a job without judging it; see <see cref="JobRules"/>.</summary>
    public static bool TryParse(ReadOnlyMemory<byte> utf8, [NotNullWhen(true)] out Job? job, out string error)
    {
        if (IsPlain(utf8.Span) && TryRead(utf8.Span) is { } read)
        {
            (job, error) = (read, "");
            return true;
        }

        job = null;
        try
        {
            using var document = JsonDocument.Parse(utf8);
            error = FindNotUnicode(document.RootElement)
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
            error = wrong.Message.Contains("configured depth", StringComparison.Ordinal)
                ? "job has values within values more than 64 levels deep; expected at most 64"
                : $"job is not JSON (line {wrong.LineNumber + 1}, byte {wrong.BytePositionInLine + 1}); "
                    + $"expected {{\"name\":…,\"command\":…,\"cronExpr\":…}}";
        }

        return job is not null;
    }

    /// <summary>
    /// True when the serializer alone can read the job: valid UTF-8 without an escape by number has no lone surrogate, and there is no
    /// null.
    /// </summary>
    private static bool IsPlain(ReadOnlySpan<byte> utf8) => Utf8.IsValid(utf8) && utf8.IndexOf("\\u"u8) < 0 && !MayHaveNull(utf8);

    /// <summary>Finds the word null behind what precedes a value.</summary>
    private static bool MayHaveNull(ReadOnlySpan<byte> utf8)
    {
        for (var at = utf8.IndexOf("null"u8); at >= 0; at = utf8.IndexOf("null"u8))
        {
            if (utf8[..at].TrimEnd(" \t\r\n"u8) is [] or [.., (byte)':' or (byte)',' or (byte)'['])
            {
                return true;
            }

            utf8 = utf8[(at + 4)..];
        }

        return false;
    }

    /// <summary>Null = something is wrong with it.</summary>
    private static Job? TryRead(ReadOnlySpan<byte> utf8)
    {
        try
        {
            return JsonSerializer.Deserialize(utf8, JobsJson.Readable.Job) is { Name: not null, Command: not null, CronExpr: not null } job
                ? job
                : null;
        }
        catch (JsonException)
        {
            return null; // What is wrong is found member by member.
        }
    }

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
        foreach (var given in root.EnumerateObject())
        {
            if (HasNull(given.Value) && JobMember.Find(given.Name) is { } member)
            {
                return $"{member.Name} is {Show(given.Value)}; expected {member.Expected}";
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
                ? $"{field} is {Show(value)}; expected {JobMember.Find(field)?.Expected ?? "another value"}"
                : "job is not what was expected: an object with name, command and cronExpr";
            return null;
        }
    }

    private static string Show(JsonElement value) => Display.Line(value.GetRawText());
}
