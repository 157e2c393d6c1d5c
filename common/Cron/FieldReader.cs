namespace Dts.Common.Cron;

/// <summary>A position in a field's text, and the first error found.</summary>
/// <param name="field">Which field it is.</param>
/// <param name="number">Its number in the text as written, from 1.</param>
/// <param name="text">The field, in upper case.</param>
/// <param name="written">The same as written, for messages.</param>
/// <param name="offset">Where the field begins in the whole text.</param>
internal ref struct FieldReader(CronField field, int number, ReadOnlySpan<char> text, ReadOnlySpan<char> written, int offset)
{
    private readonly ReadOnlySpan<char> _text = text;
    private readonly ReadOnlySpan<char> _written = written;

    public string Error = "";

    public int At { get; private set; }

    public readonly bool IsAtEnd => At == _text.Length;

    public readonly char Peek() => IsAtEnd ? '\0' : _text[At];

    public bool Take(char c)
    {
        if (Peek() != c || IsAtEnd)
        {
            return false;
        }

        At++;
        return true;
    }

    public bool Expect(char c) => Take(c) || Unexpected($"; {CronText.Show(c)} was expected");

    public bool TakeNumber(out int value)
    {
        var start = At;
        value = 0;
        while (char.IsAsciiDigit(Peek()))
        {
            value = Math.Min((value * 10) + (Peek() - '0'), 99_999_999); // Far above every field's values.
            At++;
        }

        return At > start;
    }

    /// <summary>A value of the field: a number in its range, or a name.</summary>
    public bool TakeValue(out int value)
    {
        var start = At;
        if (TakeNumber(out value))
        {
            return value < field.Min ? Fail($"{Shown(_text[start..At])} is below {field.Min}", start)
                : value <= field.Max || Fail($"{Shown(_text[start..At])} is above {field.Max}", start, Intent(value));
        }

        var rest = _text[At..];
        var word = rest.IndexOfAnyExceptInRange('A', 'Z') is >= 0 and var end ? rest[..end] : rest;
        if (word.Length == 0)
        {
            return Unexpected();
        }

        var index = field.FindName(word);
        if (index < 0)
        {
            return Fail($"{Shown(_written.Slice(start, word.Length))} is not a value", start, ExplainWord(word));
        }

        value = field.Min + index;
        At += word.StartsWith(field.Names[index]) ? field.Names[index].Length : 3;
        var isWhole = At >= start + word.Length - 1; // One more letter may be the L of FRIL.
        return isWhole || Fail($"{Shown(_written.Slice(start, word.Length))} is not a value", start, $"; write {word[..3]}");
    }

    public bool Unexpected(string hint = "") =>
        Fail(IsAtEnd ? "the end came too soon" : $"{CronText.Show(_written[At])} is unexpected", At, hint);

    /// <summary>Keeps the message and returns false. The message has the position unless that is the beginning of the field.</summary>
    public bool Fail(string problem, int at, string hint = "")
    {
        var place = at > 0 ? $", character {offset + at + 1}" : "";
        Error = $"{problem} in {field.Name} (field {number}){place}{hint}";
        return false;
    }

    private readonly string Intent(int value) =>
        value is >= Calendar.FirstYear and <= Calendar.LastYear ? "; a year is the last of 7 fields"
        : field == CronField.Hour && value == 24 ? "; midnight is 0"
        : field == CronField.Hour && value < 60 ? "; minutes come before hours"
        : "";

    private readonly string ExplainWord(ReadOnlySpan<char> word)
    {
        return CronField.Month.FindName(word) >= 0 ? "; it is a month"
            : CronField.DayOfWeek.FindName(word) >= 0 ? "; it is a day of the week"
            : field == CronField.DayOfWeek && word is "L" ? "; 5L is the last Friday of the month"
            : word is "L" or "W" or "LW" ? "; it stands only in the days of month"
            : "";
    }

    private static string Shown(ReadOnlySpan<char> text) => text.Length > 12 ? $"{text[..12]}…" : text.ToString();
}
