using Dts.Worker.Commands;
using Xunit;

namespace Dts.Tests.Unit.Worker.Commands;

public sealed class StartGateTests : IDisposable
{
    private readonly StartGate _gate = StartGate.Make();

    [Fact]
    public void A_request_that_the_holder_has_begun_cannot_be_given_up()
    {
        Assert.True(_gate.TryBegin(1));
        Assert.False(_gate.TryGiveUp(1));
        Assert.True(_gate.TryGiveUp(2));
    }

    [Fact]
    public void A_request_given_up_is_not_begun_and_the_next_one_is()
    {
        Assert.True(_gate.TryGiveUp(7));
        Assert.False(_gate.TryBegin(7));
        Assert.True(_gate.TryBegin(8));
        Assert.True(_gate.TryBegin(7 + 1024));
    }

    [Fact]
    public async Task If_both_sides_try_at_once_one_wins()
    {
        for (var number = 1L; number <= 20_000; number++)
        {
            var n = number;
            var won = await Task.WhenAll(Task.Run(() => _gate.TryBegin(n)), Task.Run(() => _gate.TryGiveUp(n)));
            Assert.Single(won, true);
        }
    }

    public void Dispose() => _gate.Dispose();
}
