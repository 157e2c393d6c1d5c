using Dts.Common.Etcd;
using Dts.Master.Views;
using Dts.Tests.Support;
using Xunit;

namespace Dts.Tests.Unit.Master.Views;

public sealed class ClusterViewTests
{
    private readonly ClusterView _view = new(new SomeCluster().State);
    private TimeSpan _cutOff;

    public ClusterViewTests()
    {
        _view.Follow(() => TimeSpan.Zero);
        _view.Follow(() => _cutOff);
        for (var table = 0; table < ClusterView.Tables; table++)
        {
            _view.NoteListed();
        }
    }

    [Fact]
    public void A_view_that_does_not_follow_etcd_answers_for_a_minute_and_again_when_it_does()
    {
        _cutOff = TimeSpan.FromSeconds(59);
        Assert.Empty(_view.Ask(WorkerRow.List));

        _cutOff = TimeSpan.FromSeconds(73);
        var refused = Assert.Throws<EtcdException>(() => _view.Ask(WorkerRow.List));
        Assert.Equal(EtcdError.Unavailable, refused.Error);
        Assert.Equal(
            "this master has not been able to follow etcd for 73 s; lists are answered when it can again", refused.Message);

        _cutOff = TimeSpan.Zero;
        Assert.Empty(_view.Ask(WorkerRow.List));
    }

    [Fact]
    public void The_present_moment_says_up_to_when_etcd_has_been_followed()
    {
        _cutOff = TimeSpan.FromSeconds(10);

        var now = _view.Ask(state => NowPage.Of(state, Some.Now, _view.CutOff));

        Assert.Equal((Some.Now.UtcDateTime, Some.Now.AddSeconds(-10).UtcDateTime), (now.At, now.AsOf));
    }
}
