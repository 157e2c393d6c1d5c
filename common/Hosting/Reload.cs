using System.Runtime.InteropServices;
using System.Threading.Channels;
using Microsoft.Extensions.Logging;

namespace Dts.Common.Hosting;

/// <summary>SIGHUP (systemctl reload): the settings are read again, and what may change in a running service is taken over.</summary>
public sealed class Reload : IDisposable
{
    private readonly Channel<bool> _asked = Channel.CreateBounded<bool>(
        new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropWrite });
    private readonly PosixSignalRegistration _registration;

    private readonly SystemdNotifier _systemd;

    public Reload(SystemdNotifier systemd)
    {
        _systemd = systemd;
        _registration = PosixSignalRegistration.Create(PosixSignal.SIGHUP, context =>
        {
            context.Cancel = true;
            _asked.Writer.TryWrite(true);
        });
    }

    /// <summary>Runs until cancelled. Settings that cannot be used are one line, and those before them go on.</summary>
    /// <param name="current">What the service was started with.</param>
    /// <param name="reloadable">The settings that <paramref name="apply"/> takes over; the others wait for a restart.</param>
    /// <param name="apply">Reads all settings, and does nothing if one of them is wrong.</param>
    public async Task RunAsync(
        SettingsReader current,
        Func<SettingsReader> load,
        string[] reloadable,
        Func<SettingsReader, Task> apply,
        ILogger log,
        CancellationToken cancel)
    {
        var running = new Dictionary<string, string>(current.Values, StringComparer.OrdinalIgnoreCase);
        while (await WaitAsync(cancel))
        {
            _systemd.Reloading();
            try
            {
                var reader = load();
                await apply(reader);
                var changed = reader.Values.Where(setting => running.GetValueOrDefault(setting.Key) != setting.Value)
                    .Select(setting => setting.Key)
                    .ToLookup(reloadable.Contains);
                log.Reloaded(changed[true].Any() ? string.Join(", ", changed[true]) : "nothing");
                if (changed[false].Any())
                {
                    log.RestartNeeded(string.Join(", ", changed[false]));
                }

                foreach (var name in changed[true])
                {
                    running[name] = reader.Values[name];
                }
            }
            catch (Exception wrong) when (wrong is SettingsException or StartException)
            {
                log.ReloadRefused(wrong.Message);
            }

            _systemd.Ready();
        }
    }

    public void Dispose() => _registration.Dispose();

    private async Task<bool> WaitAsync(CancellationToken cancel)
    {
        try
        {
            return await _asked.Reader.ReadAsync(cancel);
        }
        catch (OperationCanceledException)
        {
            return false;
        }
    }
}
