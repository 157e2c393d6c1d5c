namespace Dts.Common.Cron;

/// <summary>A schedule or a time zone that cannot be used; the message is one line, fit to be shown to whoever wrote it.</summary>
public sealed class CronFormatException(string message) : FormatException(message);
