namespace Dts.Common.Logs;

/// <summary>A process of a run, just before the run was killed.</summary>
/// <param name="State">The state's letter in ps(1): R, S, D, T …</param>
/// <param name="Command">Its command line, with symbols for control characters; empty = it could not be read.</param>
/// <param name="CpuMs">Processor time since it started.</param>
/// <param name="RssKb">Its resident memory.</param>
/// <param name="WaitsIn">The kernel function that it sleeps in (/proc/PID/wchan); empty = it runs, or the file may not be read.</param>
public sealed record RunProcess(int Pid, int Parent, string State, string Command, long CpuMs, long RssKb, string WaitsIn);
