using Dts.Worker.Fires;
using Xunit;

namespace Dts.Tests.Unit.Worker.Fires;

public sealed class FireInboxTests
{
    private readonly FireInbox _inbox = new();

    [Fact]
    public void Many_wakes_before_the_loop_looks_are_one_event()
    {
        _inbox.Wake();
        _inbox.Post(new FireEvent.JobsListed());
        _inbox.Post(new FireEvent.Stopping());

        Assert.True(_inbox.Reader.TryRead(out var tick));
        Assert.IsType<FireEvent.Tick>(tick);
        Assert.False(_inbox.Reader.TryRead(out _));
        Assert.IsType<FireEvent.JobsListed>(TakePosted());
        Assert.IsType<FireEvent.Stopping>(TakePosted());
        Assert.Null(TakePosted());
    }

    [Fact]
    public void What_is_posted_after_the_loop_has_looked_wakes_it_again()
    {
        _inbox.Post(new FireEvent.JobsListed());
        Assert.True(_inbox.Reader.TryRead(out _));
        TakePosted();
        Assert.Null(TakePosted());

        _inbox.Post(new FireEvent.Stopping());

        Assert.True(_inbox.Reader.TryRead(out _));
        Assert.IsType<FireEvent.Stopping>(TakePosted());
    }

    private FireEvent? TakePosted() => _inbox.TryTakePosted(out var posted) ? posted : null;
}
