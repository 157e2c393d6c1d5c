using Dts.Tests.Support;

namespace Dts.Tests.Cluster.Chaos;

/// <summary>
/// Hosts on a network of the test's own: a network namespace each, joined by a bridge in another; each can be cut off as a pulled plug
/// does.
/// </summary>
/// <remarks>
/// Needs root and ip(8). The test's own end is <c>10.213.N.1</c>; nothing routes out of it. A test takes a number N by creating a namespace
/// named after it. The kernel creates a name only once, so tests that run side by side get different networks.
/// </remarks>
internal sealed class ChaosNetwork : IAsyncDisposable
{
    private const int Networks = 254;

    private readonly List<string> _hosts = [];

    private ChaosNetwork(int number) => Number = number;

    /// <summary>From 1; no other network of this machine has it.</summary>
    public int Number { get; }

    /// <summary>The test's own address on it.</summary>
    public string Here => $"10.213.{Number}.1";

    private string Name => $"dts{Number}";

    private string Hub => HubOf(Number);

    public static async Task<ChaosNetwork> CreateAsync()
    {
        var network = new ChaosNetwork(await TakeNumberAsync());
        await Ip("-n", network.Hub, "link", "add", "br0", "type", "bridge");
        await Ip("-n", network.Hub, "link", "set", "br0", "up");
        await Ip("link", "add", network.Name, "type", "veth", "peer", "name", "root", "netns", network.Hub);
        await Ip("-n", network.Hub, "link", "set", "root", "master", "br0", "up");
        await Ip("addr", "add", $"{network.Here}/24", "dev", network.Name);
        await Ip("link", "set", network.Name, "up");
        return network;
    }

    /// <summary>Makes a host and returns its address.</summary>
    public async Task<string> AddAsync(string host)
    {
        var space = SpaceOf(host);
        var address = $"10.213.{Number}.{10 + _hosts.Count}";
        _hosts.Add(host);
        await Ip("netns", "add", space);
        await Ip("-n", Hub, "link", "add", host, "type", "veth", "peer", "name", "eth0", "netns", space);
        await Ip("-n", Hub, "link", "set", host, "master", "br0", "up");
        await Ip("-n", space, "addr", "add", $"{address}/24", "dev", "eth0");
        await Ip("-n", space, "link", "set", "eth0", "up");
        await Ip("-n", space, "link", "set", "lo", "up");
        return address;
    }

    /// <summary>What executes a command on a host.</summary>
    public string[] On(string host) => ["ip", "netns", "exec", SpaceOf(host)];

    /// <summary>The name of a host's network namespace.</summary>
    public string SpaceOf(string host) => $"{Name}-{host}";

    /// <summary>Pulls the plug.</summary>
    public Task CutAsync(string host) => Ip("-n", Hub, "link", "set", host, "down");

    public Task MendAsync(string host) => Ip("-n", Hub, "link", "set", host, "up");

    public async ValueTask DisposeAsync()
    {
        foreach (var host in _hosts)
        {
            await Ip("netns", "del", SpaceOf(host));
        }

        await Ip("link", "del", Name);
        await Ip("netns", "del", Hub);
    }

    private static string HubOf(int number) => $"dts{number}-hub";

    private static async Task<int> TakeNumberAsync()
    {
        var first = Random.Shared.Next(Networks);
        for (var tries = 0; ; tries++)
        {
            var number = 1 + ((first + tries) % Networks);
            try
            {
                await Ip("netns", "add", HubOf(number));
                return number;
            }
            catch (Xunit.Sdk.XunitException taken) when (taken.Message.Contains("File exists", StringComparison.Ordinal)
                && tries < Networks)
            {
                // Another test uses this number, or left it behind.
            }
        }
    }

    private static Task<string> Ip(params string[] arguments) => Tool.RunAsync("ip", arguments);
}
