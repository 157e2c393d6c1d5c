using System.Net;
using System.Net.Sockets;

namespace Dts.Tests.Support;

/// <summary>A TCP proxy whose connections can be cut or stalled.</summary>
internal sealed class CutProxy : IAsyncDisposable
{
    private readonly TcpListener _listener;
    private readonly IPEndPoint _target;
    private readonly Lock _gate = new();
    private readonly HashSet<Socket> _open = [];
    private readonly Task _accepting;
    private TaskCompletionSource _requestsFlow = Open();
    private TaskCompletionSource _answersFlow = Open();
    private long _connections;
    private bool _isCut;

    /// <param name="at">Where it listens; null = on loopback.</param>
    public CutProxy(IPEndPoint target, IPAddress? at = null)
    {
        _target = target;
        _listener = new TcpListener(at ?? IPAddress.Loopback, 0);
        _listener.Start();
        Endpoint = new Uri($"http://{_listener.LocalEndpoint}");
        _accepting = AcceptAsync();
    }

    public Uri Endpoint { get; }

    /// <summary>The number of connections that clients have opened.</summary>
    public long Connections => Interlocked.Read(ref _connections);

    /// <summary>Closes all connections, and new ones at once, until <see cref="Mend"/>.</summary>
    public void Cut()
    {
        lock (_gate)
        {
            _isCut = true;
        }

        Reset();
    }

    /// <summary>Closes the present connections; new ones are served.</summary>
    public void Reset()
    {
        Socket[] open;
        lock (_gate)
        {
            open = [.. _open];
            _open.Clear();
        }

        foreach (var socket in open)
        {
            socket.Close(timeout: 0);
        }
    }

    /// <summary>Serves all connections again.</summary>
    public void Mend()
    {
        lock (_gate)
        {
            _isCut = false;
            _requestsFlow.TrySetResult();
            _answersFlow.TrySetResult();
        }
    }

    /// <summary>Holds back the data of both sides; connections stay open.</summary>
    public void Stall()
    {
        StallAnswers();
        lock (_gate)
        {
            _requestsFlow = Closed(_requestsFlow);
        }
    }

    /// <summary>Forwards requests and holds back answers.</summary>
    public void StallAnswers()
    {
        lock (_gate)
        {
            _answersFlow = Closed(_answersFlow);
        }
    }

    public async ValueTask DisposeAsync()
    {
        _listener.Dispose();
        Cut();
        Mend();
        await _accepting;
    }

    private static TaskCompletionSource Open()
    {
        var flow = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        flow.SetResult();
        return flow;
    }

    private static TaskCompletionSource Closed(TaskCompletionSource flow) =>
        flow.Task.IsCompleted ? new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously) : flow;

    private async Task AcceptAsync()
    {
        var served = new List<Task>();
        try
        {
            while (true)
            {
                var client = await _listener.AcceptSocketAsync();
                Interlocked.Increment(ref _connections);
                served.RemoveAll(task => task.IsCompleted);
                served.Add(ServeAsync(client));
            }
        }
        catch (Exception ended) when (ended is SocketException or InvalidOperationException) // Disposed in a call, or between two.
        {
            Reset();
            await Task.WhenAll(served);
        }
    }

    private async Task ServeAsync(Socket client)
    {
        using var server = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        using (client)
        {
            client.NoDelay = true;
            lock (_gate)
            {
                if (_isCut)
                {
                    return;
                }

                _open.Add(client);
                _open.Add(server);
            }

            try
            {
                await server.ConnectAsync(_target);
                await await Task.WhenAny(PumpAsync(client, server, () => _requestsFlow), PumpAsync(server, client, () => _answersFlow));
            }
            catch (Exception broken) when (broken is SocketException or ObjectDisposedException)
            {
                // One side has closed the connection, or it was cut.
            }

            lock (_gate)
            {
                _open.Remove(client);
                _open.Remove(server);
            }
        }
    }

    private async Task PumpAsync(Socket from, Socket to, Func<TaskCompletionSource> flow)
    {
        var buffer = new byte[16 << 10];
        try
        {
            while (await from.ReceiveAsync(buffer) is > 0 and var length)
            {
                await Current(flow).Task;
                await to.SendAsync(buffer.AsMemory(0, length));
            }
        }
        catch (Exception broken) when (broken is SocketException or ObjectDisposedException)
        {
            // As above; the other direction ends with this one.
        }
    }

    private TaskCompletionSource Current(Func<TaskCompletionSource> flow)
    {
        lock (_gate)
        {
            return flow();
        }
    }
}
