using Dts.Common.Etcd;
using Dts.Tests.Support;
using Etcdserverpb;
using Xunit;

namespace Dts.Tests.Unit.Etcd;

public sealed class EtcdFailoverTests
{
    private static readonly Uri A = new("http://10.0.0.1:2379");
    private static readonly Uri B = new("http://10.0.0.2:2379");
    private static readonly EtcdException Down = new(EtcdError.Unavailable, "connection refused");

    private readonly RecordedLog _log = new();
    private readonly EtcdFailover _failover;

    public EtcdFailoverTests() => _failover = new EtcdFailover([A, B], new ManualTime(), _log);

    [Fact]
    public void A_failure_of_the_endpoint_in_use_moves_all_calls_to_the_next()
    {
        Fail(A);

        Assert.Equal(B, _failover.Current);
        Assert.Contains($"etcd endpoint {A} failed", Assert.Single(_log.Lines));
    }

    [Fact]
    public void Calls_that_fail_late_at_a_former_endpoint_move_nothing()
    {
        Fail(A);
        Fail(A);

        Assert.Equal(B, _failover.Current);
        Assert.Single(_log.Lines);
    }

    [Fact]
    public void Etcd_is_lost_once_all_endpoints_have_failed_in_a_row_and_back_at_the_next_answer()
    {
        Fail(A);
        Fail(B);
        Fail(A);
        _failover.NoteSuccess(B, new RangeRequest());

        Assert.Collection(
            _log.Lines,
            line => Assert.Contains("etcd endpoint", line),
            line => Assert.Contains("etcd is unreachable (connection refused)", line),
            line => Assert.Contains($"etcd is back at {B}", line));
    }

    [Theory]
    [InlineData(EtcdError.PermissionDenied)]
    [InlineData(EtcdError.Compacted)]
    [InlineData(EtcdError.Refused)]
    public void A_refusal_is_an_answer_and_moves_nothing(EtcdError error)
    {
        _failover.NoteFailure(A, new EtcdException(error, "no"), CancellationToken.None);

        Assert.Equal(A, _failover.Current);
        Assert.Empty(_log.Lines);
    }

    [Fact]
    public void A_call_that_its_caller_cancelled_proves_nothing()
    {
        _failover.NoteFailure(A, Down, new CancellationToken(canceled: true));

        Assert.Equal(A, _failover.Current);
    }

    [Fact]
    public void Only_a_request_that_needs_space_shows_that_a_full_etcd_has_space_again()
    {
        _failover.NoteFailure(A, new EtcdException(EtcdError.Exhausted, "mvcc: database space exceeded"), CancellationToken.None);
        _failover.NoteSuccess(A, new RangeRequest());
        Assert.Single(_log.Lines);

        _failover.NoteSuccess(A, new PutRequest());

        Assert.EndsWith("etcd has space again and accepts writes", _log.Lines.Last());
    }

    private void Fail(Uri endpoint) => _failover.NoteFailure(endpoint, Down, CancellationToken.None);
}
