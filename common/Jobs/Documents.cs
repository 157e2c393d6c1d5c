using System.Diagnostics.CodeAnalysis;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Dts.Common.Hosting;

namespace Dts.Common.Jobs;

/// <summary>
/// Reads the JSON values under runs/, queue/, owed/ and history/. It refuses a value that DTS did not write and says why, so that the
/// reader can report and skip it.
/// </summary>
/// <remarks><see cref="JobJson"/> reads jobs. A run must name the run id of its key.</remarks>
public static class Documents
{
    private static readonly JobsJson Strict = new(new JsonSerializerOptions(JobsJson.Readable.Options)
    {
        RespectNullableAnnotations = true,
        RespectRequiredConstructorParameters = true,
    });

    // Times near the ends of the calendar overflow when an hour is added or subtracted.
    private static readonly DateTimeOffset Earliest = DateTimeOffset.UnixEpoch;
    private static readonly DateTimeOffset Latest = new(9000, 1, 1, 0, 0, 0, TimeSpan.Zero);

    public static bool TryReadInFlight(string runId, ReadOnlySpan<byte> json, [NotNullWhen(true)] out ClaimedRun? run, out string why) =>
        TryRead(json, Strict.ClaimedRun, run => FindWrong(run.Run, runId), out run, out why);

    public static bool TryReadQueued(string runId, ReadOnlySpan<byte> json, [NotNullWhen(true)] out RunSpec? run, out string why) =>
        TryRead(json, Strict.RunSpec, run => FindWrong(run, runId), out run, out why);

    public static bool TryReadOwed(string runId, ReadOnlySpan<byte> json, [NotNullWhen(true)] out OwedEnding? owed, out string why) =>
        TryRead(json, Strict.OwedEnding, owed => FindWrong(owed.Run, runId), out owed, out why);

    public static bool TryReadHistory(
        ReadOnlySpan<byte> json, [NotNullWhen(true)] out IReadOnlyList<ScheduleChange>? changes, out string why) =>
        TryRead(
            json,
            Strict.IReadOnlyListScheduleChange,
            changes => changes.Contains(null!) ? "an entry is null; expected an object" : null,
            out changes,
            out why);

    private static bool TryRead<T>(
        ReadOnlySpan<byte> json, JsonTypeInfo<T> type, Func<T, string?> findWrong, [NotNullWhen(true)] out T? document, out string why)
        where T : class
    {
        document = null;
        try
        {
            var read = JsonSerializer.Deserialize(json, type);
            why = read is null ? "the value is null; expected an object" : findWrong(read) ?? "";
            document = why.Length == 0 ? read : null;
        }
        catch (Exception wrong) when (wrong is JsonException or InvalidOperationException) // The latter: a lone surrogate.
        {
            why = Display.Line(wrong.Message);
        }

        return document is not null;
    }

    private static string? FindWrong(RunSpec run, string runId)
    {
        if (runId.Any(letter => letter == '/' || char.IsControl(letter)))
        {
            return "its run id has a '/' or a control character";
        }

        if (IsOutside(run.PlanTime) || IsOutside(run.NotBefore))
        {
            return "planTime or notBefore is before 1970 or after 9000";
        }

        if (run.Env?.FirstOrDefault(entry => entry.Value is null).Key is { } variable)
        {
            return $"env has null for {Display.Line(variable)}; expected a text";
        }

        return run.Attempt < 1 ? $"attempt is {run.Attempt}; expected 1 or more"
            : run.Id != runId ? $"it is run \"{Display.Line(run.Id)}\"; expected the run id of its key"
            : null;
    }

    private static bool IsOutside(DateTimeOffset time) => time < Earliest || time >= Latest;
}
