using System.Net;
using System.Net.Sockets;
using Dts.Common.Etcd;
using Etcdserverpb;

namespace Dts.Master;

/// <summary>Proves that this master answers: it sends itself a request. Also describes its state for systemd.</summary>
internal sealed class SelfCheck(MasterSettings settings, EtcdClient etcd) : IDisposable
{
    private static readonly TimeSpan AnswerWithin = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan RetryPause = TimeSpan.FromSeconds(1);

    private readonly HttpClient _http = new(new SocketsHttpHandler { UseProxy = false })
    {
        BaseAddress = Own(settings),
        Timeout = AnswerWithin,
    };

    public async Task ProveAsync(CancellationToken cancel)
    {
        while (!await AnswersAsync(cancel))
        {
            await Task.Delay(RetryPause, cancel);
        }
    }

    public async Task<string> DescribeAsync(CancellationToken cancel)
    {
        try
        {
            var jobs = settings.Keys.Jobs;
            var answer = await etcd.RangeAsync(
                new RangeRequest { Key = Txn.Bytes(jobs), RangeEnd = Txn.EndOf(jobs), CountOnly = true }, cancel);
            return $"{answer.Count} jobs; etcd answers";
        }
        catch (EtcdException failure)
        {
            return $"etcd: {failure.Message}";
        }
        catch (OperationCanceledException)
        {
            return "etcd does not answer";
        }
    }

    public void Dispose() => _http.Dispose();

    private async Task<bool> AnswersAsync(CancellationToken cancel)
    {
        try
        {
            using var answer = await _http.GetAsync("/healthz", cancel);
            return answer.IsSuccessStatusCode;
        }
        catch (HttpRequestException)
        {
            return false;
        }
        catch (OperationCanceledException) when (!cancel.IsCancellationRequested)
        {
            return false; // It took too long.
        }
    }

    /// <summary>The address that we listen on; if it is all addresses, the loopback.</summary>
    private static Uri Own(MasterSettings settings)
    {
        var address = settings.Listen.Equals(IPAddress.Any) ? IPAddress.Loopback
            : settings.Listen.Equals(IPAddress.IPv6Any) ? IPAddress.IPv6Loopback
            : settings.Listen;
        var host = address.AddressFamily == AddressFamily.InterNetworkV6 ? $"[{address}]" : $"{address}";
        return new UriBuilder("http", host, settings.ApiPort).Uri;
    }
}
