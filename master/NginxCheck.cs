using Dts.Common.Doctor;

namespace Dts.Master;

/// <summary>The doctor's check of the nginx in front of this master.</summary>
internal static class NginxCheck
{
    private static readonly string[] Folders = ["/etc/nginx/conf.d", "/etc/nginx/sites-enabled"];

    /// <param name="apiPort">The port that the master listens on.</param>
    /// <param name="isAsked">True if the master needs credentials.</param>
    public static Check Of(int apiPort, Func<CancellationToken, Task<bool>> isAsked) => new("nginx", Folders[0], "nginx -t", async cancel =>
    {
        var sites = Folders.Where(Directory.Exists)
            .SelectMany(Directory.EnumerateFiles)
            .Select(file => (file, File.ReadAllText(file)))
            .ToList();
        return [.. Judge(sites, apiPort, sites.Count == 0 || await isAsked(cancel), () => HostCommand.Run("nginx -t"))];
    });

    internal static IEnumerable<Finding> Judge(
        IEnumerable<(string File, string Text)> sites, int apiPort, bool isAsked, Func<(int? ExitCode, string Said)> test)
    {
        string[] masters = ["dts_masters", $"127.0.0.1:{apiPort}", $"localhost:{apiPort}", $"[::1]:{apiPort}"];
        var ours = sites.Where(site => site.Text.Split('\n').Any(line => masters.Any(line.Split('#')[0].Contains))).ToList();
        if (ours.Count == 0)
        {
            yield return Finding.Ok("nginx", "it has no configuration for DTS here");
            yield break;
        }

        if (!isAsked)
        {
            yield return Finding.Error(
                "nginx",
                $"{string.Join(", ", ours.Select(site => site.File))} passes requests to a master without apiToken, "
                + "people, tokens and trustedProxies: anyone who reaches nginx can run commands",
                "(umask 077; echo \"DTS_APITOKEN=$(cat /proc/sys/kernel/random/uuid)\" >>/etc/dts/master.env); "
                + "systemctl restart dts-master");
        }

        foreach (var (file, _) in ours.Where(site => !site.Text.Contains("proxy_buffering off", StringComparison.Ordinal)))
        {
            yield return Finding.Error(
                "nginx",
                $"{file} buffers: live output comes late, or not at all",
                "put \"proxy_buffering off;\" and \"proxy_read_timeout 1d;\" into its location of output, as nginx/dts.conf has it; "
                    + "systemctl reload nginx");
        }

        var (exitCode, said) = test();
        yield return exitCode == 0
            ? Finding.Ok("nginx", $"{string.Join(", ", ours.Select(site => site.File))}: nginx -t is content")
            : Finding.Error("nginx", $"nginx -t: {said.Trim()}", "nginx -t");
    }
}
