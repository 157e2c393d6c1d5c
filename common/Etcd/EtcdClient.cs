using System.Runtime.CompilerServices;
using Dts.Common.Etcd.Wire;
using Google.Protobuf;
using Microsoft.Extensions.Logging;

namespace Dts.Common.Etcd;

/// <summary>etcd's v3 API over several endpoints. Safe for concurrent use.</summary>
/// <remarks>
/// Every call has a deadline and moves on to the next endpoint when one fails. Reads are repeated there by themselves; a write is
/// repeated only if it was certainly not sent, because only its caller knows whether carrying it out twice is harmless.
/// That etcd went away and came back is logged here, once each, for all who use it.
/// </remarks>
public sealed class EtcdClient(EtcdOptions options, TimeProvider time, ILogger log) : IDisposable
{
    private readonly GrpcTransport _transport = new(options);
    private readonly Lock _gate = new();
    private int _endpoint;
    private int _failures; // In a row, over all endpoints.
    private long _firstFailureAt;
    private volatile string? _token;

    public TimeSpan CallTimeout => options.CallTimeout;

    internal TimeProvider Time => time;

    internal ILogger Logger => log;

    public void Dispose() => _transport.Dispose();

    public async Task<KeyValue?> FindAsync(string key, long revision = 0, CancellationToken cancel = default)
    {
        var answer = await RangeAsync(new RangeRequest { Key = Txn.Bytes(key), Revision = revision }, cancel);
        return answer.Kvs.Count > 0 ? answer.Kvs[0] : null;
    }

    public async Task<IReadOnlyList<KeyValue>> ListAsync(string prefix, CancellationToken cancel = default) =>
        (await RangeAsync(new RangeRequest { Key = Txn.Bytes(prefix), RangeEnd = Txn.EndOf(prefix) }, cancel)).Kvs;

    public Task<RangeResponse> RangeAsync(RangeRequest request, CancellationToken cancel = default) =>
        CallAsync("/etcdserverpb.KV/Range", request, RangeResponse.Parser, repeatable: true, cancel);

    public Task<PutResponse> PutAsync(string key, string value, LeaseId lease = default, CancellationToken cancel = default) =>
        CallAsync("/etcdserverpb.KV/Put", Txn.Put(key, value, lease).RequestPut, PutResponse.Parser, repeatable: false, cancel);

    public Task<DeleteRangeResponse> DeleteAsync(string key, CancellationToken cancel = default) =>
        CallAsync(
            "/etcdserverpb.KV/DeleteRange",
            new DeleteRangeRequest { Key = Txn.Bytes(key), PrevKv = true },
            DeleteRangeResponse.Parser,
            repeatable: false,
            cancel);

    /// <param name="repeatable">Carrying it out twice is harmless: it may be sent again to another endpoint.</param>
    public Task<TxnResponse> TxnAsync(TxnRequest txn, bool repeatable = false, CancellationToken cancel = default) =>
        CallAsync("/etcdserverpb.KV/Txn", txn, TxnResponse.Parser, repeatable, cancel);

    public async Task<LeaseId> GrantAsync(TimeSpan ttl, CancellationToken cancel = default)
    {
        var request = new LeaseGrantRequest { TTL = (long)Math.Ceiling(ttl.TotalSeconds) };
        var answer = await CallAsync("/etcdserverpb.Lease/LeaseGrant", request, LeaseGrantResponse.Parser, repeatable: true, cancel);
        return new LeaseId(answer.ID);
    }

    /// <summary>Prolongs a lease. Returns false when it is gone.</summary>
    public async Task<bool> KeepAliveAsync(LeaseId lease, CancellationToken cancel = default)
    {
        // LeaseKeepAlive is a stream in etcd's API; a stream of one message is a call.
        var request = new LeaseKeepAliveRequest { ID = lease.Value };
        var answer = await CallAsync("/etcdserverpb.Lease/LeaseKeepAlive", request, LeaseKeepAliveResponse.Parser, repeatable: true, cancel);
        return answer.TTL > 0;
    }

    public Task RevokeAsync(LeaseId lease, CancellationToken cancel = default) =>
        CallAsync("/etcdserverpb.Lease/LeaseRevoke", new LeaseRevokeRequest { ID = lease.Value }, LeaseRevokeResponse.Parser, repeatable: true, cancel);

    /// <summary>What the member itself says of how it stands.</summary>
    public Task<StatusResponse> StatusAsync(CancellationToken cancel = default) =>
        CallAsync("/etcdserverpb.Maintenance/Status", new StatusRequest(), StatusResponse.Parser, repeatable: true, cancel);

    /// <summary>The raw watch; <see cref="Watch"/> is the one that survives.</summary>
    internal async IAsyncEnumerable<WatchResponse> WatchOnceAsync(
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
        var endpoint = CurrentEndpoint();
        string? token;
        try
        {
            token = await TokenAsync(endpoint, cancel);
        }
        catch (Exception failure) when (AsEtcdException(failure, cancel) is { } translated)
        {
            NoteFailure(endpoint, translated, cancel);
            throw translated;
        }

        var stream = _transport.StreamAsync(
            endpoint, "/etcdserverpb.Watch/Watch", new WatchRequest { CreateRequest = create }, WatchResponse.Parser, token, options.CallTimeout, cancel);
        await using var answers = stream.GetAsyncEnumerator(cancel);
        while (true)
        {
            try
            {
                if (!await answers.MoveNextAsync())
                {
                    yield break;
                }
            }
            catch (Exception failure) when (AsEtcdException(failure, cancel) is { } translated)
            {
                NoteFailure(endpoint, translated, cancel);
                throw translated;
            }

            yield return answers.Current;
        }
    }

    private async Task<TAnswer> CallAsync<TAnswer>(
        string method, IMessage request, MessageParser<TAnswer> parser, bool repeatable, CancellationToken cancel)
        where TAnswer : IMessage<TAnswer>
    {
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        deadline.CancelAfter(options.CallTimeout);
        for (var attempt = 1; ; attempt++)
        {
            var endpoint = CurrentEndpoint();
            try
            {
                var token = await TokenAsync(endpoint, deadline.Token);
                var answer = await _transport.CallAsync(endpoint, method, request, parser, token, deadline.Token);
                NoteSuccess(endpoint);
                return answer;
            }
            catch (Exception failure) when (AsEtcdException(failure, cancel) is { } translated)
            {
                var notSent = failure is HttpRequestException { HttpRequestError: HttpRequestError.ConnectionError or HttpRequestError.NameResolutionError };
                var again = translated.Error switch
                {
                    EtcdError.Unavailable => (repeatable || notSent) && attempt < options.Endpoints.Count && !deadline.IsCancellationRequested,
                    EtcdError.Unauthenticated => options.User is not null && attempt == 1,
                    _ => false,
                };
                NoteFailure(endpoint, translated, cancel);
                if (!again)
                {
                    throw translated;
                }
            }
        }
    }

    /// <summary>What a failure of the transport means; null when the caller itself cancelled or it is not etcd's.</summary>
    private EtcdException? AsEtcdException(Exception failure, CancellationToken cancel) => failure switch
    {
        EtcdException etcd => etcd,
        OperationCanceledException when cancel.IsCancellationRequested => null,
        OperationCanceledException =>
            new EtcdException(EtcdError.Unavailable, $"no answer from {CurrentEndpoint()} in {options.CallTimeout.TotalSeconds:0.#} s", failure),
        HttpRequestException or HttpIOException or IOException =>
            new EtcdException(EtcdError.Unavailable, (failure.InnerException ?? failure).Message, failure),
        _ => null,
    };

    private Uri CurrentEndpoint() => options.Endpoints[Volatile.Read(ref _endpoint) % options.Endpoints.Count];

    /// <summary>The next call authenticates anew: a watch says only that it is refused, not that its token has expired.</summary>
    internal void ForgetToken() => _token = null;

    private void NoteFailure(Uri endpoint, EtcdException failure, CancellationToken cancel)
    {
        if (failure.Error == EtcdError.Unauthenticated)
        {
            _token = null;
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

            _token = null;
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

    private void NoteSuccess(Uri endpoint)
    {
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

    private async ValueTask<string?> TokenAsync(Uri endpoint, CancellationToken cancel)
    {
        if (options.User is null || _token is { } token)
        {
            return _token;
        }

        var request = new AuthenticateRequest { Name = options.User, Password = options.Password };
        var answer = await _transport.CallAsync(endpoint, "/etcdserverpb.Auth/Authenticate", request, AuthenticateResponse.Parser, token: null, cancel);
        return _token = answer.Token;
    }
}
