using System.Text.Json;
using System.Text.Json.Serialization;
using Dts.Common.Hosting;
using Dts.Common.Jobs;
using Dts.Master.Events;

namespace Dts.Master.Alerts;

/// <summary>The JSON of alerts: in etcd, in the file of channels, and to webhooks.</summary>
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
internal sealed partial class AlertJson : JsonSerializerContext
{
    /// <summary>The one to use; see <see cref="JsonText"/>.</summary>
    public static AlertJson Readable => field ??= new(JsonText.Readable(Default.Options));

    /// <summary>For values in etcd: a later version may have added members. In requests and files, unknown members are refused.</summary>
    public static AlertJson Stored => field ??= new(
        new JsonSerializerOptions(Readable.Options) { UnmappedMemberHandling = JsonUnmappedMemberHandling.Skip });
}

/// <summary>Up to when endings have been judged, and the live workers then: the value of the key alerts/progress.</summary>
/// <remarks>The first master after an outage of all of them goes on from here.</remarks>
internal sealed record AlertProgress(DateTimeOffset At, IReadOnlyList<string> Workers)
{
    private static readonly TimeSpan MovesEvery = TimeSpan.FromSeconds(10);

    /// <summary>No master needs to write it. One that is ahead is written at once: endings before it would not be judged.</summary>
    public bool IsRecent(DateTimeOffset now) => At > now - MovesEvery && At <= now;

    /// <summary>As a master that starts takes it: a time ahead counts as now.</summary>
    public AlertProgress NotAfter(DateTimeOffset now) => At > now ? this with { At = now } : this;
}

/// <summary>Jobs or workers that make no messages: the value of a key under alerts/mutes/.</summary>
/// <param name="Until">Null = until no alert of them is open.</param>
/// <param name="By">The caller who made it.</param>
/// <param name="Scope">The filter that limits this caller to some jobs; then workers do not match. Empty = no limit.</param>
internal sealed record AlertMute(
    string Filter, DateTimeOffset? Until, string By, string Reason, DateTimeOffset At, string Scope = "")
{
    /// <exception cref="FormatException">The filter asks for a state that changes with time; the message names the word.</exception>
    public EventFilter ReadFilter(DateTimeOffset now) => EventFilter.Read(
        Views.Filter.Parse(Filter, now), Views.Filter.Parse(Scope, now), isOfJobsOnly: Scope.Length > 0);

    public bool IsOn(DateTimeOffset now) => Until is null || Until > now;

    /// <summary>Its time is over by the clock of every master.</summary>
    public bool IsLongOver(DateTimeOffset now) => Until <= now - MasterClocks.MayBeAheadBy;
}

/// <summary>A mute with its id, and its filter as it was read.</summary>
internal sealed record NamedMute(string Id, AlertMute Mute, EventFilter Filter)
{
    public static NamedMute Of(string id, AlertMute mute, DateTimeOffset now) => new(id, mute, mute.ReadFilter(now));

    public bool Covers(EventSubject about) => Filter.Of(about) == Sight.Whole;
}

/// <param name="Change">opened, closed.</param>
internal sealed record AlertStateEvent(
    string Change, AlertEvent What, string Rule, string JobName, string Worker, DateTimeOffset Since, string RunId, string Reason);
