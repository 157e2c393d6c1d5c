using System.Net.Sockets;
using Dts.Tests.Support;
using Dts.Worker.Commands;
using Xunit;

namespace Dts.Tests.Unit.Worker.Commands;

public sealed class HolderLineTests : IDisposable
{
    private readonly ScratchFolder _scratch = new();
    private readonly HolderLine _sender;
    private readonly HolderLine _receiver;

    public HolderLineTests()
    {
        var address = new UnixDomainSocketEndPoint(_scratch.File("line"));
        using var listener = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        listener.Bind(address);
        listener.Listen();
        var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        socket.Connect(address);
        (_sender, _receiver) = (new HolderLine(socket), new HolderLine(listener.Accept()));
    }

    public void Dispose()
    {
        _sender.Dispose();
        _receiver.Dispose();
        _scratch.Dispose();
    }

    [Fact]
    public async Task Messages_sent_together_arrive_one_by_one_in_their_order()
    {
        _sender.Send([new HolderMessage.Drop("a"), new HolderMessage.Forget("b")]);
        _sender.Send(new HolderMessage.Drop("c"));

        Assert.Equal(new HolderMessage.Drop("a"), await _receiver.ReceiveAsync().Soon());
        Assert.Equal(new HolderMessage.Forget("b"), await _receiver.ReceiveAsync().Soon());
        Assert.Equal(new HolderMessage.Drop("c"), await _receiver.ReceiveAsync().Soon());
    }
}
