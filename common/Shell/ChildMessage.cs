namespace Dts.Common.Shell;

/// <summary>What other threads tell the child loop.</summary>
internal abstract record ChildMessage
{
    private ChildMessage()
    {
    }

    public sealed record Started(Child Child) : ChildMessage;

    public sealed record KillAsked(RunningCommand Running, string Reason, TimeSpan? Grace) : ChildMessage;

    public sealed record Stop : ChildMessage;
}
