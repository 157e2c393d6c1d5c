using System.Text.Json;
using System.Text.Json.Serialization;
using Dts.Common.Hosting;
using Dts.Common.Jobs;
using Dts.Master.Versions;

namespace Dts.Master.Audit;

/// <summary>One change, or one refused attempt: who, what, and what came of it.</summary>
/// <param name="Id">Writing a record twice is harmless.</param>
/// <param name="Who">The caller's name; empty = nobody knows.</param>
/// <param name="Role">The caller's role; empty = nobody knows who it is.</param>
/// <param name="Via">How the caller has shown who they are.</param>
/// <param name="From">The client's address.</param>
/// <param name="Act">Method and path as the API has it, such as <c>POST /api/v1/jobs/{name}/run</c>.</param>
/// <param name="Target">The job, run, person, token or filter that it is about.</param>
/// <param name="Outcome"><c>done</c>, <c>refused</c> or <c>failed</c>.</param>
/// <param name="Detail">Why it was refused or has failed, or what else there is to say.</param>
/// <param name="Changes">What became of jobs: before and after, without the values of their variables.</param>
internal sealed record AuditRecord(
    string Id,
    DateTimeOffset At,
    string Who,
    string Role,
    string Via,
    string From,
    string Act,
    string Target,
    string Outcome,
    string Detail,
    IReadOnlyList<AuditedChange> Changes)
{
    public const string Done = "done", Refused = "refused", Failed = "failed";

    [JsonIgnore]
    public AuditCursor Place => new(At.ToUnixTimeMilliseconds(), Id);
}

/// <summary>What a request did to one job.</summary>
/// <param name="Change">created, changed or deleted.</param>
/// <param name="Members">The members that differ; of a job that was created or deleted all of them.</param>
internal sealed record AuditedChange(string Job, string Change, IReadOnlyList<MemberChange> Members)
{
    private const int TextMax = 2000;

    public static AuditedChange Of(JobName name, Job? before, Job? after) => new(
        name.Value,
        before is null ? "created" : after is null ? "deleted" : "changed",
        [.. JobDiff.WithoutEnv(JobDiff.Between(before, after)).Select(Shorten)]);

    /// <summary>No longer than a person reads; the versions of the job have the whole.</summary>
    private static MemberChange Shorten(MemberChange change) => change with { Was = Cut(change.Was), Is = Cut(change.Is) };

    private static JsonElement? Cut(JsonElement? value) =>
        value?.GetRawText() is { Length: > TextMax } text
            ? JsonSerializer.SerializeToElement(string.Concat(text.AsSpan(0, TextMax), "…"), AuditJson.Readable.String)
            : value;
}

/// <summary>A place in the trail, which is in the order of times and, of one millisecond, of ids.</summary>
internal readonly record struct AuditCursor(long AtMs, string Id)
{
    public static AuditCursor? Parse(string text) =>
        text.Split('-') is [var at, { Length: > 0 } id]
        && long.TryParse(at, System.Globalization.NumberStyles.None, System.Globalization.CultureInfo.InvariantCulture, out var ms)
            ? new AuditCursor(ms, id)
            : null;

    public override string ToString() => string.Create(System.Globalization.CultureInfo.InvariantCulture, $"{AtMs}-{Id}");
}

/// <summary>What a page of the trail is asked for. What is empty or null does not matter.</summary>
/// <param name="Words">Each must be in one of the record's texts, in any case of its letters.</param>
internal sealed record AuditQuery(
    IReadOnlyList<string> Words,
    string Who = "",
    string Outcome = "",
    DateTimeOffset? From = null,
    DateTimeOffset? Until = null,
    AuditCursor? After = null,
    int Limit = 50);

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase)]
[JsonSerializable(typeof(IReadOnlyList<AuditedChange>))]
[JsonSerializable(typeof(string))]
internal sealed partial class AuditJson : JsonSerializerContext
{
    /// <summary>The one to use; see <see cref="JsonText"/>.</summary>
    public static AuditJson Readable => field ??= new(JsonText.Readable(Default.Options));

    public static string Write(IReadOnlyList<AuditedChange> changes) =>
        JsonSerializer.Serialize(changes, Readable.IReadOnlyListAuditedChange);

    public static IReadOnlyList<AuditedChange> Read(string json)
    {
        try
        {
            return json.Length == 0 ? [] : JsonSerializer.Deserialize(json, Readable.IReadOnlyListAuditedChange) ?? [];
        }
        catch (JsonException)
        {
            return []; // Written by a later version; the other fields still tell.
        }
    }
}
