using System.Globalization;
using Dts.Common.Hosting;

namespace Dts.Worker.Commands;

/// <summary>The system's clock plus an offset from a file, for fault tests, which cannot step the clock of their host.</summary>
/// <remarks>
/// Used only if the environment variable DTS_TEST_CLOCK names the file. It holds milliseconds and is read every 50 ms. Thread-safe.
/// </remarks>
internal sealed class TestClock : TimeProvider, IDisposable
{
    /// <summary>The variable of the environment that names the file.</summary>
    public const string Variable = SettingsReader.TestClock;

    private static readonly TimeSpan LookEvery = TimeSpan.FromMilliseconds(50);

    private readonly string _path;
    private readonly ITimer _timer;
    private long _offsetMs;

    private TestClock(string path)
    {
        _path = path;
        Look();
        _timer = System.CreateTimer(_ => Look(), null, LookEvery, LookEvery);
    }

    /// <summary>Raised when the offset has changed, on any thread: the clock was stepped.</summary>
    public event Action? Stepped;

    public long OffsetMs => Volatile.Read(ref _offsetMs);

    /// <summary>The system's clock, unless a fault test asks for this one.</summary>
    public static TimeProvider Choose() =>
        Environment.GetEnvironmentVariable(Variable) is { Length: > 0 } path ? new TestClock(path) : System;

    public override DateTimeOffset GetUtcNow() => base.GetUtcNow().AddMilliseconds(OffsetMs);

    public void Dispose() => _timer.Dispose();

    private void Look()
    {
        try
        {
            if (long.TryParse(File.ReadAllText(_path), CultureInfo.InvariantCulture, out var offset)
                && Interlocked.Exchange(ref _offsetMs, offset) != offset)
            {
                Stepped?.Invoke();
            }
        }
        catch (IOException)
        {
            // It is missing, or being written.
        }
    }
}
