using System.Text.Json.Serialization;
using Dts.Common.Hosting;
using Dts.Common.Jobs;
using Dts.Master.Events;

namespace Dts.Master.Alerts;

/// <summary>The JSON of alerts: in etcd, in the file of channels, and as it is sent.</summary>
[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow)]
[JsonSerializable(typeof(AlertRule))]
[JsonSerializable(typeof(AlertState))]
[JsonSerializable(typeof(AlertMessage))]
[JsonSerializable(typeof(AlertProgress))]
[JsonSerializable(typeof(AlertMute))]
[JsonSerializable(typeof(AlertNotice))]
[JsonSerializable(typeof(AlertStateEvent))]
[JsonSerializable(typeof(Dictionary<string, ChannelSettings>))]
[JsonSerializable(typeof(ChatText))]
[JsonSerializable(typeof(FeishuText))]
[JsonSerializable(typeof(DingTalkText))]
[JsonSerializable(typeof(WeComText))]
internal sealed partial class AlertJson : JsonSerializerContext
{
    /// <summary>The one to use; see <see cref="JsonText"/>.</summary>
    public static AlertJson Readable => field ??= new(JsonText.Readable(Default.Options));
}

/// <summary>Up to when endings have been judged; and the workers that were there: the value of the key alerts/progress.</summary>
/// <remarks>After an outage of all masters the first one goes on from here.</remarks>
internal sealed record AlertProgress(DateTimeOffset At, IReadOnlyList<string> Workers);

/// <summary>For what no message is made: the value of a key under alerts/mutes/.</summary>
/// <param name="Filter">Which jobs or workers.</param>
/// <param name="Until">Null = until what is wrong with them now has ended.</param>
/// <param name="By">Who wants it.</param>
/// <param name="Scope">The filter that limits who wants it: workers are none of their jobs. Empty = they are not limited.</param>
internal sealed record AlertMute(
    string Filter, DateTimeOffset? Until, string By, string Reason, DateTimeOffset At, string Scope = "")
{
    /// <exception cref="FormatException">The filter asks how jobs stand at a moment; the message names the word.</exception>
    public EventFilter ReadFilter(DateTimeOffset now) => EventFilter.Read(
        Views.Filter.Parse(Filter, now), Views.Filter.Parse(Scope, now), isOfJobsOnly: Scope.Length > 0);

    public bool IsOn(DateTimeOffset now) => Until is null || Until > now;
}

/// <param name="Change">opened, closed.</param>
internal sealed record AlertStateEvent(
    string Change, AlertEvent What, string Rule, string JobName, string Worker, DateTimeOffset Since, string RunId, string Reason);
