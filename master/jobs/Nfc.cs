using System.Globalization;
using System.Text;

namespace Dts.Master.Jobs;

/// <summary>
/// Unicode's normalization form C (UAX #15). Under InvariantGlobalization .NET does not normalize: it returns every text unchanged.
/// </summary>
internal static class Nfc
{
    private const char FirstThatMayChange = '\u0300';
    private const int HangulS = 0xAC00, HangulL = 0x1100, HangulV = 0x1161, HangulT = 0x11A7;
    private const int CountS = 11172, CountL = 19, CountV = 21, CountT = 28;

    // One number holds a pair of characters. All three have the same type, because each generic type adds code to the executable.
    private static readonly Dictionary<long, long> Parts = [];
    private static readonly Dictionary<long, long> Pairs = [];
    private static readonly Dictionary<long, long> Classes = [];

    static Nfc()
    {
        using var table = new StreamReader(
            typeof(Nfc).Assembly.GetManifestResourceStream("nfc.txt") ?? throw new FileNotFoundException("nfc.txt"));
        while (table.ReadLine() is { } line)
        {
            if (line.Split('=') is [var whole, var parts] && line[0] != '#')
            {
                var codes = parts.TrimEnd('!').Split(' ');
                var pair = Pair(Hex(codes[0]), codes.Length > 1 ? Hex(codes[1]) : 0);
                Parts.Add(Hex(whole), pair);
                if (codes.Length > 1 && !parts.EndsWith('!'))
                {
                    Pairs.Add(pair, Hex(whole));
                }
            }
            else if (line.Split('-', ':') is [var first, var last, var combining] && line[0] != '#')
            {
                for (var code = Hex(first); code <= Hex(last); code++)
                {
                    Classes.Add(code, int.Parse(combining, CultureInfo.InvariantCulture));
                }
            }
        }
    }

    /// <param name="text">Without lone surrogates.</param>
    public static string Of(string text)
    {
        if (text.All(letter => letter < FirstThatMayChange))
        {
            return text;
        }

        List<int> codes = [];
        foreach (var rune in text.EnumerateRunes())
        {
            Decompose(rune.Value, codes);
        }

        return Compose(codes);
    }

    /// <summary>Appends the parts of a character. A combining mark goes behind the marks of the same and lower classes.</summary>
    private static void Decompose(int code, List<int> codes)
    {
        if (code - HangulS is >= 0 and < CountS and var hangul)
        {
            codes.Add(HangulL + (hangul / (CountV * CountT)));
            codes.Add(HangulV + (hangul % (CountV * CountT) / CountT));
            if (hangul % CountT > 0)
            {
                codes.Add(HangulT + (hangul % CountT));
            }
        }
        else if (Parts.TryGetValue(code, out var pair))
        {
            Decompose((int)(pair >> 32), codes);
            if ((int)pair is > 0 and var second)
            {
                Decompose(second, codes);
            }
        }
        else
        {
            var (at, own) = (codes.Count, ClassOf(code));
            while (own > 0 && at > 0 && ClassOf(codes[at - 1]) > own)
            {
                at--;
            }

            codes.Insert(at, code);
        }
    }

    private static string Compose(List<int> codes)
    {
        List<int> composed = [];
        var (starter, lastClass) = (-1, -1L);
        foreach (var code in codes)
        {
            var own = ClassOf(code);
            if (starter >= 0 && lastClass < own && FindWhole(composed[starter], code) is { } whole)
            {
                composed[starter] = whole;
                continue;
            }

            (starter, lastClass) = own == 0 ? (composed.Count, -1L) : (starter, own);
            composed.Add(code);
        }

        var text = new StringBuilder();
        foreach (var code in composed)
        {
            text.Append(char.ConvertFromUtf32(code));
        }

        return text.ToString();
    }

    private static int? FindWhole(int first, int second) =>
        first - HangulL is >= 0 and < CountL and var l && second - HangulV is >= 0 and < CountV and var v
            ? HangulS + (((l * CountV) + v) * CountT)
        : first - HangulS is >= 0 and < CountS and var s && s % CountT == 0 && second - HangulT is > 0 and < CountT and var t
            ? first + t
        : Pairs.TryGetValue(Pair(first, second), out var whole) ? (int)whole
        : null;

    private static long ClassOf(int code) => Classes.GetValueOrDefault(code);

    private static long Pair(int first, int second) => ((long)first << 32) | (uint)second;

    private static int Hex(string text) => int.Parse(text, NumberStyles.HexNumber, CultureInfo.InvariantCulture);
}
