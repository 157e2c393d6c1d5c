using Dts.Common.Cron;

namespace Dts.Common.Hosting;

/// <summary>The zone of jobs that name none: masters and workers must have the same.</summary>
public static class ZoneSetting
{
    public static CronZone Read(SettingsReader settings)
    {
        var id = settings.Text("timeZone", "UTC");
        return CronZone.TryGet(id, out var zone, out var error) ? zone : throw settings.Wrong("timeZone", id, $"a time zone's IANA id ({error})");
    }
}
