using System.Text;
using Dts.Master.Events;
using Dts.Master.Views;
using Dts.Tests.Support;
using Dts.Tests.Unit.Master.Views;
using Xunit;

namespace Dts.Tests.Unit.Master.Events;

public sealed class EventWriterTests
{
    [Fact]
    public void An_event_of_a_run_does_not_name_the_job_that_led_to_it()
    {
        var cluster = new SomeCluster();
        cluster.Put(Some.Job("report"));
        var run = cluster.Queue("report", cause: "a-foreign-job/20261122T100000Z");

        var told = EventWriter.Write(new ClusterChange.Queued("report", run.Id), cluster.State, cluster.Now)!;

        var data = Encoding.UTF8.GetString(told.Data);
        Assert.Contains(run.Id, data, StringComparison.Ordinal);
        Assert.DoesNotContain("a-foreign-job", data, StringComparison.Ordinal);
    }
}
