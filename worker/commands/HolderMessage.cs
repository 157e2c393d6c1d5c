using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;
using Dts.Worker.Commands.Holders;

namespace Dts.Worker.Commands;

/// <summary>A message between a worker and a holder: one JSON object a line, over a Unix socket.</summary>
/// <remarks>The two may be of different versions: new members must have defaults, and unknown messages are ignored.</remarks>
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

    /// <summary>Asks whether the holder is there: a start of nothing, which every version answers.</summary>
    public static HolderMessage Question { get; } = new Start([], long.MaxValue);

    /// <summary>Prepare a command, which will be started soon.</summary>
    /// <param name="Tag">What the next worker needs to know of it.</param>
    /// <param name="Files">The descriptors that come with the message.</param>
    public sealed record Prepare(string Id, string Tag, ShellCommand Command, CommandFiles Files) : HolderMessage;

    /// <summary>Drop a prepared command.</summary>
    public sealed record Drop(string Id) : HolderMessage;

    /// <summary>Start prepared commands.</summary>
    /// <param name="NotAfterMs">The time of this host's monotonic clock after which the holder refuses to start them.</param>
    /// <param name="Deadlines">The deadlines of those commands that have one when they start.</param>
    /// <param name="Number">Its number at the <see cref="StartGate"/>; 0 = it cannot be given up.</param>
    public sealed record Start(
        IReadOnlyList<string> Ids, long NotAfterMs, IReadOnlyList<KillAt>? Deadlines = null, long Number = 0) : HolderMessage;

    public sealed record Kill(string Id, string Reason, double? GraceMs) : HolderMessage;

    /// <summary>
    /// Kill a command at a time of this host's monotonic clock, even if the worker is gone by then. A later message replaces the time.
    /// </summary>
    public sealed record KillAt(string Id, long AtMs, string Reason, double GraceMs) : HolderMessage;

    /// <summary>Forget a command, because its ending is recorded, and kill it if it still runs.</summary>
    public sealed record Forget(string Id) : HolderMessage;

    /// <summary>Kill what a dead holder left of a command (<see cref="LeftBehind"/>).</summary>
    public sealed record KillLeft(IReadOnlyDictionary<string, string> Mark, int Pid, long StartTicks) : HolderMessage;

    /// <summary>Remove the secrets that a dead holder left: folders of the holder's user.</summary>
    public sealed record RemoveSecrets(IReadOnlyList<string> Folders) : HolderMessage;

    /// <summary>The answer to a <see cref="KillLeft"/>; answers come in the order of the requests.</summary>
    public sealed record LeftKilled(int Processes) : HolderMessage;

    /// <summary>The first message to a worker: the commands that were started before it came.</summary>
    public sealed record Holds(IReadOnlyList<Held> Commands) : HolderMessage;

    /// <summary>The answer to a <see cref="Start"/>, in its order.</summary>
    public sealed record Started(IReadOnlyList<Held> Commands) : HolderMessage;

    public sealed record Ended(string Id, CommandEnding Ending) : HolderMessage;

    /// <summary>A command that was started, or that could not be: then it has an ending.</summary>
    public sealed record Held(string Id, string Tag, int Pid, long StartTicks, DateTimeOffset StartedAt, CommandEnding? Ending);
}

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase)]
[JsonSerializable(typeof(HolderMessage))]
internal sealed partial class HolderJson : JsonSerializerContext
{
    public static HolderJson Readable =>
        field ??= new(new JsonSerializerOptions(Default.Options) { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping });
}

/// <summary>The time from now after which a command is killed.</summary>
internal sealed record KillDeadline(string Id, TimeSpan After, string Reason, TimeSpan Grace)
{
    internal HolderMessage.KillAt ToMessage() =>
        new(Id, Environment.TickCount64 + (long)After.TotalMilliseconds, Reason, Grace.TotalMilliseconds);
}
