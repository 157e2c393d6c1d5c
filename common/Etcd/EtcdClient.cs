using System.Runtime.CompilerServices;
using Etcdserverpb;
using Google.Protobuf;
using Grpc.Core;
using Microsoft.Extensions.Logging;
using Mvccpb;
using dotnet_etcd.interfaces;

namespace Dts.Common.Etcd;

/// <summary>etcd's v3 API over several endpoints. Safe for concurrent use.</summary>
/// <remarks>
/// Every call has a deadline and moves on to the next endpoint when one fails (<see cref="EtcdFailover"/>). Reads are repeated there, and
/// writes that are harmless twice (grants, revocations, transactions marked as repeatable). Any other write is repeated only if it was
/// certainly not sent.
/// </remarks>
public sealed class EtcdClient : IDisposable
{
    private const int TokensInCall = 2; // The first may expire, or predate the latest change of rights, before the call uses it.

    private readonly EtcdOptions _options;
    private readonly EtcdEndpoints _endpoints;
    private readonly EtcdFailover _failover;
    private readonly EtcdToken _token;

    public EtcdClient(EtcdOptions options, TimeProvider time, ILogger log)
    {
        (_options, Time, Logger) = (options, time, log);
        _endpoints = new EtcdEndpoints(options);
        _failover = new EtcdFailover(options.Endpoints, time, log);
        _token = new EtcdToken(options, _endpoints, _failover);
    }

    public TimeSpan CallTimeout => _options.CallTimeout;

    public TimeProvider Time { get; }

    public ILogger Logger { get; }

    public void Dispose() => _endpoints.Dispose();

    public async Task<KeyValue?> FindAsync(string key, long revision = 0, CancellationToken cancel = default)
    {
        var answer = await RangeAsync(new RangeRequest { Key = Txn.Bytes(key), Revision = revision }, cancel);
        return answer.Kvs.Count > 0 ? answer.Kvs[0] : null;
    }

    /// <summary>All keys under a prefix at one revision, in the order of their bytes.</summary>
    public async Task<IReadOnlyList<KeyValue>> ListAsync(string prefix, CancellationToken cancel = default) =>
        (await TableLoader.LoadAsync(this, prefix, cancel)).Keys;

    public Task<RangeResponse> RangeAsync(RangeRequest request, CancellationToken cancel = default) =>
        CallAsync(request, static (etcd, range, call) => etcd.KVClient.RangeAsync(range, call).ResponseAsync, repeatable: true, cancel);

    public Task<PutResponse> PutAsync(string key, string value, LeaseId lease = default, CancellationToken cancel = default) =>
        CallAsync(
            Txn.Put(key, value, lease).RequestPut,
            static (etcd, put, call) => etcd.KVClient.PutAsync(put, call).ResponseAsync,
            repeatable: false,
            cancel);

    public Task<DeleteRangeResponse> DeleteAsync(string key, CancellationToken cancel = default) =>
        CallAsync(
            new DeleteRangeRequest { Key = Txn.Bytes(key), PrevKv = true },
            static (etcd, delete, call) => etcd.KVClient.DeleteRangeAsync(delete, call).ResponseAsync,
            repeatable: false,
            cancel);

    /// <param name="repeatable">Carrying it out twice is harmless: it may be sent again to another endpoint.</param>
    public Task<TxnResponse> TxnAsync(TxnRequest txn, bool repeatable = false, CancellationToken cancel = default) =>
        CallAsync(txn, TxnOnceAsync, repeatable, cancel);

    /// <summary>Sends a transaction that may be carried out twice.</summary>
    /// <param name="attempt">The time that each endpoint has to answer.</param>
    public Task<TxnResponse> TxnAsync(TxnRequest txn, TimeSpan attempt, CancellationToken cancel) =>
        CallAsync(txn, TxnOnceAsync, repeatable: true, cancel, attempt);

    public async Task<LeaseId> GrantAsync(TimeSpan ttl, CancellationToken cancel = default)
    {
        var request = new LeaseGrantRequest { TTL = (long)Math.Ceiling(ttl.TotalSeconds) };
        var answer = await CallAsync(
            request,
            static (etcd, grant, call) => etcd.LeaseClient.LeaseGrantAsync(grant, call).ResponseAsync,
            repeatable: true,
            cancel);
        return new LeaseId(answer.ID);
    }

    /// <summary>The state of the member in use, by its own account.</summary>
    public Task<StatusResponse> StatusAsync(CancellationToken cancel = default) =>
        CallAsync(
            new StatusRequest(),
            static (etcd, status, call) => etcd.MaintenanceClient.StatusAsync(status, call).ResponseAsync,
            repeatable: true,
            cancel);

    /// <summary>One watch, which ends with its connection; <see cref="Watch"/> resumes it.</summary>
    public async IAsyncEnumerable<WatchResponse> WatchOnceAsync(
        string prefix, long fromRevision, [EnumeratorCancellation] CancellationToken cancel)
    {
        var create = new WatchCreateRequest
        {
            Key = Txn.Bytes(prefix),
            RangeEnd = Txn.EndOf(prefix),
            StartRevision = fromRevision,
            ProgressNotify = true,
            Fragment = true,
        };
        for (var isRefused = false; ; isRefused = true)
        {
            var token = _token.Current;
            var asksForToken = false;
            await foreach (var answer in StreamAsync(create, token, cancel))
            {
                // etcd only says that it refuses the watch, not that the token is missing or has expired.
                asksForToken = answer is { Canceled: true, CompactRevision: 0 } && _options.User is not null && !isRefused;
                if (asksForToken)
                {
                    break;
                }

                yield return answer;
            }

            if (!asksForToken)
            {
                yield break;
            }

            await _token.RenewAsync(token, cancel);
        }
    }

    private async IAsyncEnumerable<WatchResponse> StreamAsync(
        WatchCreateRequest create, string? token, [EnumeratorCancellation] CancellationToken cancel)
    {
        var endpoint = _failover.Current;
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        limit.CancelAfter(_options.CallTimeout);
        using var stream = _endpoints[endpoint].WatchClient.Watch(_endpoints.Options(token, limit.Token));
        await stream.RequestStream.WriteAsync(new WatchRequest { CreateRequest = create }, cancel)
            .ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing); // A failure surfaces where the answer is read.
        while (true)
        {
            try
            {
                if (!await stream.ResponseStream.MoveNext(CancellationToken.None))
                {
                    yield break;
                }

                limit.CancelAfter(Timeout.InfiniteTimeSpan); // etcd confirms a watch at once; events may take any time.
            }
            catch (Exception failure) when (EtcdException.TryTranslate(failure, endpoint, _options.CallTimeout, cancel) is { } translated)
            {
                _failover.NoteFailure(endpoint, translated, cancel);
                if (_token.IsAskedFor(translated, token))
                {
                    await _token.RenewAsync(token, cancel);
                }

                throw translated;
            }

            yield return stream.ResponseStream.Current;
        }
    }

    private static Task<TxnResponse> TxnOnceAsync(IConnection etcd, TxnRequest txn, CallOptions call) =>
        etcd.KVClient.TxnAsync(txn, call).ResponseAsync;

    /// <summary>Makes any call; the members above wrap the calls that master and worker need.</summary>
    /// <param name="attempt">
    /// The time that each endpoint has to answer, so the call may take that time once per endpoint; null = the call timeout covers all
    /// endpoints together.
    /// </param>
    internal async Task<TAnswer> CallAsync<TRequest, TAnswer>(
        TRequest request,
        Func<IConnection, TRequest, CallOptions, Task<TAnswer>> send,
        bool repeatable,
        CancellationToken cancel,
        TimeSpan? attempt = null)
        where TRequest : IMessage
    {
        var within = attempt ?? _options.CallTimeout;
        var inAll = attempt * _options.Endpoints.Count ?? _options.CallTimeout;
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        deadline.CancelAfter(inAll);
        var begun = Time.GetTimestamp();
        for (int tries = 1, tokens = 0; ; tries++)
        {
            var (endpoint, token) = (_failover.Current, _token.Current);
            using var limit = attempt is null ? null : CancellationTokenSource.CreateLinkedTokenSource(deadline.Token);
            limit?.CancelAfter(within);
            try
            {
                var answer = await send(_endpoints[endpoint], request, _endpoints.Options(token, (limit ?? deadline).Token));
                _failover.NoteSuccess(endpoint, request);
                EtcdMeter.Calls.Record(Time.GetElapsedTime(begun).TotalSeconds);
                return answer;
            }
            catch (Exception failure) when (EtcdException.TryTranslate(failure, endpoint, within, cancel) is { } translated)
            {
                _failover.NoteFailure(endpoint, translated, cancel);
                if (_token.IsAskedFor(translated, token) && tokens++ < TokensInCall)
                {
                    deadline.CancelAfter(Timeout.InfiniteTimeSpan);
                    await _token.RenewAsync(token, cancel);
                    deadline.CancelAfter(inAll);
                    continue; // etcd did not carry it out.
                }

                var notSent = failure is RpcException
                {
                    Status.DebugException: HttpRequestException
                    {
                        HttpRequestError: HttpRequestError.ConnectionError or HttpRequestError.NameResolutionError,
                    },
                };
                if (translated.Error != EtcdError.Unavailable
                    || !(repeatable || notSent)
                    || tries - tokens >= _options.Endpoints.Count
                    || deadline.IsCancellationRequested)
                {
                    EtcdMeter.Calls.Record(Time.GetElapsedTime(begun).TotalSeconds);
                    throw translated;
                }
            }
        }
    }
}
