using System.Runtime.CompilerServices;
using Dts.Common.Hosting;
using Etcdserverpb;
using Google.Protobuf;
using Grpc.Core;
using Microsoft.Extensions.Logging;
using Mvccpb;
using dotnet_etcd.interfaces;

namespace Dts.Common.Etcd;

/// <summary>etcd's v3 API over several endpoints. Safe for concurrent use.</summary>
/// <remarks>
/// Every call has a deadline and moves on to the next endpoint when one fails. Reads are repeated there by themselves; a write is
/// repeated only if it was certainly not sent, because only its caller knows whether carrying it out twice is harmless.
/// The client logs once, for all its callers, that etcd is lost, back, or out of space. It sends the password only when etcd asks for
/// a token, in one call for all callers that wait for the token.
/// </remarks>
public sealed class EtcdClient(EtcdOptions options, TimeProvider time, ILogger log) : IDisposable
{
    private const int TokensInCall = 2; // The first may expire, or predate the latest change of rights, before the call uses it.

    private static readonly TimeSpan AuthenticateWithin = TimeSpan.FromSeconds(1); // At first; an etcd without a leader never answers.

    private readonly EtcdEndpoints _endpoints = new(options);
    private readonly Lock _gate = new();
    private int _endpoint;
    private int _failures; // In a row, over all endpoints.
    private long _firstFailureAt;
    private bool _isFull;
    private volatile string? _token; // Null until etcd has asked for one.
    private Task? _authenticating;

    public TimeSpan CallTimeout => options.CallTimeout;

    public TimeProvider Time => time;

    public ILogger Logger => log;

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

    /// <summary>What the member itself says of how it stands.</summary>
    public Task<StatusResponse> StatusAsync(CancellationToken cancel = default) =>
        CallAsync(
            new StatusRequest(),
            static (etcd, status, call) => etcd.MaintenanceClient.StatusAsync(status, call).ResponseAsync,
            repeatable: true,
            cancel);

    /// <summary>The raw watch; <see cref="Watch"/> is the one that survives.</summary>
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
            var token = _token;
            var asksForToken = false;
            await foreach (var answer in StreamAsync(create, token, cancel))
            {
                // etcd reports only that it refuses the watch, not that the token is missing or has expired.
                asksForToken = answer is { Canceled: true, CompactRevision: 0 } && options.User is not null && !isRefused;
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

            await AuthenticateAsync(token, cancel);
        }
    }

    private async IAsyncEnumerable<WatchResponse> StreamAsync(
        WatchCreateRequest create, string? token, [EnumeratorCancellation] CancellationToken cancel)
    {
        var endpoint = CurrentEndpoint();
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        limit.CancelAfter(options.CallTimeout);
        using var stream = _endpoints[endpoint].WatchClient.Watch(_endpoints.Options(token, limit.Token));
        await stream.RequestStream.WriteAsync(new WatchRequest { CreateRequest = create }, cancel)
            .ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing); // A failure is told where the answer is read.
        while (true)
        {
            try
            {
                if (!await stream.ResponseStream.MoveNext(CancellationToken.None))
                {
                    yield break;
                }

                limit.CancelAfter(Timeout.InfiniteTimeSpan); // etcd confirms a watch at once; what comes then may take any time.
            }
            catch (Exception failure) when (AsEtcdException(failure, endpoint, options.CallTimeout, cancel) is { } translated)
            {
                NoteFailure(endpoint, translated, cancel);
                if (AsksForToken(translated, token))
                {
                    await AuthenticateAsync(token, cancel);
                }

                throw translated;
            }

            yield return stream.ResponseStream.Current;
        }
    }

    private static Task<TxnResponse> TxnOnceAsync(IConnection etcd, TxnRequest txn, CallOptions call) =>
        etcd.KVClient.TxnAsync(txn, call).ResponseAsync;

    /// <summary>Makes a call; the members above make those that master and worker need.</summary>
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
        var within = attempt ?? options.CallTimeout;
        var inAll = attempt * options.Endpoints.Count ?? options.CallTimeout;
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        deadline.CancelAfter(inAll);
        var begun = time.GetTimestamp();
        for (int tries = 1, tokens = 0; ; tries++)
        {
            var (endpoint, token) = (CurrentEndpoint(), _token);
            using var limit = attempt is null ? null : CancellationTokenSource.CreateLinkedTokenSource(deadline.Token);
            limit?.CancelAfter(within);
            try
            {
                var answer = await send(_endpoints[endpoint], request, _endpoints.Options(token, (limit ?? deadline).Token));
                NoteSuccess(endpoint, request);
                EtcdMeter.Calls.Record(time.GetElapsedTime(begun).TotalSeconds);
                return answer;
            }
            catch (Exception failure) when (AsEtcdException(failure, endpoint, within, cancel) is { } translated)
            {
                NoteFailure(endpoint, translated, cancel);
                if (AsksForToken(translated, token) && tokens++ < TokensInCall)
                {
                    deadline.CancelAfter(Timeout.InfiniteTimeSpan);
                    await AuthenticateAsync(token, cancel);
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
                    || tries - tokens >= options.Endpoints.Count
                    || deadline.IsCancellationRequested)
                {
                    EtcdMeter.Calls.Record(time.GetElapsedTime(begun).TotalSeconds);
                    throw translated;
                }
            }
        }
    }

    /// <summary>What a failure of the transport means; null when the caller itself cancelled or it is not etcd's.</summary>
    private static EtcdException? AsEtcdException(
        Exception failure, Uri endpoint, TimeSpan within, CancellationToken cancel) => failure switch
    {
        EtcdException etcd => etcd,
        OperationCanceledException when cancel.IsCancellationRequested => null,
        OperationCanceledException =>
            new EtcdException(EtcdError.Unavailable, $"no answer from {endpoint} in {within.TotalSeconds:0.#} s", failure),
        RpcException { Status.DebugException: { } cause } =>
            new EtcdException(EtcdError.Unavailable, (cause.InnerException ?? cause).Message, failure),
        RpcException { Status: var status } => EtcdException.From((int)status.StatusCode, status.Detail),
        _ => null,
    };

    private Uri CurrentEndpoint() => options.Endpoints[Volatile.Read(ref _endpoint) % options.Endpoints.Count];

    private bool AsksForToken(EtcdException failure, string? token) => options.User is not null && failure.Error switch
    {
        EtcdError.Unauthenticated => true,
        EtcdError.PermissionDenied => token is null,
        EtcdError.Refused => failure.Message.Contains("user name is empty", StringComparison.Ordinal),
        _ => false,
    };

    /// <summary>Replaces a refused token, with one attempt for all callers that wait for the new one.</summary>
    private Task AuthenticateAsync(string? refused, CancellationToken cancel)
    {
        lock (_gate)
        {
            if (_token != refused)
            {
                return Task.CompletedTask; // Another caller has got a newer one.
            }

            if (_authenticating is not { IsCompleted: false })
            {
                _authenticating = Task.Run(AskForTokenAsync, CancellationToken.None);
            }

            return _authenticating.WaitAsync(cancel);
        }
    }

    /// <summary>Asks the endpoints in turn, with more time in each round, until the call timeout ends.</summary>
    private async Task AskForTokenAsync()
    {
        using var deadline = new CancellationTokenSource(options.CallTimeout);
        var request = new AuthenticateRequest { Name = options.User, Password = options.Password };
        for (var tries = 1; ; tries++)
        {
            var endpoint = CurrentEndpoint();
            var within = AuthenticateWithin * (1 << Math.Min((tries - 1) / options.Endpoints.Count, 8));
            using var limit = CancellationTokenSource.CreateLinkedTokenSource(deadline.Token);
            limit.CancelAfter(within);
            try
            {
                var call = _endpoints.Options(token: null, limit.Token);
                var answer = await _endpoints[endpoint].AuthClient.AuthenticateAsync(request, call);
                _token = answer.Token;
                NoteSuccess(endpoint, request);
                return;
            }
            catch (Exception failure) when (AsEtcdException(failure, endpoint, within, CancellationToken.None) is { } translated)
            {
                NoteFailure(endpoint, translated, CancellationToken.None);
                var isWorthAnother = limit.IsCancellationRequested || tries < options.Endpoints.Count;
                if (translated.Error != EtcdError.Unavailable || !isWorthAnother || deadline.IsCancellationRequested)
                {
                    throw translated;
                }
            }
        }
    }

    private void NoteFailure(Uri endpoint, EtcdException failure, CancellationToken cancel)
    {
        if (failure.IsOutOfSpace && !Interlocked.Exchange(ref _isFull, true))
        {
            log.EtcdFull(failure.Message);
        }

        if (failure.Error != EtcdError.Unavailable || cancel.IsCancellationRequested)
        {
            return;
        }

        lock (_gate)
        {
            if (CurrentEndpoint() != endpoint)
            {
                return; // Others of its calls failed before this one; the change has been made.
            }

            if (_failures++ == 0)
            {
                _firstFailureAt = time.GetTimestamp();
            }

            _endpoint = (_endpoint + 1) % options.Endpoints.Count;
            if (_failures < options.Endpoints.Count)
            {
                log.EtcdFailover(endpoint, failure.Message, CurrentEndpoint());
            }
            else if (_failures == options.Endpoints.Count)
            {
                log.EtcdLost(failure.Message);
            }
        }
    }

    private void NoteSuccess(Uri endpoint, IMessage request)
    {
        if (Volatile.Read(ref _isFull) && TakesSpace(request) && Interlocked.Exchange(ref _isFull, false))
        {
            log.EtcdTakesWrites();
        }

        if (Volatile.Read(ref _failures) == 0)
        {
            return;
        }

        lock (_gate)
        {
            if (_failures >= options.Endpoints.Count)
            {
                log.EtcdBack(endpoint, time.GetElapsedTime(_firstFailureAt).TotalSeconds);
            }

            _failures = 0;
        }
    }

    /// <summary>Whether etcd refuses a request when it is out of space. etcd does not look into nested transactions.</summary>
    private static bool TakesSpace(IMessage request) => request switch
    {
        PutRequest or LeaseGrantRequest => true,
        TxnRequest txn => txn.Success.Concat(txn.Failure).Any(operation => operation.RequestPut is not null),
        _ => false,
    };
}
