using Dts.Common.Etcd;
using Dts.Common.Jobs;
using Xunit;

namespace Dts.Tests.Support;

/// <summary>
/// A test with a real etcd, under a key prefix of its own. When it fails, it shows the logs of etcd and of the product.
/// </summary>
public abstract class EtcdTest : IAsyncLifetime
{
    private readonly List<IAsyncDisposable> _ends = [];

    protected EtcdTest(EtcdServer server)
    {
        Server = server;
        Etcd = Own(server.Connect(Log));
    }

    protected EtcdServer Server { get; }

    protected EtcdClient Etcd { get; }

    protected Keys Keys { get; } = new($"/test-{Guid.NewGuid():N}/");

    private protected RecordedLog Log { get; } = new();

    public virtual ValueTask InitializeAsync() => ValueTask.CompletedTask;

    public async ValueTask DisposeAsync()
    {
        if (TestContext.Current.TestState?.Result == TestResult.Failed)
        {
            TestContext.Current.TestOutputHelper?.WriteLine($"DTS said:\n{Log}\n\netcd said:\n{Server.LogTail()}");
        }

        for (var i = _ends.Count - 1; i >= 0; i--)
        {
            await _ends[i].DisposeAsync();
        }

        GC.SuppressFinalize(this);
    }

    /// <summary>Disposes it at the end of the test, the latest first.</summary>
    private protected T Own<T>(T owned)
    {
        _ends.Add(owned as IAsyncDisposable ?? new Later((owned as IDisposable)!));
        return owned;
    }

    private protected Task<EtcdClient> ConnectAsync(Uri endpoint, double callTimeoutSeconds = 5) =>
        Task.FromResult(Own(new EtcdClient(
            new EtcdOptions([endpoint], TimeSpan.FromSeconds(callTimeoutSeconds)), TimeProvider.System, Log)));

    private protected async Task<string?> ReadAsync(string key) => (await Etcd.FindAsync(key))?.Value.ToStringUtf8();

    /// <summary>Waits until the key's value, or its absence, meets the condition.</summary>
    private protected async Task<string?> KeySoonAsync(string key, Func<string?, bool> fits)
    {
        using var look = new PeriodicTimer(TimeSpan.FromMilliseconds(10));
        var deadline = Environment.TickCount64 + (long)Patience.Limit.TotalMilliseconds;
        while (true)
        {
            var value = await ReadAsync(key);
            if (fits(value))
            {
                return value;
            }

            Assert.True(Environment.TickCount64 < deadline, $"{key} is {value ?? "missing"} after {Patience.Limit}");
            await look.WaitForNextTickAsync();
        }
    }

    private sealed class Later(IDisposable owned) : IAsyncDisposable
    {
        public ValueTask DisposeAsync()
        {
            owned.Dispose();
            return ValueTask.CompletedTask;
        }
    }
}
