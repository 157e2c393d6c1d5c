using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Text;
using Dts.Common.Etcd;
using Dts.Common.Jobs;

namespace Dts.Bench;

/// <summary>How soon a listener hears of a write to etcd, and what a thousand listeners cost. <c>make bench ARGS=events</c></summary>
internal static class EventsFigures
{
    private static readonly TimeSpan Between = TimeSpan.FromMilliseconds(100);
    private static readonly TimeSpan UntilRead = TimeSpan.FromSeconds(5); // The view reads the endings of all jobs.

    public static async Task<Findings> MeasureAsync(Effort effort)
    {
        var (many, writes) = (effort.Argument(0, 1000, 10), effort.Of(200, 5));
        using var host = await ClusterHost.StartAsync();
        var (master, _) = await host.StartMasterAsync();
        await host.FillAsync(effort.Of(10_000, 10));
        using var etcd = host.ConnectEtcd();
        List<Listener> listeners = [new Listener(host.Address)];
        await Task.Delay(effort.Of(UntilRead, TimeSpan.FromSeconds(1)));
        var one = await MeasureAsync(etcd, listeners, writes);
        var (memory, threads) = master.ReadMemoryAndThreads();
        while (listeners.Count < many)
        {
            listeners.Add(new Listener(host.Address));
        }

        await Task.Delay(TimeSpan.FromSeconds(1));
        var all = await MeasureAsync(etcd, listeners, writes);
        var (memoryOfAll, threadsOfAll) = master.ReadMemoryAndThreads();
        listeners.ForEach(listener => listener.Dispose());
        return new Findings(
            [
                new Figure($"the first of {many:N0} listeners: p50 / p99 / longest, ms", all.First).Beside("a single one", one.First),
                new Figure($"the last of {many:N0} listeners: p50 / p99 / longest, ms", all.Last).Beside("a single one", one.Last),
                new Figure("the master's memory then, MB", Series.Of(memoryOfAll)).Beside("with a single one", Series.Of(memory)),
                new Figure("its threads", Series.Of(threadsOfAll)).Beside("with a single one", Series.Of(threads)),
            ],
            "From the beginning of a write to etcd to its event at a listener of a master's stream of events.");
    }

    private static async Task<(Series[] First, Series[] Last)> MeasureAsync(
        EtcdClient etcd, IReadOnlyList<Listener> listeners, int writes)
    {
        var (first, last) = (new List<double>(), new List<double>());
        for (var write = 0; write < writes; write++)
        {
            var job = new Job("told", "true", "0 0 1 1 *", Description: $"mark-{write}-of-{listeners.Count}-");
            var heard = listeners.Select(listener => listener.WaitForAsync(job.Description)).ToList();
            var begun = Stopwatch.GetTimestamp();
            await etcd.PutAsync(new Keys(Keys.DefaultPrefix).Job(JobName.Parse(job.Name)), JobJson.ToJson(job));
            double[] times = [.. (await Task.WhenAll(heard)).Select(at => Stopwatch.GetElapsedTime(begun, at).TotalMilliseconds)];
            first.Add(times.Min());
            last.Add(times.Max());
            await Task.Delay(Between);
        }

        return (Quantiles.Of(first, 50, 99, 100), Quantiles.Of(last, 50, 99, 100));
    }

    /// <summary>Reads a stream on a plain socket, so that a thousand of them cost this process little.</summary>
    private sealed class Listener : IDisposable
    {
        private readonly Socket _socket = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        private readonly Lock _gate = new();
        private byte[] _wanted = [];
        private TaskCompletionSource<long> _heard = new();

        public Listener(Uri master)
        {
            _socket.Connect(IPAddress.Loopback, master.Port);
            _socket.Send(Encoding.ASCII.GetBytes("GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n"));
            _ = ReadAsync();
        }

        public Task<long> WaitForAsync(string mark)
        {
            lock (_gate)
            {
                _wanted = Encoding.ASCII.GetBytes(mark);
                _heard = new TaskCompletionSource<long>(TaskCreationOptions.RunContinuationsAsynchronously);
                return _heard.Task;
            }
        }

        public void Dispose() => _socket.Dispose();

        private async Task ReadAsync()
        {
            var buffer = new byte[16 << 10];
            try
            {
                while (await _socket.ReceiveAsync(buffer) is > 0 and var count)
                {
                    var now = Stopwatch.GetTimestamp();
                    lock (_gate)
                    {
                        if (_wanted.Length > 0 && buffer.AsSpan(0, count).IndexOf(_wanted) >= 0)
                        {
                            _heard.TrySetResult(now);
                        }
                    }
                }
            }
            catch (Exception gone) when (gone is SocketException or ObjectDisposedException)
            {
                // The figures are taken.
            }
        }
    }
}
