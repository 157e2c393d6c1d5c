using System.Runtime.CompilerServices;
using System.Text;
using System.Text.Encodings.Web;
using Dts.Common.Logs;

namespace Dts.Worker.Commands.Holders;

/// <summary>Takes snapshots of the processes of commands that are about to be killed.</summary>
/// <remarks>
/// Not thread-safe. The child loop is its only caller. The kernel reads a command line under a lock of the process's memory, which a hung
/// process may never release. So a separate thread reads the texts, and a kill waits for it at most <see cref="TextsWithin"/>, however many
/// commands are killed. Texts that are not read by then are empty. While the thread hangs, no texts are read.
/// </remarks>
/// <param name="within">Null = <see cref="TextsWithin"/>.</param>
internal sealed class ProcessSnapshots(Func<int, ProcessTexts>? read = null, TimeSpan? within = null)
{
    /// <summary>The most processes of a command that are kept, those nearest to it first.</summary>
    public const int ProcessesMax = 100;

    /// <summary>The most bytes of JSON of a command's processes.</summary>
    public const int BytesMax = 64 << 10;

    public static readonly TimeSpan TextsWithin = TimeSpan.FromMilliseconds(50);

    private const int BytesBesideCommand = 200; // Of a process, at most.
    private const int EscapeBytesMax = 12; // Of one character: two times \uXXXX.
    private const int TicksPerSecond = 100; // USER_HZ, the same on every Linux that .NET runs on.

    private static readonly int PageKb = Environment.SystemPageSize >> 10;

    private readonly Func<int, ProcessTexts> _read = read ?? ProcessTexts.Read;
    private readonly TimeSpan _within = within ?? TextsWithin;
    private Thread? _reading;

    /// <summary>The processes of each command, in the order of the commands.</summary>
    public RunProcess[][] Take(IReadOnlyList<IReadOnlyList<ProcessEntry>> commands)
    {
        var texts = ReadTexts([.. commands.SelectMany(Kept).Select(process => process.Pid)]);
        var at = 0;
        return [.. commands.Select(command => Fit([.. Kept(command).Select(process => Describe(process, texts[at++]))]))];
    }

    private static IEnumerable<ProcessEntry> Kept(IReadOnlyList<ProcessEntry> command) => command.Take(ProcessesMax);

    private ProcessTexts?[] ReadTexts(int[] pids)
    {
        var texts = new ProcessTexts?[pids.Length];
        if (_reading is { IsAlive: true })
        {
            return texts;
        }

        var isLate = new StrongBox<bool>();
        try
        {
            _reading = new Thread(Read) { IsBackground = true, Name = "dts-texts" };
            _reading.Start();
            Volatile.Write(ref isLate.Value, !_reading.Join(_within));
        }
        catch (Exception full) when (full is OutOfMemoryException or ThreadStartException)
        {
            _reading = null; // The host has no thread left. The kill goes on.
        }

        return texts;

        void Read()
        {
            for (var i = 0; i < pids.Length && !Volatile.Read(ref isLate.Value); i++)
            {
                Volatile.Write(ref texts[i], _read(pids[i]));
            }
        }
    }

    private static RunProcess Describe(ProcessEntry process, ProcessTexts? texts) => new(
        process.Pid,
        process.Parent,
        process.State.ToString(),
        texts?.Command ?? "",
        process.CpuTicks * 1000 / TicksPerSecond,
        process.RssPages * PageKb,
        texts?.WaitsIn ?? "");

    /// <summary>Cuts long command lines, so that each gets a fair share of the room.</summary>
    private static RunProcess[] Fit(RunProcess[] processes)
    {
        var room = BytesMax - (processes.Length * BytesBesideCommand);
        for (var i = 0; i < processes.Length; i++)
        {
            var command = Cut(processes[i].Command, room / (processes.Length - i));
            processes[i] = processes[i] with { Command = command };
            room -= command.EnumerateRunes().Sum(SizeOf);
        }

        return processes;
    }

    private static string Cut(string text, int bytes)
    {
        var kept = new StringBuilder();
        var size = 0;
        foreach (var rune in text.EnumerateRunes())
        {
            size += SizeOf(rune);
            if (size > bytes - Encoding.UTF8.GetByteCount("…"))
            {
                return kept.Append('…').ToString();
            }

            kept.Append(rune);
        }

        return text;
    }

    private static int SizeOf(Rune rune) =>
        rune.Value is '"' or '\\' ? 2
        : JavaScriptEncoder.UnsafeRelaxedJsonEscaping.WillEncode(rune.Value) ? EscapeBytesMax
        : rune.Utf8SequenceLength;
}

/// <summary>A process's command line, and the kernel function that it waits in; empty = it cannot be read.</summary>
internal sealed record ProcessTexts(string Command, string WaitsIn)
{
    public static ProcessTexts Read(int pid) => new(ProcessTable.CommandLineOf(pid), ProcessTable.WaitChannelOf(pid));
}
