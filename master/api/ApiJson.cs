using System.Text.Json;
using System.Text.Json.Serialization;
using Dts.Common.Hosting;
using Dts.Common.Jobs;
using Dts.Common.Logs;
using Dts.Master.Jobs;
using Dts.Master.Views;

namespace Dts.Master.Api;

/// <summary>The JSON that the API sends.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase)]
[JsonSerializable(typeof(Problem))]
[JsonSerializable(typeof(LedgerPage))]
[JsonSerializable(typeof(Me))]
[JsonSerializable(typeof(PeoplePage))]
[JsonSerializable(typeof(AuditPage))]
[JsonSerializable(typeof(Added))]
[JsonSerializable(typeof(TokensPage))]
[JsonSerializable(typeof(MadeToken))]
[JsonSerializable(typeof(WrongPage))]
[JsonSerializable(typeof(RunsPage))]
[JsonSerializable(typeof(ScheduleLoad))]
[JsonSerializable(typeof(RunView))]
[JsonSerializable(typeof(WorkerPage))]
[JsonSerializable(typeof(JobPage))]
[JsonSerializable(typeof(NowPage))]
[JsonSerializable(typeof(MasterStatus))]
[JsonSerializable(typeof(BulkAnswer))]
[JsonSerializable(typeof(RunAsked))]
[JsonSerializable(typeof(RunRequest))]
[JsonSerializable(typeof(KillBody))]
[JsonSerializable(typeof(ImportAnswer))]
[JsonSerializable(typeof(ApplyAnswer))]
[JsonSerializable(typeof(string[]))]
[JsonSerializable(typeof(VersionPage))]
[JsonSerializable(typeof(VersionView))]
[JsonSerializable(typeof(VersionDiff))]
[JsonSerializable(typeof(KillEffect))]
[JsonSerializable(typeof(SaveAnswer))]
[JsonSerializable(typeof(SchedulePreview))]
[JsonSerializable(typeof(AlertPage))]
[JsonSerializable(typeof(AlertRulePage))]
[JsonSerializable(typeof(AlertRuleView))]
[JsonSerializable(typeof(AlertMuteView))]
[JsonSerializable(typeof(ChannelTest))]
[JsonSerializable(typeof(MuteRequest))]
[JsonSerializable(typeof(JobStats))]
[JsonSerializable(typeof(OutputEvent))]
[JsonSerializable(typeof(string))]
[JsonSerializable(typeof(IReadOnlyList<Job>))]
[JsonSerializable(typeof(IReadOnlyList<string>))]
[JsonSerializable(typeof(Job))]
[JsonSerializable(typeof(RunRecord))]
internal sealed partial class ApiJson : JsonSerializerContext
{
    /// <summary>The one to use; see <see cref="JsonText"/>.</summary>
    public static ApiJson Readable => field ??= new(JsonText.Readable(Default.Options));

    /// <summary>Makes the handlers of the minimal API read and write this JSON.</summary>
    public static void Apply(JsonSerializerOptions options)
    {
        options.TypeInfoResolver = Default;
        options.Encoder = Readable.Options.Encoder;
        options.PropertyNamingPolicy = JsonNamingPolicy.CamelCase;
        options.PropertyNameCaseInsensitive = false;
        options.NumberHandling = JsonNumberHandling.Strict;
        options.Converters.Add(new UtcTime());
    }
}

/// <summary>Writes a time in UTC as RFC 3339 has it: 2026-11-22T10:00:00Z.</summary>
internal sealed class UtcTime : JsonConverter<DateTimeOffset>
{
    public override DateTimeOffset Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) =>
        reader.TokenType == JsonTokenType.String && QueryTime.Parse(reader.GetString()!) is { } moment
            ? moment
            : throw new JsonException();

    public override void Write(Utf8JsonWriter writer, DateTimeOffset value, JsonSerializerOptions options) =>
        writer.WriteStringValue(value.UtcDateTime);
}
