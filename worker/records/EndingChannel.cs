using System.Diagnostics.CodeAnalysis;
using System.Threading.Channels;
using Dts.Common.Logs;
using Dts.Worker.Runs;

namespace Dts.Worker.Records;

/// <summary>
/// A channel of endings, bounded by their number and by the size of their texts. While it is full, ended runs keep their slots.
/// </summary>
internal sealed class EndingChannel : Channel<Ending>
{
    /// <summary>The most characters of output and processes in the channel, not counting its last ending.</summary>
    public const long OutputMax = 16 << 20;

    private readonly Channel<Ending> _endings;
    private TaskCompletionSource _eased = NewSignal();
    private long _output;

    public EndingChannel(int capacity)
    {
        _endings = Channel.CreateBounded<Ending>(capacity);
        (Reader, Writer) = (new ReadingEnd(this), new WritingEnd(this));
    }

    private static TaskCompletionSource NewSignal() => new(TaskCreationOptions.RunContinuationsAsynchronously);

    private void Ease() => Interlocked.Exchange(ref _eased, NewSignal()).SetResult();

    private sealed class WritingEnd(EndingChannel channel) : ChannelWriter<Ending>
    {
        public override bool TryWrite(Ending item)
        {
            var length = item.TextLength;
            if ((length == 0 || Interlocked.Add(ref channel._output, length) - length < OutputMax)
                && channel._endings.Writer.TryWrite(item))
            {
                return true;
            }

            if (length > 0)
            {
                Interlocked.Add(ref channel._output, -length);
                channel.Ease(); // Other writers may have found the channel full because of this output.
            }

            return false;
        }

        public override async ValueTask<bool> WaitToWriteAsync(CancellationToken cancellationToken = default)
        {
            while (true)
            {
                var eased = Volatile.Read(ref channel._eased).Task; // Taken before the check, so that no signal is missed.
                if (Interlocked.Read(ref channel._output) < OutputMax)
                {
                    return await channel._endings.Writer.WaitToWriteAsync(cancellationToken);
                }

                await eased.WaitAsync(cancellationToken);
            }
        }

        public override bool TryComplete(Exception? error = null) => channel._endings.Writer.TryComplete(error);
    }

    private sealed class ReadingEnd(EndingChannel channel) : ChannelReader<Ending>
    {
        public override Task Completion => channel._endings.Reader.Completion;

        public override bool CanCount => true;

        public override int Count => channel._endings.Reader.Count;

        public override bool TryRead([MaybeNullWhen(false)] out Ending item)
        {
            if (!channel._endings.Reader.TryRead(out item))
            {
                return false;
            }

            if (item.TextLength > 0)
            {
                Interlocked.Add(ref channel._output, -item.TextLength);
                channel.Ease();
            }

            return true;
        }

        public override ValueTask<bool> WaitToReadAsync(CancellationToken cancellationToken = default) =>
            channel._endings.Reader.WaitToReadAsync(cancellationToken);
    }
}

/// <summary>An ending on its way to the spool and to its completion in etcd.</summary>
/// <param name="Run">The run that it completes; null = the ending was owed.</param>
/// <param name="OwedKey">
/// The <c>owed/</c> key of this ending. Without a run, the key is deleted once the record is durable. With one, the record is not durable
/// yet, and the completion puts the key.
/// </param>
internal sealed record Ending(RunRecord Record, Run? Run, string? OwedKey = null)
{
    /// <summary>The characters of its output and of its processes' texts.</summary>
    public int TextLength =>
        Record.Output.Length + (Record.Processes?.Sum(process => process.Command.Length + process.WaitsIn.Length) ?? 0);
}
