namespace Dts.Common.Shell;

/// <summary>When a command is to be killed from now, whoever is there by then.</summary>
public sealed record KillDeadline(string Id, TimeSpan After, string Reason, TimeSpan Grace)
{
    internal HolderMessage.KillAt ToMessage() => new(Id, Environment.TickCount64 + (long)After.TotalMilliseconds, Reason, Grace.TotalMilliseconds);
}
