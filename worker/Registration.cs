using System.Net.NetworkInformation;
using System.Net.Sockets;
using System.Text.Json;
using Dts.Common;
using Dts.Common.Hosting;
using Dts.Common.Jobs;
using Dts.Common.Shell;

namespace Dts.Worker;

/// <summary>Writes this worker's registration and reads others'.</summary>
internal static class Registration
{
    public static string Describe(string host, int slots, DateTimeOffset started)
    {
        var registration = new WorkerRegistration(host, FindAddress(), Service.Version, ProcessIdentity.Current, slots, started);
        return JsonSerializer.Serialize(registration, DtsJson.Readable.WorkerRegistration);
    }

    /// <summary>Whether a registration is of a process of this host that lives no more.</summary>
    public static bool IsOfDeadProcess(string json)
    {
        try
        {
            return JsonSerializer.Deserialize(json, DtsJson.Readable.WorkerRegistration)?.Process.IsCertainlyDead == true;
        }
        catch (JsonException)
        {
            return false; // Not one of ours: its lease will tell.
        }
    }

    private static string FindAddress() => NetworkInterface.GetAllNetworkInterfaces()
        .Where(link => link.OperationalStatus == OperationalStatus.Up && link.NetworkInterfaceType != NetworkInterfaceType.Loopback)
        .SelectMany(link => link.GetIPProperties().UnicastAddresses)
        .FirstOrDefault(address => address.Address.AddressFamily == AddressFamily.InterNetwork)?.Address.ToString() ?? "127.0.0.1";
}
