using System.Collections.Concurrent;
using System.Globalization;
using Dts.Common;
using Dts.Common.Hosting;
using Dts.Common.Logs;
using Dts.Common.Shell;
using Microsoft.Extensions.Logging;

namespace Dts.Worker;

/// <summary>Brings the output of commands to the log store while they run: once a second, in chunks of up to 64 KiB, out of files that survive a crash.</summary>
/// <remarks>Thread-safe. A command that ends within a second with little output has no file, and no chunks: its record has it all.</remarks>
internal sealed class LiveOutput : IDisposable
{
    private const int BytesAtOnce = 256 << 10;

    private static readonly TimeSpan Every = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan LongestPause = TimeSpan.FromSeconds(10);

    private readonly ConcurrentDictionary<OutputFile, Shipment> _shipments = new();
    private readonly string _folder;
    private readonly ILogStore _store;
    private readonly long _limitBytes;
    private readonly TimeSpan _retention;
    private readonly TimeProvider _time;
    private readonly ILogger _log;
    private long _number;

    /// <exception cref="SettingsException">The folder cannot be made or read.</exception>
    public LiveOutput(string folder, ILogStore store, long limitBytes, TimeSpan retention, TimeProvider time, ILogger log)
    {
        (_folder, _store, _limitBytes, _retention, _time, _log) = (folder, store, limitBytes, retention, time, log);
        _number = time.GetUtcNow().ToUnixTimeMilliseconds() * 1000; // Above that of any file from before.
        DataFault.Guard(folder, () =>
        {
            Directory.CreateDirectory(folder);
            foreach (var path in Directory.EnumerateFiles(folder, "*.out"))
            {
                if (OutputFile.Reopen(path) is { } left)
                {
                    _shipments[left] = new Shipment(left, time.GetUtcNow() + retention) { HasEnded = true };
                }
                else
                {
                    File.Delete(path); // Torn before it said whose it is.
                }
            }

            return folder;
        });
    }

    /// <summary>Where a run's command is to put its output.</summary>
    public OutputFile Begin(Run run)
    {
        var retention = run.Job.RetentionDays > 0 ? TimeSpan.FromDays(run.Job.RetentionDays) : _retention;
        var path = Path.Combine(_folder, string.Create(CultureInfo.InvariantCulture, $"{Interlocked.Increment(ref _number)}.out"));
        var output = new OutputFile(path, $"{run.Name}/{run.Id}", _limitBytes);
        _shipments[output] = new Shipment(output, _time.GetUtcNow() + retention);
        return output;
    }

    /// <summary>The command is over: what is left goes with the next round.</summary>
    public void End(OutputFile output)
    {
        if (_shipments.TryGetValue(output, out var shipment))
        {
            shipment.HasEnded = true;
            if (output.Stored == 0)
            {
                Forget(shipment);
            }
        }
    }

    /// <summary>Runs until cancelled; then what is left goes, as far as the store takes it, and the rest at the next start.</summary>
    public async Task RunAsync(CancellationToken stop)
    {
        for (var failures = 0; !stop.IsCancellationRequested;)
        {
            var pause = TimeSpan.FromTicks(Math.Min(Every.Ticks << Math.Min(failures, 5), LongestPause.Ticks));
            await Task.Delay(pause, _time, stop).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            failures = await TryShipAsync() ? 0 : failures + 1; // The shipper of records says that the store is gone.
        }
    }

    public void Dispose()
    {
        foreach (var output in _shipments.Keys)
        {
            output.Dispose();
        }
    }

    private async Task<bool> TryShipAsync()
    {
        try
        {
            while (TakeChunks() is { Count: > 0 } chunks)
            {
                await _store.WriteOutputAsync([.. chunks.Select(chunk => chunk.Chunk)], CancellationToken.None);
                chunks.ForEach(chunk => chunk.Of.Shipped = chunk.Chunk.End);
            }
        }
        catch (LogStoreException)
        {
            return false;
        }

        foreach (var shipment in _shipments.Values.Where(shipment => shipment.HasEnded && shipment.Shipped >= shipment.Output.Stored))
        {
            Forget(shipment);
        }

        return true;
    }

    private List<(Shipment Of, OutputChunk Chunk)> TakeChunks()
    {
        List<(Shipment, OutputChunk)> chunks = [];
        var bytes = 0;
        foreach (var shipment in _shipments.Values.Where(shipment => shipment.IsDue(_time)))
        {
            shipment.Output.Show();
            try
            {
                for (var next = shipment.Shipped; bytes < BytesAtOnce && shipment.Output.Read(next) is { Length: > 0 } data; next += data.Length)
                {
                    chunks.Add((shipment, new OutputChunk(shipment.Output.Run, next, data, shipment.ExpireAt)));
                    bytes += data.Length;
                }
            }
            catch (IOException failure)
            {
                GiveUp(shipment, failure.Message);
            }

            if (shipment.Output.Failure is { } why && !shipment.IsGivenUp)
            {
                GiveUp(shipment, why);
            }
        }

        return chunks;
    }

    private void GiveUp(Shipment shipment, string why)
    {
        shipment.IsGivenUp = true;
        _log.LiveOutputFailed(shipment.Output.Run, why);
    }

    private void Forget(Shipment shipment)
    {
        if (_shipments.TryRemove(shipment.Output, out _))
        {
            shipment.Output.Dispose();
            File.Delete(shipment.Output.Path);
        }
    }

    private sealed class Shipment(OutputFile output, DateTimeOffset expireAt)
    {
        private long? _firstSeen;

        public OutputFile Output { get; } = output;

        public DateTimeOffset ExpireAt { get; } = expireAt;

        public long Shipped { get; set; }

        public bool HasEnded { get; set; }

        public bool IsGivenUp { get; set; }

        /// <summary>From the second look on: what is over by then is short.</summary>
        public bool IsDue(TimeProvider time)
        {
            var isFirst = _firstSeen is null;
            _firstSeen ??= time.GetTimestamp();
            return !isFirst || HasEnded || Output.Stored > 0;
        }
    }
}
