using System.Text.Json;
using System.Text.Json.Serialization;
using Dts.Common.Hosting;
using Dts.Common.Jobs;
using Dts.Master.Versions;

namespace Dts.Master.Audit;

/// <summary>One change, or one refused attempt: who did what, and the outcome.</summary>
/// <param name="Who">The caller's name; empty = unknown.</param>
/// <param name="Role">The caller's role; empty = the caller was not identified.</param>
/// <param name="Via">How the caller was identified; empty = not at all.</param>
/// <param name="From">The client's address.</param>
/// <param name="Act">Method and path of the API, such as <c>POST /api/v1/jobs/{name}/run</c>.</param>
/// <param name="Target">The job, run, person, token or filter.</param>
/// <param name="Outcome"><c>done</c>, <c>refused</c> or <c>failed</c>.</param>
/// <param name="Detail">The reason of a refusal or failure, or a further detail.</param>
/// <param name="Changes">The jobs before and after, without the values of their variables.</param>
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

    /// <summary>The members that the stores keep as columns of text, in this order.</summary>
    public IReadOnlyList<string> ListTexts() =>
        [Who, Role, Via, From, Act, Target, Outcome, Detail, Changes.Count > 0 ? AuditJson.Write(Changes) : ""];

    [JsonIgnore]
    public AuditCursor Place => new(At.ToUnixTimeMilliseconds(), Id);

    /// <param name="texts">In the order of <see cref="ListTexts"/>.</param>
    public static AuditRecord Of(string id, long atMs, IReadOnlyList<string> texts) => new(
        id, DateTimeOffset.FromUnixTimeMilliseconds(atMs), texts[0], texts[1], texts[2], texts[3], texts[4], texts[5], texts[6], texts[7],
        AuditJson.Read(texts[8]));
}

/// <summary>The change of one job.</summary>
/// <param name="Change">created, changed or deleted.</param>
/// <param name="Members">The members that differ; all members if the job was created or deleted.</param>
internal sealed record AuditedChange(string Job, string Change, IReadOnlyList<MemberChange> Members)
{
    private const int TextMax = 2000;

    public static AuditedChange Of(JobName name, Job? before, Job? after) => new(
        name.Value,
        before is null ? "created" : after is null ? "deleted" : "changed",
        [.. JobDiff.WithoutEnv(JobDiff.Between(before, after)).Select(Shorten)]);

    /// <summary>Cuts long values. The versions of the job have them whole.</summary>
    private static MemberChange Shorten(MemberChange change) => change with { Was = Cut(change.Was), Is = Cut(change.Is) };

    private static JsonElement? Cut(JsonElement? value) =>
        value?.GetRawText() is { Length: > TextMax } text
            ? JsonSerializer.SerializeToElement(string.Concat(text.AsSpan(0, TextMax), "…"), AuditJson.Readable.String)
            : value;
}

/// <summary>A place in the trail, which is sorted by time and then by id.</summary>
internal readonly record struct AuditCursor(long AtMs, string Id)
{
    public static AuditCursor? Parse(string text) =>
        text.Split('-') is [var at, { Length: > 0 } id]
        && long.TryParse(at, System.Globalization.NumberStyles.None, System.Globalization.CultureInfo.InvariantCulture, out var ms)
            ? new AuditCursor(ms, id)
            : null;

    public override string ToString() => string.Create(System.Globalization.CultureInfo.InvariantCulture, $"{AtMs}-{Id}");
}

/// <summary>Selects a page of the trail. Empty or null = any.</summary>
/// <param name="Words">Each must occur in one of the record's texts, in any case.</param>
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
            return []; // Written by a later version. The other fields are still useful.
        }
    }
}
