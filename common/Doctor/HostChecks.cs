using System.Globalization;
using Dts.Common.Cron;

namespace Dts.Common.Doctor;

/// <summary>Checks of the host that both services share: time zones and the systemd unit.</summary>
public static class HostChecks
{
    private const string Zoneinfo = "/usr/share/zoneinfo";

    public static Check TimeZones(CronZone zone)
    {
        const string Remedy = "install the package tzdata";
        return Check.Of("time zones", Zoneinfo, Remedy, () =>
            [Directory.Exists(Environment.GetEnvironmentVariable("TZDIR") ?? Zoneinfo)
                ? Finding.Ok("time zones", $"tzdata is installed; jobs that name no zone run in {zone.Id}")
                : Finding.Error("time zones", "tzdata is not installed: only UTC is known", Remedy)]);
    }

    /// <param name="stopsWithin">How long the service may take to stop by its settings; the unit must give it more.</param>
    public static Check Unit(string unit, TimeSpan stopsWithin) => Check.Of("unit", unit, $"systemctl status {unit}", () =>
    {
        const string Wanted = "-p LoadState -p ActiveState -p TimeoutStopUSec -p FragmentPath -p User";
        var shown = HostCommand.Run($"systemctl show {unit} {Wanted}") is (0, var text) ? text : "";
        var shipped = Path.GetFullPath($"{Path.GetDirectoryName(Environment.ProcessPath)}/../{unit}.service");
        return Judge(unit, stopsWithin, shown, Environment.UserName, shipped);
    });

    /// <param name="shown">The output of <c>systemctl show</c>; empty = systemd does not run here.</param>
    /// <param name="asUser">The user that the doctor runs as.</param>
    /// <param name="shipped">The unit file that came with this executable; it may be missing.</param>
    internal static IEnumerable<Finding> Judge(string unit, TimeSpan stopsWithin, string shown, string asUser, string shipped)
    {
        var properties = Properties(shown);
        if (properties.GetValueOrDefault("LoadState") != "loaded")
        {
            yield return Finding.Ok("unit", properties.Count == 0 ? "systemd does not run here" : $"{unit} is not installed here");
            yield break;
        }

        var user = properties.GetValueOrDefault("User", "") is { Length: > 0 } named ? named : "root";
        if (user != asUser)
        {
            var role = unit["dts-".Length..];
            yield return Finding.Warning(
                "unit",
                $"the doctor runs as {asUser} and {unit} as {user}, so it may judge rights wrongly",
                $"systemd-run -qP --wait --uid={user} -p EnvironmentFile=-/etc/dts/{role}.env "
                    + $"/opt/dts/current/{unit} doctor --config /etc/dts/{role}.json");
        }

        var installed = properties.GetValueOrDefault("FragmentPath", "");
        if (File.Exists(shipped) && File.Exists(installed) && File.ReadAllText(shipped) != File.ReadAllText(installed))
        {
            yield return Finding.Warning(
                "unit",
                $"{installed} is not the unit that this version came with",
                $"install -m 644 {shipped} {installed}; systemctl daemon-reload; systemctl restart {unit} "
                    + $"(put your own changes into a drop-in: systemctl edit {unit})");
        }

        if (ParseSpan(properties.GetValueOrDefault("TimeoutStopUSec", "infinity")) is { } timeout && timeout <= stopsWithin)
        {
            yield return Finding.Error(
                "unit",
                $"TimeoutStopSec is {timeout.TotalSeconds:0} s, but {unit} may take {stopsWithin.TotalSeconds:0} s to stop",
                $"systemctl edit {unit}: set TimeoutStopSec={stopsWithin.TotalSeconds + 30:0} in [Service]");
        }

        var state = properties.GetValueOrDefault("ActiveState", "unknown");
        yield return state == "failed"
            ? Finding.Error("unit", $"{unit} has failed", $"journalctl -u {unit} -n 20; systemctl restart {unit}")
            : Finding.Ok("unit", $"{unit} is {state}");
    }

    /// <summary>The output of <c>systemctl show</c>, by name.</summary>
    public static Dictionary<string, string> Properties(string shown) =>
        shown.Split('\n').Select(line => line.Split('=', 2)).Where(pair => pair.Length == 2).ToDictionary(pair => pair[0], pair => pair[1]);

    /// <summary>Reads a time span of systemctl, such as "1min 30s"; null = infinity.</summary>
    internal static TimeSpan? ParseSpan(string text)
    {
        var sum = TimeSpan.Zero;
        foreach (var part in text.Split(' ', StringSplitOptions.RemoveEmptyEntries))
        {
            var digits = part.TakeWhile(letter => char.IsAsciiDigit(letter) || letter == '.').Count();
            if (digits == 0 || !double.TryParse(part[..digits], CultureInfo.InvariantCulture, out var number))
            {
                return null;
            }

            sum += part[digits..] switch
            {
                "us" => TimeSpan.FromMicroseconds(number),
                "ms" => TimeSpan.FromMilliseconds(number),
                "min" => TimeSpan.FromMinutes(number),
                "h" => TimeSpan.FromHours(number),
                "d" => TimeSpan.FromDays(number),
                _ => TimeSpan.FromSeconds(number),
            };
        }

        return sum;
    }
}
