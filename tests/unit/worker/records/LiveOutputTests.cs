using System.Text;
using Dts.Common.Etcd;
using Dts.Common.Jobs;
using Dts.Tests.Support;
using Dts.Worker.Commands;
using Dts.Worker.Commands.Holders;
using Dts.Worker.Native;
using Dts.Worker.Records;
using Dts.Worker.Runs;
using Xunit;

namespace Dts.Tests.Unit.Worker.Records;

public sealed class LiveOutputTests : IDisposable
{
    private const int LimitBytes = 1 << 20;

    private readonly ScratchFolder _scratch = new();
    private readonly BrokenStore _store = new();
    private readonly ManualTime _time = new();
    private readonly Run _run = new(JobName.Parse("hello"), Some.Job(), 1, RunSpec.Scheduled(Some.Now), Some.Now, 1, new LeaseId(1));

    public void Dispose() => _scratch.Dispose();

    [Fact]
    public async Task A_process_continues_where_the_chunks_of_the_one_before_end()
    {
        var target = await ShipFirstLineAsync();
        using var file = Written(target, "one\ntwo\nthree\n"); // What was written after its last look is in the same piece as the rest.
        using var next = Outputs();
        next.GoOn(_run, target);
        await ShipAsync(next, "one\ntwo\nthree\n");
    }

    [Fact]
    public async Task The_rest_of_an_ended_run_s_output_is_shipped_and_its_file_removed()
    {
        var target = await ShipFirstLineAsync();
        using (Written(target, "one\nand the rest\n"))
        {
        }

        using var next = Outputs();
        next.TakeLeft();
        await ShipAsync(next, "one\nand the rest\n");
        Assert.False(File.Exists(target.Path));
    }

    [Fact]
    public async Task A_write_without_an_answer_leaves_no_hole()
    {
        using var outputs = Outputs();
        var target = outputs.Begin(_run);
        using var file = Written(target, "one\n");
        _store.LosesAnswers = true;
        using var stop = new CancellationTokenSource();
        var running = outputs.RunAsync(stop.Token);
        await TickUntil(() => _store.Refusals > 0);

        file.Append("two\n"u8);
        _store.LosesAnswers = false;

        await TickUntil(() => Stored() == "one\ntwo\n");
        await stop.CancelAsync();
        await running;
    }

    /// <summary>What a process before the tested one has done.</summary>
    private async Task<OutputTarget> ShipFirstLineAsync()
    {
        using var outputs = Outputs();
        var target = outputs.Begin(_run);
        using var file = Written(target, "one\n");
        await ShipAsync(outputs, "one\n");
        return target;
    }

    private LiveOutput Outputs() => new(_scratch.Path, _store, LimitBytes, TimeSpan.FromDays(30), _time, new RecordedLog());

    private static OutputFile Written(OutputTarget target, string text)
    {
        var file = new OutputFile(target, FileDescriptors.OpenForWriting(target.Path, make: true));
        file.Append(Encoding.UTF8.GetBytes(text));
        file.Show();
        return file;
    }

    /// <summary>Runs it until the store has that text.</summary>
    private async Task ShipAsync(LiveOutput outputs, string text)
    {
        using var stop = new CancellationTokenSource();
        var running = outputs.RunAsync(stop.Token);
        await TickUntil(() => Stored() == text);
        await stop.CancelAsync();
        await running;
    }

    private Task TickUntil(Func<bool> condition) => Patience.Until(
        () =>
        {
            _time.Advance(TimeSpan.FromSeconds(1));
            return condition();
        },
        () => $"stored: {Stored()}");

    private string Stored() => _store.OutputOf(_run.Key);
}
