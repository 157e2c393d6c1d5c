using System.Diagnostics.CodeAnalysis;
using System.Text;
using System.Text.Unicode;

namespace Dts.Common.Jobs;

/// <summary>Reads the JSON of jobs, and parses only once what many of them share.</summary>
/// <remarks>
/// Not thread-safe. Constraint: a service reads a million jobs when it starts. Scheme: a job whose JSON differs from that of an earlier one
/// by nothing but the texts of name and command is that job with another name and command. So the two share all other members, too.
/// </remarks>
public sealed class JobReader
{
    private const int KindsMax = 1000; // Then they are collected again, from the jobs that come.

    private const int KindBytesMax = 4096;

    private readonly Dictionary<int, (byte[] After, Job Job, bool IsSound)> _kinds = []; // By the hash of what follows the command.

    /// <inheritdoc cref="JobJson.TryParse"/>
    /// <param name="unrunnable">Why a job that can be read cannot run, see <see cref="JobRules.FindUnrunnable"/>; empty = it can.</param>
    public bool TryParse(ReadOnlyMemory<byte> utf8, [NotNullWhen(true)] out Job? job, out string error, out string unrunnable)
    {
        unrunnable = "";
        if (!TryRead(utf8, out job, out error, out var isSound))
        {
            return false;
        }

        unrunnable = JobRules.FindUnrunnable(job, isSound) ?? "";
        return true;
    }

    /// <param name="isSound">All members but name and command are known to be right.</param>
    private bool TryRead(ReadOnlyMemory<byte> utf8, [NotNullWhen(true)] out Job? job, out string error, out bool isSound)
    {
        (error, isSound) = ("", false);
        var rest = utf8.Span;
        if (!TryTake(ref rest, "{\"name\":\""u8, out var name) || !TryTake(ref rest, "\",\"command\":\""u8, out var command))
        {
            return JobJson.TryParse(utf8, out job, out error);
        }

        var hash = new HashCode();
        hash.AddBytes(rest);
        var kind = hash.ToHashCode();
        if (_kinds.TryGetValue(kind, out var known) && rest.SequenceEqual(known.After))
        {
            isSound = known.IsSound;
            job = known.Job with { Name = Encoding.UTF8.GetString(name), Command = Encoding.UTF8.GetString(command) };
            return true;
        }

        if (JobJson.TryParse(utf8, out job, out error) && IsKind(rest))
        {
            if (_kinds.Count == KindsMax)
            {
                _kinds.Clear();
            }

            _kinds[kind] = (rest.ToArray(), job with { Name = "", Command = "" }, JobRules.FindUnrunnable(job) is null);
        }

        return job is not null;
    }

    /// <summary>Whether it leaves name and command as they are: the last of two equal members counts.</summary>
    private static bool IsKind(ReadOnlySpan<byte> rest) =>
        rest.Length <= KindBytesMax && !rest.Contains((byte)'\\') && rest.IndexOf("\"name\""u8) < 0 && rest.IndexOf("\"command\""u8) < 0;

    /// <summary>Takes a text that is written as it is, without escapes, and what stands before it.</summary>
    private static bool TryTake(ref ReadOnlySpan<byte> json, ReadOnlySpan<byte> before, out ReadOnlySpan<byte> text)
    {
        text = default;
        if (!json.StartsWith(before) || json[before.Length..].IndexOf((byte)'"') is not (>= 0 and var length))
        {
            return false;
        }

        text = json.Slice(before.Length, length);
        json = json[(before.Length + length)..];
        return !text.Contains((byte)'\\') && !text.ContainsAnyInRange((byte)0, (byte)0x1f) && Utf8.IsValid(text);
    }
}
