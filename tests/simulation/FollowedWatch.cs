using System.Threading.Channels;
using Dts.Common.Etcd;
using Dts.Tests.Support;
using Etcdserverpb;
using Mvccpb;
using Xunit;

namespace Dts.Tests.Simulation;

/// <summary>A watch on a real etcd, with the one that a <see cref="SimEtcd"/> has for it.</summary>
internal sealed class FollowedWatch : IAsyncDisposable
{
    private readonly CancellationTokenSource _ended = new();
    private readonly Channel<WatchResponse> _answers = Channel.CreateUnbounded<WatchResponse>();
    private readonly Task _reading;
    private long _told;

    public FollowedWatch(EtcdClient real, SimWatch sim, string prefix, long from)
    {
        (Sim, Prefix, From) = (sim, prefix, from);
        _reading = FollowAsync(real);
    }

    public SimWatch Sim { get; }

    public string Prefix { get; }

    public long From { get; }

    public async ValueTask DisposeAsync()
    {
        await _ended.CancelAsync();
        await _reading;
        _ended.Dispose();
    }

    /// <summary>The real etcd's next answer.</summary>
    public Task<WatchResponse> ReadAsync() =>
        _answers.Reader.ReadAsync().AsTask().Soon(() => $"watch of {Prefix} from {From}: told until {_told}");

    /// <summary>The events up to a revision that has one. An answer has all events of a revision, unless it says otherwise.</summary>
    public async Task<List<Event>> ReadUntilAsync(long revision)
    {
        var events = new List<Event>();
        for (var isFragment = false; _told < revision || isFragment;)
        {
            var answer = await ReadAsync();
            Assert.True(answer is { Canceled: false, Events.Count: > 0 }, $"watch of {Prefix} from {From}: {answer}");
            Assert.True(isFragment || answer.Events[0].Kv.ModRevision > _told, $"watch of {Prefix}: revision {_told} came twice");
            events.AddRange(answer.Events);
            (isFragment, _told) = (answer.Fragment, answer.Events[^1].Kv.ModRevision);
        }

        return events;
    }

    private async Task FollowAsync(EtcdClient real)
    {
        try
        {
            await foreach (var answer in real.WatchOnceAsync(Prefix, From, _ended.Token))
            {
                await _answers.Writer.WriteAsync(answer);
            }

            _answers.Writer.Complete();
        }
        catch (Exception failure)
        {
            _answers.Writer.Complete(failure);
        }
    }
}
