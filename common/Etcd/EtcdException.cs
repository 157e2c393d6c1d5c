using Grpc.Core;

namespace Dts.Common.Etcd;

/// <summary>Why a call to etcd failed.</summary>
public enum EtcdError
{
    /// <summary>
    /// No endpoint answered, there is no leader, or no answer came in time. The request may or may not have been carried out.
    /// </summary>
    Unavailable,

    /// <summary>etcd does not have the requested revision (compacted, or in the future): list again.</summary>
    Compacted,

    /// <summary>The lease has expired or was revoked.</summary>
    LeaseNotFound,

    /// <summary>User or password are wrong, or the token has expired.</summary>
    Unauthenticated,

    /// <summary>The user has no right to these keys.</summary>
    PermissionDenied,

    /// <summary>etcd's space quota is used up, or it asks for fewer requests.</summary>
    Exhausted,

    /// <summary>etcd refuses the request itself; repeating it cannot help.</summary>
    Refused,
}

/// <summary>A call to etcd failed.</summary>
public sealed class EtcdException(EtcdError error, string message, Exception? cause = null) : Exception(message, cause)
{
    public EtcdError Error { get; } = error;

    /// <summary>The alarm NOSPACE: etcd accepts no writes until the alarm is disarmed.</summary>
    public bool IsOutOfSpace => Error == EtcdError.Exhausted && Message.Contains("space exceeded", StringComparison.Ordinal);

    /// <summary>Translates an exception of the transport; null when the caller itself cancelled, or the exception is not etcd's.</summary>
    /// <param name="within">The time that the endpoint had to answer.</param>
    internal static EtcdException? TryTranslate(
        Exception failure, Uri endpoint, TimeSpan within, CancellationToken cancel) => failure switch
    {
        EtcdException etcd => etcd,
        OperationCanceledException when cancel.IsCancellationRequested => null,
        OperationCanceledException =>
            new EtcdException(EtcdError.Unavailable, $"no answer from {endpoint} in {within.TotalSeconds:0.#} s", failure),
        RpcException { Status.DebugException: { } cause } =>
            new EtcdException(EtcdError.Unavailable, Explain(cause, endpoint), failure),
        RpcException { Status: var status } => From((int)status.StatusCode, status.Detail),
        _ => null,
    };

    /// <summary>Says what happened to the connection. .NET's own words for it are about its HTTP/2 client.</summary>
    private static string Explain(Exception cause, Uri endpoint)
    {
        for (var inner = cause; inner is not null; inner = inner.InnerException)
        {
            if (inner.Message.Contains("ping request", StringComparison.Ordinal))
            {
                return $"no answer from {endpoint} in {(EtcdOptions.PingAfter + EtcdOptions.PingWithin).TotalSeconds:0.#} s";
            }

            if (inner is HttpIOException)
            {
                return $"{endpoint} closed the connection";
            }
        }

        return (cause.InnerException ?? cause).Message;
    }

    /// <summary>Reads a gRPC status (https://grpc.io/docs/guides/status-codes) with etcd's own texts (rpctypes/error.go).</summary>
    internal static EtcdException From(int grpcStatus, string message)
    {
        var error = grpcStatus switch
        {
            1 or 4 or 14 => EtcdError.Unavailable,
            5 when message.Contains("lease", StringComparison.Ordinal) => EtcdError.LeaseNotFound,
            7 => EtcdError.PermissionDenied,
            8 when message.Contains("larger than max", StringComparison.Ordinal) => EtcdError.Refused, // The request is too large.
            8 => EtcdError.Exhausted,
            11 => EtcdError.Compacted,
            16 => EtcdError.Unauthenticated,
            3 when message.Contains("auth store is old", StringComparison.Ordinal) => EtcdError.Unauthenticated,
            3 when message.Contains("authentication failed", StringComparison.Ordinal) => EtcdError.Unauthenticated,
            2 or 13 => EtcdError.Unavailable, // Errors without a code of their own, such as a proposal dropped by an election; they pass.
            _ => EtcdError.Refused,
        };
        return new EtcdException(error, message.Length > 0 ? message : $"gRPC status {grpcStatus}");
    }
}
