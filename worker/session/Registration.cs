using System.Net.NetworkInformation;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using Dts.Common.Hosting;
using Dts.Common.Jobs;
using Dts.Worker.Commands;

namespace Dts.Worker.Sessions;

/// <summary>Writes this worker's registration and reads others'.</summary>
internal static class Registration
{
    private static readonly Lazy<string> Address = new(FindAddress);

    public static string Describe(
        string host,
        WorkerSettings settings,
        DateTimeOffset started,
        DateTimeOffset now,
        string refusal,
        WorkerFigures? figures = null,
        string drain = "")
    {
        var registration = new WorkerRegistration(
            host,
            Address.Value,
            Service.Version,
            ThisProcess.Identity,
            settings.Slots,
            started,
            settings.Labels,
            Clock: now,
            Refuses: refusal,
            Figures: figures,
            Drain: drain);
        return JsonSerializer.Serialize(registration, JobsJson.Readable.WorkerRegistration);
    }

    /// <summary>
    /// Whether a registration is of a process of this host that has ended, or of this process, whose former session wrote it.
    /// </summary>
    public static bool IsOver(string json) =>
        WorkerRegistration.Parse(Encoding.UTF8.GetBytes(json)) is { } registration
            && (registration.Process == ThisProcess.Identity || ThisProcess.SeesEnded(registration.Process));

    private static string FindAddress() => NetworkInterface.GetAllNetworkInterfaces()
        .Where(link => link.OperationalStatus == OperationalStatus.Up && link.NetworkInterfaceType != NetworkInterfaceType.Loopback)
        .SelectMany(link => link.GetIPProperties().UnicastAddresses)
        .FirstOrDefault(address => address.Address.AddressFamily == AddressFamily.InterNetwork)?.Address.ToString() ?? "127.0.0.1";
}
