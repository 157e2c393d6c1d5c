using Google.Protobuf;
using Mvccpb;

namespace Dts.Tests.Simulation;

/// <summary>A key with its newest version.</summary>
internal sealed class SimKey(ByteString name, KeyVersion newest)
{
    public ByteString Name { get; } = name;

    public KeyVersion Newest { get; set; } = newest;
}

/// <summary>A pair as it was from one revision on; a deletion has only the key and its revision, as in an event.</summary>
internal sealed class KeyVersion(KeyValue pair, KeyVersion? former)
{
    private Event? _event;

    public KeyValue Pair => pair;

    /// <summary>The version before; null = there is none, or it is compacted.</summary>
    public KeyVersion? Former { get; private set; } = former;

    public bool IsDeletion => pair.CreateRevision == 0;

    /// <summary>What a watch tells of it.</summary>
    public Event Event => _event ??= new Event { Type = IsDeletion ? Event.Types.EventType.Delete : Event.Types.EventType.Put, Kv = pair };

    public void Forget() => Former = null;

    public KeyValue? FindAt(long revision)
    {
        var version = this;
        while (version is not null && version.Pair.ModRevision > revision)
        {
            version = version.Former;
        }

        return version is { IsDeletion: false } ? version.Pair : null;
    }
}
