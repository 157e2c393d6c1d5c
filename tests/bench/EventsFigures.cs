using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;
using Dts.Common.Etcd;
using Dts.Common.Jobs;

namespace Dts.Bench;

/// <summary>How soon a listener hears of a write to etcd, and what a thousand listeners cost. <c>make bench ARGS=events</c></summary>
internal static class EventsFigures
{
    private const int Writes = 200;

    private static readonly TimeSpan Between = TimeSpan.FromMilliseconds(100);

    public static async Task RunAsync(int listeners)
    {
        Console.WriteLine($"{Environment.ProcessorCount} cores, {DateTimeOffset.UtcNow:yyyy-MM-dd HH:mm} UTC\n");
        using var host = await ClusterHost.StartAsync();
        var (master, _) = await host.StartMasterAsync();
        await host.FillAsync(10_000);
        using var etcd = host.ConnectEtcd();
        var alone = new Listener(host.Address);
        await Task.Delay(TimeSpan.FromSeconds(5)); // The view reads the endings of all jobs.

        Console.WriteLine("from the beginning of the write to etcd to the event at the first and at the last listener, in ms\n");
        Console.WriteLine("| listeners | first, p50 | p99 | longest | last, p50 | p99 | RSS of the master, MB | threads |");
        Console.WriteLine("|--:|--:|--:|--:|--:|--:|--:|--:|");
        await MeasureAsync(etcd, master, [alone]);
        List<Listener> all = [alone];
        while (all.Count < listeners)
        {
            all.Add(new Listener(host.Address));
        }

        await Task.Delay(TimeSpan.FromSeconds(2));
        await MeasureAsync(etcd, master, all);
        all.ForEach(listener => listener.Dispose());
    }

    private static async Task MeasureAsync(EtcdClient etcd, ClusterProcess master, IReadOnlyList<Listener> listeners)
    {
        var (first, last) = (new List<double>(), new List<double>());
        for (var write = 0; write < Writes; write++)
        {
            var job = new Job("told", "true", "0 0 1 1 *", Description: $"mark-{write}-");
            var heard = listeners.Select(listener => listener.WaitForAsync($"mark-{write}-")).ToList();
            var begun = Stopwatch.GetTimestamp();
            await etcd.PutAsync(new Keys(Keys.DefaultPrefix).Job(JobName.Parse(job.Name)), JobJson.ToJson(job));
            double[] times = [.. (await Task.WhenAll(heard)).Select(at => Stopwatch.GetElapsedTime(begun, at).TotalMilliseconds)];
            first.Add(times.Min());
            last.Add(times.Max());
            await Task.Delay(Between);
        }

        first.Sort();
        last.Sort();
        Console.WriteLine(string.Create(
            CultureInfo.InvariantCulture,
            $"| {listeners.Count:N0} | {first[Writes / 2]:F1} | {first[Writes * 99 / 100]:F1} | {first[^1]:F1} "
            + $"| {last[Writes / 2]:F1} | {last[Writes * 99 / 100]:F1} "
            + $"| {master.ReadStatus("VmRSS") / 1024.0:F0} | {master.ReadStatus("Threads")} |"));
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
