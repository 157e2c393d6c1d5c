namespace Dts.Common.Logs;

/// <summary>A process of a run as it was just before the run was killed.</summary>
/// <param name="State">The kernel's letter for it, as in ps(1): R, S, D, T …</param>
/// <param name="Command">Its command line, controls shown as symbols; empty when it could not be read.</param>
/// <param name="CpuMs">Processor time since it started.</param>
/// <param name="RssKb">Its resident memory.</param>
/// <param name="WaitsIn">The kernel function that it sleeps in (/proc/PID/wchan); empty when it runs or may not be read.</param>
public sealed record RunProcess(int Pid, int Parent, string State, string Command, long CpuMs, long RssKb, string WaitsIn);
