using System.Buffers.Binary;
using System.Net.Sockets;
using System.Text;
using Microsoft.Extensions.Logging;

namespace Dts.Common.Hosting;

/// <summary>Writes log lines to journald, with their parameters as fields: JOB, RUN_ID, STATUS, WORKER and so on.</summary>
/// <remarks>
/// Thread-safe, and never blocks. The native protocol (https://systemd.io/JOURNAL_NATIVE_PROTOCOL/) has one datagram per entry: for each
/// field <c>FIELD=value\n</c>, or, if the value has several lines, the field, a newline, the length in eight bytes, little-endian, the
/// value and a newline. So no text can forge a field. Fields are named after the catalogue's parameters. A line that the socket does not
/// take goes to the fallback.
/// </remarks>
/// <param name="identifier">SYSLOG_IDENTIFIER: the service.</param>
/// <param name="worker">WORKER of lines that name none; empty = no such field.</param>
public sealed class Journal(string socketPath, string identifier, string worker, ILoggerFactory fallback) : ILoggerProvider
{
    public const string SocketPath = "/run/systemd/journal/socket";

    // Together far below the kernel's limit for a datagram (212,992 bytes).
    private const int MessageBytesMax = 48 << 10;
    private const int FieldBytesMax = 4 << 10;

    private readonly Socket _socket = new(AddressFamily.Unix, SocketType.Dgram, ProtocolType.Unspecified) { Blocking = false };
    private readonly UnixDomainSocketEndPoint _journald = new(socketPath);

    /// <summary>
    /// Whether journald reads what this process prints: JOURNAL_STREAM names the socket that is our stdout or stderr (systemd.exec(5)).
    /// </summary>
    public static bool ReadsUs(string? journalStream) =>
        journalStream?.Split(':', 2) is [_, var inode] && (IsSocket("/proc/self/fd/1", inode) || IsSocket("/proc/self/fd/2", inode));

    private string Identifier => identifier;

    public ILogger CreateLogger(string categoryName) => new Line(this, categoryName, fallback.CreateLogger(categoryName));

    public void Dispose()
    {
        _socket.Dispose();
        fallback.Dispose();
    }

    private static bool IsSocket(string path, string inode) => new FileInfo(path).LinkTarget == $"socket:[{inode}]";

    private bool TrySend(LogLevel level, EventId id, string message, IEnumerable<KeyValuePair<string, object?>> parameters)
    {
        using var entry = new MemoryStream();
        Add(entry, "MESSAGE", message, MessageBytesMax);
        Add(entry, "PRIORITY", PriorityOf(level));
        Add(entry, "SYSLOG_IDENTIFIER", identifier);
        Add(entry, "EVENT", $"{id.Id}");
        var namesWorker = false;
        foreach (var (name, value) in parameters)
        {
            namesWorker |= name == "Worker";
            AddParameter(entry, name, $"{value}");
        }

        if (worker.Length > 0 && !namesWorker)
        {
            Add(entry, "WORKER", worker);
        }

        try
        {
            return _socket.SendTo(entry.GetBuffer().AsSpan(0, (int)entry.Length), SocketFlags.None, _journald) == entry.Length;
        }
        catch (Exception failure) when (failure is SocketException or ObjectDisposedException)
        {
            return false; // Full, or journald is away.
        }
    }

    private static void AddParameter(MemoryStream entry, string name, string value)
    {
        switch (name)
        {
            case "{OriginalFormat}" or "Settings": // The template, and a parameter that is the whole message.
                break;
            case "Run" when value.Split('/', 2) is [var job, var runId]:
                Add(entry, "JOB", job);
                Add(entry, "RUN_ID", runId);
                break;
            default:
                Add(entry, FieldOf(name), value);
                break;
        }
    }

    /// <summary>RunId is RUN_ID.</summary>
    private static string FieldOf(string parameter) => string.Concat(
        parameter.Select((letter, i) => i > 0 && char.IsAsciiLetterUpper(letter) ? $"_{letter}" : $"{char.ToUpperInvariant(letter)}"));

    private static void Add(MemoryStream entry, string field, string value, int bytesMax = FieldBytesMax)
    {
        var bytes = Encoding.UTF8.GetBytes(value);
        if (bytes.Length > bytesMax)
        {
            var cut = bytesMax;
            while ((bytes[cut] & 0xC0) == 0x80)
            {
                cut--; // Not within a character.
            }

            bytes = [.. bytes.AsSpan(0, cut), .. Encoding.UTF8.GetBytes($" [cut: {bytes.Length - cut} of {bytes.Length} bytes]")];
        }

        entry.Write(Encoding.ASCII.GetBytes(field));
        if (bytes.Contains((byte)'\n'))
        {
            Span<byte> length = stackalloc byte[sizeof(ulong)];
            BinaryPrimitives.WriteUInt64LittleEndian(length, (ulong)bytes.Length);
            entry.WriteByte((byte)'\n');
            entry.Write(length);
        }
        else
        {
            entry.WriteByte((byte)'=');
        }

        entry.Write(bytes);
        entry.WriteByte((byte)'\n');
    }

    /// <summary>As in syslog(3).</summary>
    private static string PriorityOf(LogLevel level) => level switch
    {
        LogLevel.Critical => "2",
        LogLevel.Error => "3",
        LogLevel.Warning => "4",
        LogLevel.Information => "6",
        _ => "7",
    };

    private sealed class Line(Journal journal, string category, ILogger fallback) : ILogger
    {
        public bool IsEnabled(LogLevel logLevel) => logLevel != LogLevel.None;

        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public void Log<TState>(
            LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            var origin = category == journal.Identifier ? "" : $"{category}: ";
            var message = origin + formatter(state, exception) + (exception is null ? "" : $"\n{exception}");
            if (IsEnabled(logLevel)
                && !journal.TrySend(logLevel, eventId, message, state as IEnumerable<KeyValuePair<string, object?>> ?? []))
            {
                fallback.Log(logLevel, eventId, state, exception, formatter);
            }
        }
    }
}
