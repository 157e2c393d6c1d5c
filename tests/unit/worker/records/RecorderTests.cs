using System.Threading.Channels;
using Dts.Common.Etcd;
using Dts.Common.Jobs;
using Dts.Tests.Support;
using Dts.Worker.Records;
using Dts.Worker.Runs;
using Xunit;

namespace Dts.Tests.Unit.Worker.Records;

public sealed class RecorderTests : IDisposable
{
    private const int QuotaBytes = 16; // So each batch has a segment of its own.

    private readonly ScratchFolder _scratch = new();
    private readonly RecordedLog _log = new();
    private readonly ManualTime _time = new();
    private readonly EndingChannel _endings = new(1024);
    private readonly Channel<Ending> _completed = Channel.CreateBounded<Ending>(1024);
    private readonly Spool _spool;

    public RecorderTests() => _spool = Spool.Open(_scratch.File("spool"), QuotaBytes, _log);

    public void Dispose()
    {
        _spool.Dispose();
        _scratch.Dispose();
    }

    [Fact]
    public async Task An_ending_that_waits_for_the_disk_is_not_recorded_again_without_its_output()
    {
        _spool.Append([Some.Record(0)]);
        _spool.Acknowledge(_spool.Read(100));
        var inTheWay = Directory.CreateDirectory(_scratch.File("spool/000000000002.spool"));
        var own = Some.Record(1, output: "its output");
        var run = new Run(JobName.Parse("hello"), Some.Job(), 1, RunSpec.Scheduled(Some.Now.AddMinutes(1)), Some.Now, 1, new LeaseId(1));
        var owedKey = Some.Keys.Owed(run.Name, run.Id);
        var recording = RunAsync();
        await _endings.Writer.WriteAsync(new Ending(own, run));
        Assert.Equal((run, owedKey), await NextCompletedAsync());

        await _endings.Writer.WriteAsync(new Ending(own with { Output = "" }, null, owedKey)); // From the reaper, which found the key.
        await RetrySoon();
        await Patience.Until(() => _endings.Reader.Count == 0 && _time.TimersSet == 1, State); // The recorder tried in vain.
        inTheWay.Delete();
        await RetrySoon();

        Assert.Equal((null, owedKey), await NextCompletedAsync());
        _endings.Writer.Complete();
        await recording.WaitAsync(Patience.Limit);
        Assert.Equal([own], _spool.Read(100).Records);
        Assert.Equal(0, _completed.Reader.Count);
    }

    private Task RunAsync() => Task.Run(
        new Recorder(
            Some.Keys, _endings.Reader, _spool, Channel.CreateBounded<bool>(1).Writer, _completed.Writer, _time, _log).RunAsync);

    private async Task<(Run?, string?)> NextCompletedAsync()
    {
        var ending = await _completed.Reader.ReadAsync().AsTask().Soon(State);
        return (ending.Run, ending.OwedKey);
    }

    private async Task RetrySoon()
    {
        await Patience.Until(() => _time.TimersSet == 1, State);
        _time.Advance(TimeSpan.FromSeconds(1));
    }

    private string State() => $"{_endings.Reader.Count} endings and {_completed.Reader.Count} completions wait, {_time.TimersSet} timers";
}
