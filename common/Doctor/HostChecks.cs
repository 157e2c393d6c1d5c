using System.Globalization;
using Dts.Common.Cron;
using Dts.Common.Hosting;

namespace Dts.Common.Doctor;

/// <summary>What a host gives both services: time zones and their units.</summary>
public static class HostChecks
{
    private const string Zoneinfo = "/usr/share/zoneinfo";

    public static Check TimeZones(CronZone zone) => Check.Of("time zones", Zoneinfo, Distribution.Here.Install("tzdata"), () =>
        [Directory.Exists(Environment.GetEnvironmentVariable("TZDIR") ?? Zoneinfo)
            ? Finding.Ok("time zones", $"tzdata is there; jobs that name no zone run in {zone.Id}")
            : Finding.Error("time zones", "tzdata is not installed: only UTC is known", Distribution.Here.Install("tzdata"))]);

    /// <param name="stopsWithin">How long the service may take to stop by its settings; the unit must give it more.</param>
    /// <param name="more">What else the service needs of its unit.</param>
    public static Check Unit(
        string unit, TimeSpan stopsWithin, Func<Dictionary<string, string>, IEnumerable<Finding>>? more = null) => Check.Of(
        "unit", unit, $"systemctl status {unit}", () =>
    {
        const string Properties =
            "-p LoadState -p ActiveState -p NeedDaemonReload -p TimeoutStopUSec -p LimitRTPRIO -p Delegate -p FragmentPath -p User";
        var shown = Question.Ask($"systemctl show {unit} {Properties}") is (0, var text) ? text : "";
        var ours = Path.GetFullPath($"{Path.GetDirectoryName(Environment.ProcessPath)}/../{unit}.service");
        return Judge(unit, stopsWithin, shown, Environment.UserName, ours, more);
    });

    /// <param name="shown">What <c>systemctl show</c> says of it; empty = nothing.</param>
    /// <param name="asUser">As whom the doctor looks.</param>
    /// <param name="ours">Where the unit is that came with this executable; there may be none.</param>
    internal static IEnumerable<Finding> Judge(
        string unit,
        TimeSpan stopsWithin,
        string shown,
        string asUser,
        string ours,
        Func<Dictionary<string, string>, IEnumerable<Finding>>? more = null)
    {
        var facts = Facts(shown);
        if (facts.GetValueOrDefault("LoadState") != "loaded")
        {
            yield return Finding.Ok("unit", facts.Count == 0 ? "systemd does not run here" : $"{unit} is not installed here");
            yield break;
        }

        var user = facts.GetValueOrDefault("User", "") is { Length: > 0 } named ? named : "root";
        if (user != asUser)
        {
            var role = unit["dts-".Length..];
            yield return Finding.Warning(
                "unit",
                $"the doctor looks as {asUser}, and {unit} runs as {user}: rights are judged as {asUser}'s",
                $"systemd-run -qP --wait --uid={user} -p EnvironmentFile=-/etc/dts/{role}.env "
                    + $"/opt/dts/current/{unit} doctor --config /etc/dts/{role}.json");
        }

        if (facts.GetValueOrDefault("NeedDaemonReload") == "yes")
        {
            yield return Finding.Warning(
                "unit", $"{unit}.service has changed since systemd read it", $"systemctl daemon-reload; systemctl restart {unit}");
        }

        var installed = facts.GetValueOrDefault("FragmentPath", "");
        if (File.Exists(ours) && File.Exists(installed) && File.ReadAllText(ours) != File.ReadAllText(installed))
        {
            yield return Finding.Warning(
                "unit",
                $"{installed} is not the unit that this version came with",
                $"install -m 644 {ours} {installed}; systemctl daemon-reload; systemctl restart {unit} "
                    + $"(what you want otherwise belongs into systemctl edit {unit})");
        }

        if (ParseSpan(facts.GetValueOrDefault("TimeoutStopUSec", "infinity")) is { } timeout && timeout <= stopsWithin)
        {
            yield return Finding.Error(
                "unit",
                $"TimeoutStopSec of {timeout.TotalSeconds:0} s is not longer than the {stopsWithin.TotalSeconds:0} s "
                    + $"that {unit} may take to stop",
                DropIn(unit, "stop", $"TimeoutStopSec={stopsWithin.TotalSeconds + 30:0}"));
        }

        foreach (var finding in more?.Invoke(facts) ?? [])
        {
            yield return finding;
        }

        var state = facts.GetValueOrDefault("ActiveState", "unknown");
        yield return state == "failed"
            ? Finding.Error("unit", $"{unit} has failed", $"journalctl -u {unit} -n 20; systemctl restart {unit}")
            : Finding.Ok("unit", $"{unit} is {state}");
    }

    /// <summary>What <c>systemctl show</c> printed, by name.</summary>
    public static Dictionary<string, string> Facts(string shown) =>
        shown.Split('\n').Select(line => line.Split('=', 2)).Where(pair => pair.Length == 2).ToDictionary(pair => pair[0], pair => pair[1]);

    /// <summary>The command that sets something in a unit so that an upgrade leaves it.</summary>
    public static string DropIn(string unit, string name, string setting) => $"mkdir -p /etc/systemd/system/{unit}.service.d; "
            + $"printf '[Service]\\n{setting}\\n' >/etc/systemd/system/{unit}.service.d/{name}.conf; systemctl daemon-reload";

    /// <summary>As systemctl prints it: "1min 30s". Null = for ever.</summary>
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

/// <summary>What may be done in a place of the file system, found out without doing it.</summary>
public static class Folder
{
    /// <summary>The path itself if something is there, else what is nearest above it.</summary>
    public static string NearestExisting(string path)
    {
        while (!Path.Exists(path) && Path.GetDirectoryName(path) is { } above)
        {
            path = above;
        }

        return path;
    }

    /// <summary>Null = this user can write it; for a folder: files in it.</summary>
    public static string? WhyNotWritable(string path) => Libc.CheckWritable(path) is < 0 and var error ? Libc.Describe(-error) : null;
}
