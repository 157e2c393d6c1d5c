using Etcdserverpb;

namespace Dts.Common.Etcd;

/// <summary>The token that etcd issues for user and password.</summary>
/// <remarks>
/// Thread-safe. The password is sent only after etcd has refused a call because it had no valid token; one attempt serves all callers that
/// wait for a token.
/// </remarks>
internal sealed class EtcdToken(EtcdOptions options, EtcdEndpoints endpoints, EtcdFailover failover)
{
    private static readonly TimeSpan FirstRound = TimeSpan.FromSeconds(1); // An etcd without a leader never answers.

    private readonly Lock _gate = new();
    private volatile string? _current;
    private Task? _renewal;

    /// <summary>Null until etcd has asked for one.</summary>
    public string? Current => _current;

    /// <summary>Whether a call failed because its token is missing, has expired or was revoked.</summary>
    public bool IsAskedFor(EtcdException failure, string? token) => options.User is not null && failure.Error switch
    {
        EtcdError.Unauthenticated => true,
        EtcdError.PermissionDenied => token is null,
        EtcdError.Refused => failure.Message.Contains("user name is empty", StringComparison.Ordinal),
        _ => false,
    };

    /// <summary>Replaces a refused token.</summary>
    public Task RenewAsync(string? refused, CancellationToken cancel)
    {
        lock (_gate)
        {
            if (_current != refused)
            {
                return Task.CompletedTask; // Another caller has renewed it.
            }

            if (_renewal is not { IsCompleted: false })
            {
                _renewal = Task.Run(AuthenticateAsync, CancellationToken.None);
            }

            return _renewal.WaitAsync(cancel);
        }
    }

    /// <summary>Asks the endpoints in turn, with more time in each round, until the call timeout ends.</summary>
    private async Task AuthenticateAsync()
    {
        using var deadline = new CancellationTokenSource(options.CallTimeout);
        var request = new AuthenticateRequest { Name = options.User, Password = options.Password };
        for (var tries = 1; ; tries++)
        {
            var endpoint = failover.Current;
            var within = FirstRound * (1 << Math.Min((tries - 1) / options.Endpoints.Count, 8));
            using var limit = CancellationTokenSource.CreateLinkedTokenSource(deadline.Token);
            limit.CancelAfter(within);
            try
            {
                var call = endpoints.Options(token: null, limit.Token);
                var answer = await endpoints[endpoint].AuthClient.AuthenticateAsync(request, call);
                _current = answer.Token;
                failover.NoteSuccess(endpoint, request);
                return;
            }
            catch (Exception failure)
                when (EtcdException.TryTranslate(failure, endpoint, within, CancellationToken.None) is { } translated)
            {
                failover.NoteFailure(endpoint, translated, CancellationToken.None);
                var isWorthAnother = limit.IsCancellationRequested || tries < options.Endpoints.Count;
                if (translated.Error != EtcdError.Unavailable || !isWorthAnother || deadline.IsCancellationRequested)
                {
                    throw translated;
                }
            }
        }
    }
}
