using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;
using Dts.Worker.Commands.Holders;

namespace Dts.Worker.Commands;

/// <summary>What a worker and a holder tell each other: one JSON object a line, over a Unix socket.</summary>
/// <remarks>They may be of different versions: what is new here must have a default, and what one does not know it passes over.</remarks>
[JsonPolymorphic(TypeDiscriminatorPropertyName = "is")]
[JsonDerivedType(typeof(Prepare), "prepare")]
[JsonDerivedType(typeof(Drop), "drop")]
[JsonDerivedType(typeof(Start), "start")]
[JsonDerivedType(typeof(Kill), "kill")]
[JsonDerivedType(typeof(KillAt), "killAt")]
[JsonDerivedType(typeof(Forget), "forget")]
[JsonDerivedType(typeof(KillLeft), "killLeft")]
[JsonDerivedType(typeof(RemoveSecrets), "removeSecrets")]
[JsonDerivedType(typeof(LeftKilled), "leftKilled")]
[JsonDerivedType(typeof(Holds), "holds")]
[JsonDerivedType(typeof(Started), "started")]
[JsonDerivedType(typeof(Ended), "ended")]
internal abstract record HolderMessage
{
    private HolderMessage()
    {
    }

    /// <summary>To be started soon.</summary>
    /// <param name="Tag">What the next worker will want to know of it.</param>
    /// <param name="Files">The descriptors that come with the message.</param>
    public sealed record Prepare(string Id, string Tag, ShellCommand Command, CommandFiles Files) : HolderMessage;

    /// <summary>Not to be started after all.</summary>
    public sealed record Drop(string Id) : HolderMessage;

    /// <param name="NotAfterMs">The time of this host's monotonic clock after which the holder refuses to start them.</param>
    /// <param name="Deadlines">The deadlines of those commands that have one from their start on.</param>
    /// <param name="Number">Its number at the <see cref="StartGate"/>; 0 = it cannot be given up.</param>
    public sealed record Start(
        IReadOnlyList<string> Ids, long NotAfterMs, IReadOnlyList<KillAt>? Deadlines = null, long Number = 0) : HolderMessage;

    public sealed record Kill(string Id, string Reason, double? GraceMs) : HolderMessage;

    /// <summary>
    /// To be killed at a moment of this host's monotonic clock, unless told otherwise before, also when the worker is gone by then.
    /// </summary>
    public sealed record KillAt(string Id, long AtMs, string Reason, double GraceMs) : HolderMessage;

    /// <summary>The ending is recorded: the holder forgets the command, and kills it if it still runs.</summary>
    public sealed record Forget(string Id) : HolderMessage;

    /// <summary>Kill what a dead holder left of a command (<see cref="LeftBehind"/>).</summary>
    public sealed record KillLeft(IReadOnlyDictionary<string, string> Mark, int Pid, long StartTicks) : HolderMessage;

    /// <summary>Remove what a dead holder left of its commands' secrets: folders of the holder's user.</summary>
    public sealed record RemoveSecrets(IReadOnlyList<string> Folders) : HolderMessage;

    /// <summary>The answer to a <see cref="KillLeft"/>; answers come in the order of the requests.</summary>
    public sealed record LeftKilled(int Processes) : HolderMessage;

    /// <summary>The first word to a worker: what was started before it.</summary>
    public sealed record Holds(IReadOnlyList<Held> Commands) : HolderMessage;

    /// <summary>The answer to a <see cref="Start"/>, in its order.</summary>
    public sealed record Started(IReadOnlyList<Held> Commands) : HolderMessage;

    public sealed record Ended(string Id, CommandEnding Ending) : HolderMessage;

    /// <summary>A command that was started, or could not be: then it has its ending at once.</summary>
    public sealed record Held(string Id, string Tag, int Pid, long StartTicks, DateTimeOffset StartedAt, CommandEnding? Ending);
}

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase)]
[JsonSerializable(typeof(HolderMessage))]
internal sealed partial class HolderJson : JsonSerializerContext
{
    public static HolderJson Readable =>
        field ??= new(new JsonSerializerOptions(Default.Options) { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping });
}

/// <summary>When a command is to be killed from now, whoever is there by then.</summary>
internal sealed record KillDeadline(string Id, TimeSpan After, string Reason, TimeSpan Grace)
{
    internal HolderMessage.KillAt ToMessage() =>
        new(Id, Environment.TickCount64 + (long)After.TotalMilliseconds, Reason, Grace.TotalMilliseconds);
}
