using System.Runtime.InteropServices;

namespace Dts.Worker.Commands.Holders;

/// <summary>What every command is spawned with, in native memory: a posix_spawnattr_t for ordinary starts, one for hurried ones.</summary>
/// <remarks>
/// <para>Hurried: on a busy host most of a start's time is spent waiting for a processor, and worst when many are due at the same
/// moment, for each new shell competes with the next start. So the starting thread and the new process are real-time (SCHED_RR,
/// priority 1) until the shell has been executed, and then at once ordinary again. Measured for 50 shells on 2 cores: all started
/// after 10 ms instead of 45 ms, 99 % of starts in 0.4 ms (from a real-time thread) instead of 6 ms.</para>
/// <para>The new process has SCHED_RESET_ON_FORK for that moment, so nothing it starts can inherit the priority. It takes CAP_SYS_NICE
/// (or RLIMIT_RTPRIO, see sched(7)); without it starts are ordinary.</para>
/// </remarks>
internal sealed unsafe class SpawnAttributes : IDisposable
{
    private byte* _ordinary;
    private byte* _hurried;

    /// <param name="forHolder">What is hurried stays so, and hands it on.</param>
    public SpawnAttributes(bool forHolder = false)
    {
        _ordinary = (byte*)NativeMemory.AllocZeroed(Native.SpawnAttributesSize);
        Native.InitSpawnAttributes(_ordinary);
        _hurried = (byte*)NativeMemory.AllocZeroed(Native.SpawnAttributesSize);
        Native.InitSpawnAttributes(_hurried);
        if (!Native.TryAddHurry(_hurried, handedOn: forHolder))
        {
            Free(ref _hurried);
        }
    }

    /// <summary>Starts a program without our capabilities, with real-time priority if allowed. Returns its pid, or -errno.</summary>
    public int Spawn(byte* path, byte* actions, byte** arguments, byte** environment)
    {
        Native.GrantNothing();
        return _hurried is not null && Native.TryHurry(out var former)
            ? SpawnHurried(path, actions, arguments, environment, former)
            : Native.Spawn(path, actions, _ordinary, arguments, environment);
    }

    public void Dispose()
    {
        Free(ref _ordinary);
        Free(ref _hurried);
    }

    /// <summary>Starts a program that begins as a real-time process, if we may, and sees to that itself: its pid, or -errno.</summary>
    /// <param name="switchesUser">It gets the right to change users, which it gives up with that.</param>
    public int SpawnHolder(byte* path, byte* actions, byte** arguments, byte** environment, bool switchesUser)
    {
        Native.GrantNothing();
        if (switchesUser)
        {
            Native.GrantUserSwitch();
        }

        var pid = _hurried is null ? 0 : Native.Spawn(path, actions, _hurried, arguments, environment);
        pid = pid > 0 ? pid : Native.Spawn(path, actions, _ordinary, arguments, environment);
        Native.GrantNothing();
        return pid;
    }

    // Nothing else may happen between the two: whatever thread or process were started here would be real-time for ever.
    private int SpawnHurried(byte* path, byte* actions, byte** arguments, byte** environment, int former)
    {
        var pid = Native.Spawn(path, actions, _hurried, arguments, environment);
        Native.EndHurry(pid, former);
        return pid;
    }

    private static void Free(ref byte* attributes)
    {
        if (attributes is not null)
        {
            Native.DestroySpawnAttributes(attributes);
            NativeMemory.Free(attributes);
            attributes = null;
        }
    }
}
