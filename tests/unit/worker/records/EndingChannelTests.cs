using System.Threading.Channels;
using Dts.Common.Jobs;
using Dts.Common.Logs;
using Dts.Tests.Support;
using Dts.Worker.Records;
using Xunit;

namespace Dts.Tests.Unit.Worker.Records;

public sealed class EndingChannelTests : IDisposable
{
    private const int Large = 8 << 20;

    private readonly ScratchFolder _scratch = new();

    public void Dispose() => _scratch.Dispose();

    [Fact]
    public async Task Endings_with_large_outputs_wait_for_room_and_endings_without_output_do_not()
    {
        var endings = new EndingChannel(1024);
        var output = new string('x', Large);
        var written = 0;
        while (endings.Writer.TryWrite(new Ending(Some.Record(written, output: output), null)))
        {
            written++;
        }

        Assert.Equal((int)(EndingChannel.OutputMax / Large), written);
        Assert.True(endings.Writer.TryWrite(new Ending(Some.Record(written, output: ""), null)));
        var waiting = endings.Writer.WriteAsync(new Ending(Some.Record(99, output: output), null)).AsTask();
        Assert.False(waiting.IsCompleted);

        Assert.True(endings.Reader.TryRead(out _));

        await waiting.WaitAsync(Patience.Limit);
        Assert.Equal(written + 1, endings.Reader.Count);
    }

    [Fact]
    public void The_texts_of_processes_take_room_too()
    {
        var process = new RunProcess(1, 1, "S", new string('x', 64 << 10), 0, 0, "");
        var endings = new EndingChannel(1024);
        var written = 0;
        while (endings.Writer.TryWrite(new Ending(Some.Record(written, output: "") with { Processes = [process] }, null)))
        {
            written++;
        }

        Assert.Equal(EndingChannel.OutputMax / process.Command.Length, written);
        while (endings.Reader.TryRead(out _))
        {
        }

        Assert.True(endings.Writer.TryWrite(new Ending(Some.Record(written, output: "x"), null)));
    }

    [Fact]
    public void A_shortened_record_has_no_processes()
    {
        var whole = Some.Record(0) with { Processes = [new RunProcess(1, 1, "S", "x", 0, 0, "")] };

        Assert.Equal(Some.Record(0), whole.Shortened());
        Assert.Same(Some.Record(0).Output, Some.Record(0).Shortened().Output);
        Assert.Null((whole with { Output = new string('x', 10_000) }).Shortened().Processes);
    }

    [Fact]
    public async Task Any_number_of_large_outputs_reaches_the_spool_whole_with_few_in_memory()
    {
        const int count = 100;
        using var spool = Spool.Open(_scratch.File("spool"), 4L << 30, new RecordedLog());
        var (endings, completed, appended) = (new EndingChannel(1024), Channel.CreateBounded<Ending>(1024), Channel.CreateBounded<bool>(1));
        var recording = Task.Run(
            new Recorder(
                new Keys("/cron/"),
                endings.Reader,
                spool,
                appended.Writer,
                completed.Writer,
                TimeProvider.System,
                new RecordedLog()).RunAsync);
        var (before, most) = (GC.GetTotalMemory(forceFullCollection: true), 0L);
        for (var n = 0; n < count; n++)
        {
            await endings.Writer.WriteAsync(new Ending(Some.Record(n, output: new string('x', Large)), null));
            if (n % 10 == 9) // Each look stops all other tests, too.
            {
                most = Math.Max(most, GC.GetTotalMemory(forceFullCollection: true));
            }
        }

        endings.Writer.Complete();
        await recording.WaitAsync(Patience.Limit);

        var records = 0;
        while (spool.Read(1000) is { Records.Count: > 0 } batch)
        {
            Assert.All(batch.Records, record => Assert.Equal(Large, record.Output.Length));
            records += batch.Records.Count;
            spool.Acknowledge(batch);
        }

        Assert.Equal(count, records);
        Assert.InRange(most - before, long.MinValue, 600L << 20); // All outputs have 1,600 MiB; other tests fill this memory, too.
        Assert.All(await completed.Reader.ReadAllAsync().ToListAsync(), ending => Assert.Empty(ending.Record.Output));
    }
}
