using System.Net;
using System.Net.Sockets;

namespace Dts.Master.Access;

/// <summary>The addresses that one client usually owns: an IPv4 address, or the whole /64 of an IPv6 address.</summary>
internal static class ClientNetwork
{
    private const int Bytes = 8;

    public static IPAddress Of(IPAddress address) =>
        address.IsIPv4MappedToIPv6 ? address.MapToIPv4()
        : address.AddressFamily != AddressFamily.InterNetworkV6 ? address
        : new IPAddress([.. address.GetAddressBytes().Take(Bytes), .. new byte[Bytes]]);
}
