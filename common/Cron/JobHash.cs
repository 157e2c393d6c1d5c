namespace Dts.Common.Cron;

/// <summary>What <c>H</c> takes its values from.</summary>
internal static class JobHash
{
    /// <summary>FNV-1a of the name in UTF-8, mixed with the field's place. docs/cron.md publishes it: a change would move every job.</summary>
    public static ulong Of(string jobName, CronField field)
    {
        var hash = 14695981039346656037UL;
        Span<byte> bytes = stackalloc byte[4];
        foreach (var rune in jobName.EnumerateRunes())
        {
            foreach (var b in bytes[..rune.EncodeToUtf8(bytes)])
            {
                hash = (hash ^ b) * 1099511628211UL;
            }
        }

        hash += (ulong)field.Place * 0x9E3779B97F4A7C15UL;
        hash = (hash ^ (hash >> 33)) * 0xFF51AFD7ED558CCDUL;
        return (hash ^ (hash >> 29)) >> 8;
    }
}
