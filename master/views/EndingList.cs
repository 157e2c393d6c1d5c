using Dts.Common.Jobs;

namespace Dts.Master.Views;

/// <summary>A job's latest endings, packed: five to seven bytes each.</summary>
/// <remarks>
/// Constraint: a hundred thousand jobs with twenty endings each. Scheme: for each ending the seconds since the one before it and its status
/// with its duration, as numbers of seven bits a byte. A duration above four seconds is rounded down to a part in two thousand.
/// </remarks>
internal readonly struct EndingList
{
    public const int Kept = 20;

    private const int StatusBits = 3;
    private const int MantissaBits = 12;

    private readonly byte[]? _packed;

    private EndingList(byte[]? packed) => _packed = packed;

    /// <summary>The endings have not been read. An empty list means that there are none.</summary>
    public bool IsUnknown => _packed is null;

    /// <param name="endings">The oldest first; the latest <see cref="Kept"/> are taken.</param>
    public static EndingList Of(IReadOnlyList<Ending> endings)
    {
        Span<byte> bytes = stackalloc byte[Kept * 16];
        var (length, second) = (0, 0L);
        for (var i = Math.Max(0, endings.Count - Kept); i < endings.Count; i++)
        {
            var delta = endings[i].StartedAt - second;
            second = endings[i].StartedAt;
            Write(bytes, ref length, (ulong)((delta << 1) ^ (delta >> 63)));
            Write(bytes, ref length, (PackDuration(endings[i].DurationMs) << StatusBits) | (ulong)endings[i].Status);
        }

        return new EndingList(bytes[..length].ToArray());
    }

    /// <summary>The oldest first; empty also when they are unknown.</summary>
    public List<Ending> Unpack()
    {
        List<Ending> endings = [];
        var (at, second) = (0, 0L);
        while (_packed is not null && at < _packed.Length)
        {
            var delta = Read(_packed, ref at);
            second += (long)(delta >> 1) ^ -(long)(delta & 1);
            var rest = Read(_packed, ref at);
            endings.Add(new Ending((RunStatus)(rest & ((1 << StatusBits) - 1)), second, UnpackDuration(rest >> StatusBits)));
        }

        return endings;
    }

    public static long? RoundDuration(long? milliseconds) => UnpackDuration(PackDuration(milliseconds));

    /// <summary>0 = none; else one more than an exponent above the leading bits of the duration.</summary>
    private static ulong PackDuration(long? milliseconds)
    {
        if (milliseconds is not { } duration)
        {
            return 0;
        }

        var mantissa = (ulong)Math.Max(duration, 0);
        var exponent = 0UL;
        for (; mantissa >= 1 << MantissaBits; exponent++)
        {
            mantissa >>= 1;
        }

        return ((exponent << MantissaBits) | mantissa) + 1;
    }

    private static long? UnpackDuration(ulong packed) =>
        packed == 0 ? null : (long)((packed - 1) & ((1 << MantissaBits) - 1)) << (int)((packed - 1) >> MantissaBits);

    private static void Write(Span<byte> bytes, ref int length, ulong number)
    {
        for (; number >= 0x80; number >>= 7)
        {
            bytes[length++] = (byte)(number | 0x80);
        }

        bytes[length++] = (byte)number;
    }

    private static ulong Read(byte[] bytes, ref int at)
    {
        var number = 0UL;
        for (var shift = 0; ; shift += 7)
        {
            var next = bytes[at++];
            number |= (ulong)(next & 0x7F) << shift;
            if (next < 0x80)
            {
                return number;
            }
        }
    }
}

/// <summary>One of a job's latest endings.</summary>
/// <param name="StartedAt">In seconds since the epoch; of a run that did not start: when that was decided.</param>
/// <param name="DurationMs">Null = no command ran, or its end is not known.</param>
internal readonly record struct Ending(RunStatus Status, long StartedAt, long? DurationMs)
{
    /// <summary>It needs attention: the run should have succeeded, and did not.</summary>
    public bool IsBad => IsBadStatus(Status);

    /// <summary>It says nothing about the job: no run took place, by rule or by request.</summary>
    public bool IsNeutral => Status is RunStatus.Skipped or RunStatus.Cancelled;

    public static bool IsBadStatus(RunStatus status) =>
        status is RunStatus.Failed or RunStatus.TimedOut or RunStatus.Lost or RunStatus.Missed;
}
