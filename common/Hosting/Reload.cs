using System.Runtime.InteropServices;
using System.Threading.Channels;
using Microsoft.Extensions.Logging;

namespace Dts.Common.Hosting;

/// <summary>SIGHUP (systemctl reload): reads the settings again and applies those that may change in a running service.</summary>
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

    /// <summary>Runs until cancelled. Wrong settings are logged in one line, and the former ones stay in force.</summary>
    /// <param name="current">The settings that the service was started with.</param>
    /// <param name="reloadable">The settings that <paramref name="apply"/> applies; the others need a restart.</param>
    /// <param name="apply">Reads all settings, and throws without a change if one of them is wrong.</param>
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
