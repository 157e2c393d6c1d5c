namespace Dts.Master.Alerts;

/// <summary>The channels of this master's file; reads the file again when it has changed.</summary>
/// <remarks>Thread-safe.</remarks>
internal sealed class Channels(string path, ILogger log)
{
    private readonly Lock _gate = new();
    private DateTime? _readAt;
    private IReadOnlyDictionary<string, ChannelSettings> _known = new Dictionary<string, ChannelSettings>();

    public IReadOnlyDictionary<string, ChannelSettings> All
    {
        get
        {
            lock (_gate)
            {
                var written = File.GetLastWriteTimeUtc(path);
                if (written != _readAt)
                {
                    _readAt = written;
                    Read();
                }

                return _known;
            }
        }
    }

    /// <summary>What was expected instead of a channel's name; null = the file has the channel.</summary>
    public string? FindExpected(string name) => All is var all && all.ContainsKey(name) ? null
        : all.Count == 0 ? "a channel of the file alertChannels, which has none"
        : $"one of {string.Join(", ", all.Keys.Order(StringComparer.Ordinal))}";

    private void Read()
    {
        try
        {
            _known = ChannelSettings.ReadFile(path);
        }
        catch (FormatException wrong)
        {
            log.AlertChannelsUnread(wrong.Message, _known.Count); // The former channels stay.
        }
    }
}
