namespace Dts.Common.Shell;

/// <summary>A command that a process before this one started and did not see to its record.</summary>
/// <param name="Tag">What that process wanted this one to know.</param>
public sealed record FormerCommand(string Id, string Tag, RunningCommand Running);
