using System.Text;
using Dts.Common.Hosting;

namespace Dts.Master.Commands;

/// <summary>Where a command reads and prints.</summary>
/// <param name="Output">For bytes; what <see cref="Out"/> prints goes there, too.</param>
/// <param name="IsTerminal">A person sees the output: what jobs have written is shown without control characters.</param>
internal sealed record Terminal(Stream In, Stream Output, TextWriter Err, bool IsTerminal)
{
    public TextWriter Out { get; } = new StreamWriter(Output) { AutoFlush = true };

    public static Terminal OfProcess() =>
        new(Console.OpenStandardInput(), Console.OpenStandardOutput(), Console.Error, !Console.IsOutputRedirected);

    /// <summary>The text with a symbol for each character that could act on a terminal; line ends and tabs stay.</summary>
    public static string Visible(string text)
    {
        var visible = new StringBuilder(text.Length);
        foreach (var rune in text.EnumerateRunes())
        {
            visible.Append(rune.Value switch
            {
                '\n' or '\t' => rune,
                < 0x20 => new Rune(0x2400 + rune.Value),
                0x7F => new Rune(0x2421),
                _ when Display.IsHidden(rune) => new Rune(0xFFFD),
                _ => rune,
            });
        }

        return visible.ToString();
    }

    /// <summary>Prints what a job has written.</summary>
    public void Write(string text, bool isRaw) => Out.Write(IsTerminal && !isRaw ? Visible(text) : text);

    /// <summary>Prints what a job has written, byte for byte unless a person sees it.</summary>
    public async Task CopyAsync(Stream bytes, bool isRaw, CancellationToken cancel)
    {
        if (!IsTerminal || isRaw)
        {
            await bytes.CopyToAsync(Output, cancel);
            await Output.FlushAsync(cancel);
            return;
        }

        using var reader = new StreamReader(bytes, Encoding.UTF8, detectEncodingFromByteOrderMarks: false);
        var piece = new char[16 << 10];
        var held = 0; // The first half of a character whose other half is still to come.
        while (await reader.ReadAsync(piece.AsMemory(held), cancel) is > 0 and var count)
        {
            var last = piece[held + count - 1];
            var whole = held + count - (char.IsHighSurrogate(last) ? 1 : 0);
            Write(new string(piece, 0, whole), isRaw);
            held = held + count - whole;
            piece[0] = last;
        }
    }

    public void Line(string text) => Out.WriteLine(IsTerminal ? Visible(text) : text);

    /// <summary>One line for the operator that is no result.</summary>
    public void Note(string text) => Err.WriteLine(Visible(text.ReplaceLineEndings(" ")));

    /// <summary>Prints rows with their columns under each other; the last one is as long as it is.</summary>
    public void Table(IReadOnlyList<string[]> rows)
    {
        const int widest = 50;
        var widths = Enumerable.Range(0, rows[0].Length).Select(i => Math.Min(widest, rows.Max(row => row[i].Length))).ToList();
        foreach (var row in rows)
        {
            Line(string.Join("  ", row.Select((cell, i) => i < row.Length - 1 ? cell.PadRight(widths[i]) : cell)).TrimEnd());
        }
    }

    public async Task<byte[]> ReadFileAsync(string path, CancellationToken cancel)
    {
        try
        {
            if (path != "-")
            {
                return await File.ReadAllBytesAsync(path, cancel);
            }

            using var all = new MemoryStream();
            await In.CopyToAsync(all, cancel);
            return all.ToArray();
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            throw new CommandFailure(ExitCodes.Refused, $"{path} cannot be read: {failure.Message}");
        }
    }
}
