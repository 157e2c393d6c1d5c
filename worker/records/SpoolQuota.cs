using Microsoft.Extensions.Logging;

namespace Dts.Worker.Records;

/// <summary>Keeps a spool within its quota: when it is full, the outputs of records that wait are shortened, the oldest first.</summary>
/// <remarks>Not thread-safe. The appender is its only caller. No record is dropped: at last the spool exceeds its quota.</remarks>
internal sealed class SpoolQuota(SpoolFolder folder, long bytesMax, ILogger log)
{
    private const long SegmentBytesMax = 8 << 20;
    private const int Segments = 16; // At least, so that there are old ones to shorten.

    private long _shortenedUpTo; // The last segment that was shortened, or could not be.
    private int _shortened; // Records, since the spool was full.
    private bool _isFull;
    private bool _isAbove;

    /// <summary>At this length the next segment begins.</summary>
    public long SegmentBytes => Math.Min(SegmentBytesMax, bytesMax / Segments);

    /// <summary>Shortens until so many bytes fit; false = nothing is left to shorten.</summary>
    /// <param name="writing">The segment that is being written, which stays as it is.</param>
    public bool TryMakeRoom(long bytes, long writing)
    {
        while (folder.CountBytes() + bytes > bytesMax)
        {
            if (!_isFull)
            {
                _isFull = true;
                log.SpoolFull(folder.Path, bytesMax);
            }

            if (folder.FindUnread(after: _shortenedUpTo, before: writing) is not { } number)
            {
                return false;
            }

            _shortenedUpTo = number;
            _shortened += folder.Shorten(number);
        }

        return true;
    }

    /// <summary>Logs changes after a batch was written, in which so many records were shortened.</summary>
    public void NoteWritten(int shortened)
    {
        _shortened += shortened;
        var bytes = folder.CountBytes();
        if (bytes > bytesMax && !_isAbove)
        {
            _isAbove = true;
            log.SpoolAbove(folder.Path, bytes, bytesMax);
        }
        else if (_isFull && bytes < bytesMax / 2)
        {
            log.SpoolEased(folder.Path, _shortened);
            (_isFull, _isAbove, _shortened) = (false, false, 0);
        }
    }
}
