using System.Collections.Concurrent;
using System.Globalization;
using System.Threading.Channels;
using Dts.Common.Hosting;
using Dts.Common.Logs;
using Dts.Worker.Commands;
using Dts.Worker.Commands.Holders;
using Dts.Worker.Runs;
using Microsoft.Extensions.Logging;
using Dts.Worker.Logs;

namespace Dts.Worker.Records;

/// <summary>
/// Ships the output of commands to the log store while they run: once a second, in chunks of up to 64 KiB, from files that survive a
/// crash.
/// </summary>
/// <remarks>
/// Thread-safe. A command that ends within a second with little output has neither file nor chunks: its record has the whole output.
/// </remarks>
internal sealed class LiveOutput : IDisposable
{
    private const int BytesAtOnce = 256 << 10;

    private static readonly TimeSpan Every = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan LongestPause = TimeSpan.FromSeconds(10);

    private readonly ConcurrentDictionary<string, Shipment> _shipments = new(); // by the file's path
    private readonly Channel<bool> _begun = Channel.CreateBounded<bool>(1); // full: the next round has been asked for
    private readonly string _folder;
    private readonly ILogWriter _store;
    private readonly long _limitBytes;
    private readonly TimeSpan _retention;
    private readonly TimeProvider _time;
    private readonly ILogger _log;

    // Every batch reuses these.
    private readonly byte[][] _pieces =
        [.. Enumerable.Range(0, BytesAtOnce / StoredOutput.PieceMax).Select(_ => new byte[StoredOutput.PieceMax])];

    private List<(Shipment Of, OutputChunk Chunk)> _unsent = []; // Sent again unchanged: the store may have taken some of them.
    private long _number;

    /// <exception cref="SettingsException">The folder cannot be made or read.</exception>
    public LiveOutput(string folder, ILogWriter store, long limitBytes, TimeSpan retention, TimeProvider time, ILogger log)
    {
        (_folder, _store, _limitBytes, _retention, _time, _log) = (folder, store, limitBytes, retention, time, log);
        _number = time.GetUtcNow().ToUnixTimeMilliseconds() * 1000; // Above that of any file from before.
        DataFolder.Guard(folder, () => Directory.CreateDirectory(folder));
    }

    /// <summary>Begins to follow a run, and returns where its command puts its output.</summary>
    public OutputTarget Begin(Run run)
    {
        var path = Path.Combine(_folder, string.Create(CultureInfo.InvariantCulture, $"{Interlocked.Increment(ref _number)}.out"));
        var output = new OutputTarget(path, run.Key, _limitBytes);
        _shipments[path] = new Shipment(path, ExpiryOf(run)) { IsPlaced = true };
        _begun.Writer.TryWrite(true);
        return output;
    }

    /// <summary>Follows the output of a run that an earlier process of this worker started.</summary>
    public void GoOn(Run run, OutputTarget output) => _shipments[output.Path] = new Shipment(output.Path, ExpiryOf(run));

    /// <summary>
    /// Ships the other outputs that an earlier process left, which grow no more. Call it after <see cref="GoOn"/> and before
    /// <see cref="RunAsync"/>.
    /// </summary>
    public void TakeLeft() => DataFolder.Guard(_folder, () =>
    {
        foreach (var path in Directory.EnumerateFiles(_folder, "*.out").Where(path => !_shipments.ContainsKey(path)))
        {
            _shipments[path] = new Shipment(path, _time.GetUtcNow() + _retention) { HasEnded = true };
        }

        return _folder;
    });

    /// <summary>The command has ended: the next round ships the rest of its output.</summary>
    public void End(OutputTarget output, CommandEnding? ending = null)
    {
        if (ending is { OutputBytes: var written, OutputStored: var stored }
            && stored < Math.Min(written, output.LimitBytes)
            && (stored > 0 || written > OutputTarget.KeptInMemory))
        {
            _log.LiveOutputFailed(
                output.Run, string.Create(CultureInfo.InvariantCulture, $"the disk took {stored} of its {written} bytes"));
        }

        if (_shipments.TryGetValue(output.Path, out var shipment))
        {
            shipment.HasEnded = true;
            if (new FileInfo(output.Path) is not { Exists: true, Length: > 0 })
            {
                Forget(shipment);
            }
        }
    }

    /// <summary>Runs until cancelled; then ships as much as the store takes. The next start ships the rest.</summary>
    public async Task RunAsync(CancellationToken stop)
    {
        for (var failures = 0; !stop.IsCancellationRequested;)
        {
            var pause = TimeSpan.FromTicks(Math.Min(Every.Ticks << Math.Min(failures, 5), LongestPause.Ticks));
            await Task.Delay(pause, _time, stop).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            if (_shipments.IsEmpty)
            {
                await ((Task)_begun.Reader.ReadAsync(stop).AsTask()).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }

            failures = await TryShipAsync() ? 0 : failures + 1; // The shipper of records logs that the store is gone.
        }
    }

    public void Dispose()
    {
        foreach (var shipment in _shipments.Values)
        {
            shipment.Output?.Dispose();
        }
    }

    private DateTimeOffset ExpiryOf(Run run) =>
        _time.GetUtcNow() + (run.Job.RetentionDays > 0 ? TimeSpan.FromDays(run.Job.RetentionDays) : _retention);

    private async Task<bool> TryShipAsync()
    {
        try
        {
            foreach (var shipment in _shipments.Values.Where(shipment => !shipment.IsPlaced))
            {
                await PlaceAsync(shipment);
            }

            while (_unsent.Count > 0 || (_unsent = TakeChunks()).Count > 0)
            {
                var refused = await _store.WriteOutputAsync([.. _unsent.Select(chunk => chunk.Chunk)], CancellationToken.None);
                _unsent.ForEach(chunk => chunk.Of.Shipped = chunk.Chunk.End);
                foreach (var (chunk, reason) in refused.DistinctBy(chunk => chunk.What.Run))
                {
                    GiveUp(_unsent.Find(unsent => unsent.Chunk.Run == chunk.Run).Of, $"the log store refuses the output: {reason}");
                }

                _unsent = [];
            }
        }
        catch (LogStoreException)
        {
            return false;
        }

        foreach (var shipment in _shipments.Values.Where(shipment => shipment is { HasEnded: true, IsRead: true }))
        {
            Forget(shipment);
        }

        return true;
    }

    /// <summary>
    /// Continues where the former process's chunks end. Chunks are identified by their offsets, so other chunks over the same bytes would
    /// be taken for those.
    /// </summary>
    private async Task PlaceAsync(Shipment shipment)
    {
        try
        {
            shipment.Output ??= StoredOutput.TryOpen(shipment.Path);
            while (shipment.Output is { Run: var run }
                && await _store.ReadOutputAsync(run, shipment.Shipped, BytesAtOnce, CancellationToken.None) is [.., var last])
            {
                shipment.Shipped = last.End;
            }
        }
        catch (IOException failure)
        {
            GiveUp(shipment, failure.Message);
        }

        shipment.IsPlaced = true;
    }

    private List<(Shipment Of, OutputChunk Chunk)> TakeChunks()
    {
        List<(Shipment, OutputChunk)> chunks = [];
        var bytes = 0;
        var full = 0; // The number of pieces in use.
        foreach (var shipment in _shipments.Values)
        {
            try
            {
                var hasEnded = shipment.HasEnded; // Before the last look.
                shipment.Output ??= StoredOutput.TryOpen(shipment.Path);
                var next = shipment.Shipped;
                for (;
                    bytes < BytesAtOnce && shipment.Output?.Read(next, _pieces.ElementAtOrDefault(full)) is { Length: > 0 } data;
                    next += data.Length)
                {
                    chunks.Add((shipment, new OutputChunk(shipment.Output.Run, next, data, shipment.ExpireAt)));
                    bytes += data.Length;
                    full += data == _pieces.ElementAtOrDefault(full) ? 1 : 0;
                }

                shipment.IsRead = hasEnded && next == shipment.Shipped && (shipment.Output is null || next >= shipment.Output.Length);
            }
            catch (IOException failure)
            {
                GiveUp(shipment, failure.Message);
            }
        }

        return chunks;
    }

    private void GiveUp(Shipment shipment, string reason)
    {
        _log.LiveOutputFailed(shipment.Output?.Run ?? shipment.Path, reason);
        Forget(shipment);
    }

    private void Forget(Shipment shipment)
    {
        if (_shipments.TryRemove(shipment.Path, out _))
        {
            shipment.Output?.Dispose();
            File.Delete(shipment.Path);
        }
    }

    private sealed class Shipment(string path, DateTimeOffset expireAt)
    {
        public string Path { get; } = path;

        public DateTimeOffset ExpireAt { get; } = expireAt;

        /// <summary>Null = there is none yet.</summary>
        public StoredOutput? Output { get; set; }

        public long Shipped { get; set; }

        /// <summary><see cref="Shipped"/> is what the store has.</summary>
        public bool IsPlaced { get; set; }

        public bool HasEnded { get; set; }

        /// <summary>All of it is in the store.</summary>
        public bool IsRead { get; set; }
    }
}
