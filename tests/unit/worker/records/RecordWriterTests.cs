using Dts.Common.Etcd;
using Dts.Common.Jobs;
using Dts.Tests.Support;
using Dts.Worker.Commands;
using Dts.Worker.Commands.Holders;
using Dts.Worker.Records;
using Dts.Worker.Runs;
using Xunit;

namespace Dts.Tests.Unit.Worker.Records;

public sealed class RecordWriterTests
{
    [Fact]
    public void A_record_has_the_last_line_of_its_output_and_the_run_that_led_to_it()
    {
        var job = Some.Job();
        var spec = RunSpec.Scheduled(Some.Now) with { Trigger = RunSpec.Dependent, Origin = "after-1", Cause = "first/20261122T100000Z" };
        var run = new Run(JobName.Parse(job.Name), job, 1, spec, Some.Now, 1, new LeaseId(1));
        var ending = new CommandEnding(
            new CommandOutcome.Exited(0),
            0,
            null,
            Some.Now,
            Some.Now,
            CpuMs: 1,
            MaxRssKb: null,
            "one\ntwo\n",
            8,
            OutputTruncated: false,
            0,
            []);

        var record = new RecordWriter("w1", "host", TimeSpan.FromDays(1)).Ran(run, ending, null);

        Assert.Equal(("two", "first/20261122T100000Z"), (record.LastLine, record.Cause));
    }
}
