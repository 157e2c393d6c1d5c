using System.IO.MemoryMappedFiles;
using Dts.Common.Hosting;
using Dts.Worker.Native;
using Microsoft.Win32.SafeHandles;

namespace Dts.Worker.Commands;

/// <summary>
/// Memory that a worker and its holder share. For each start request it decides whether the holder has begun it or the worker has given it
/// up: exactly one of the two, at whatever instruction the holder stalls.
/// </summary>
/// <remarks>Scheme: a slot for each recent request, by its number; twice the number = begun, plus one = given up.</remarks>
internal sealed unsafe class StartGate : IDisposable
{
    private const int Slots = 1024; // More requests than can be under way.
    private const int Size = Slots * sizeof(long);

    private readonly SafeFileHandle _file;
    private readonly MemoryMappedFile _memory;
    private readonly MemoryMappedViewAccessor _view;
    private readonly long* _slots;

    /// <param name="file">The shared file; the gate closes it.</param>
    public StartGate(SafeFileHandle file)
    {
        _file = file;
        _memory = MemoryMappedFile.CreateFromFile(
            file, null, Size, MemoryMappedFileAccess.ReadWrite, HandleInheritability.None, leaveOpen: true);
        _view = _memory.CreateViewAccessor(0, Size);
        byte* start = null;
        _view.SafeMemoryMappedViewHandle.AcquirePointer(ref start);
        _slots = (long*)start;
    }

    /// <summary>The descriptor that the holder gets.</summary>
    public int Descriptor => (int)_file.DangerousGetHandle();

    /// <summary>Makes a gate in memory, where no full disk matters. It goes with the last process that has it.</summary>
    /// <exception cref="IOException">The host has no memory or no descriptor left.</exception>
    public static StartGate Make()
    {
        var descriptor = FileDescriptors.OpenMemory("dts-starts");
        var file = descriptor >= 0
            ? new SafeFileHandle(descriptor, ownsHandle: true)
            : throw new IOException($"no memory to share with a process that starts commands: {Libc.Describe(-descriptor)}");
        RandomAccess.SetLength(file, Size);
        return new StartGate(file);
    }

    /// <summary>For the holder: false if the worker has given the request up.</summary>
    public bool TryBegin(long number) => TrySettle(number, 2 * number);

    /// <summary>For the worker: false if the holder has begun the request, and will answer.</summary>
    public bool TryGiveUp(long number) => TrySettle(number, (2 * number) + 1);

    public void Dispose()
    {
        _view.SafeMemoryMappedViewHandle.ReleasePointer();
        _view.Dispose();
        _memory.Dispose();
        _file.Dispose();
    }

    private bool TrySettle(long number, long outcome)
    {
        ref var slot = ref _slots[number % Slots];
        var former = Volatile.Read(ref slot);
        return former / 2 == number
            ? former == outcome
            : Interlocked.CompareExchange(ref slot, outcome, former) == former || Volatile.Read(ref slot) == outcome;
    }
}
