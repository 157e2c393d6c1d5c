using System.Text;
using Dts.Common.Hosting;

namespace Dts.Master.Commands;

/// <summary>The input and the outputs of a command.</summary>
/// <param name="Output">For bytes; <see cref="Out"/> writes to it, too.</param>
/// <param name="IsTerminal">The output is a terminal: control characters of jobs are shown as symbols.</param>
internal sealed record Terminal(Stream In, Stream Output, TextWriter Err, bool IsTerminal)
{
    public TextWriter Out { get; } = new StreamWriter(Output) { AutoFlush = true };

    public static Terminal OfProcess() =>
        new(Console.OpenStandardInput(), Console.OpenStandardOutput(), Console.Error, !Console.IsOutputRedirected);

    /// <summary>The text with symbols for characters that could control a terminal; line ends and tabs stay.</summary>
    private static string Visible(string text) =>
        string.Join('\n', text.Split('\n').Select(line => string.Join('\t', line.Split('\t').Select(Display.Visible))));

    /// <summary>Prints output of a job.</summary>
    public void Write(string text, bool isRaw) => Out.Write(IsTerminal && !isRaw ? Visible(text) : text);

    /// <summary>Prints output of a job, byte for byte except on a terminal.</summary>
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
        var held = 0; // 1 = the first half of a surrogate pair, whose second half comes next.
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

    /// <summary>Prints one line to stderr: for the operator, not part of the result.</summary>
    public void Note(string text) => Err.WriteLine(Visible(text.ReplaceLineEndings(" ")));

    /// <summary>Prints aligned columns; the last one has any width.</summary>
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
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException or ArgumentException)
        {
            throw new CommandFailure(ExitCodes.Refused, $"{Display.Line(path)} cannot be read: {WhyUnreadable(path, failure)}");
        }
    }

    /// <summary>The cause in a few words: the framework reports a folder as a denied access, and repeats the path.</summary>
    public static string WhyUnreadable(string path, Exception failure) => failure switch
    {
        FileNotFoundException or DirectoryNotFoundException => "there is no such file",
        UnauthorizedAccessException => Directory.Exists(path) ? "it is a folder" : "permission denied",
        ArgumentException => "a file's name is not empty",
        _ => failure.Message,
    };
}
