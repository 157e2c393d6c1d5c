namespace Dts.Common.Cron;

/// <summary>Parses one field: a list of stars, values, ranges, steps, hashes and the special forms of the day fields.</summary>
/// <remarks>Parsing ends at the first error.</remarks>
internal ref struct FieldParser(CronField field, FieldReader text, string hashKey, FieldValues values)
{
    private FieldReader _in = text;

    /// <summary>The field restricts nothing: it contains a star or a question mark without a step.</summary>
    public bool IsAny;

    /// <summary>The field has a star, a step or a range: it says how often, not when.</summary>
    public bool IsRepeating;

    public bool IsHashed;

    public readonly string Error => _in.Error;

    public bool Parse()
    {
        do
        {
            if (!ParseItem())
            {
                return false;
            }
        }
        while (_in.Take(','));

        return _in.IsAtEnd || _in.Unexpected();
    }

    private bool ParseItem()
    {
        if (_in.Take('*') || _in.Take('?'))
        {
            return ParseStep(out var step) && Add(field.Min, field.Last, step, isAny: step == 1);
        }

        if (_in.Take('H'))
        {
            return ParseHash();
        }

        if (field == CronField.DayOfMonth && _in.Take('L'))
        {
            return ParseLastDay();
        }

        return _in.TakeValue(out var value) && (ParseSpecialDay(value) ?? ParseRange(value));
    }

    private bool ParseRange(int first)
    {
        if (_in.Take('-'))
        {
            return _in.TakeValue(out var last) && ParseStep(out var step) && Add(first, last, step);
        }

        var isOpen = _in.Peek() == '/'; // 5/15 goes on to the end of the field
        return ParseStep(out var openStep) && Add(first, isOpen ? field.Last : first, openStep);
    }

    /// <summary><c>dW</c>, <c>wL</c> and <c>w#k</c>; null = the value is a plain one.</summary>
    private bool? ParseSpecialDay(int value)
    {
        if (field == CronField.DayOfMonth && _in.Take('W'))
        {
            values.NearestWeekdays |= 1u << (value - 1);
            return true;
        }

        if (field == CronField.DayOfWeek && _in.Take('L'))
        {
            values.LastDaysOfWeek |= 1u << (value % 7);
            return true;
        }

        if (field != CronField.DayOfWeek || !_in.Take('#'))
        {
            return null;
        }

        var start = _in.At;
        if (!_in.TakeNumber(out var k) || k is < 1 or > 5)
        {
            return _in.Fail("# without a number from 1 to 5", start);
        }

        values.NthDaysOfWeek |= 1UL << ((7 * (k - 1)) + (value % 7));
        return true;
    }

    /// <summary><c>L</c>, <c>L-n</c>, <c>LW</c>, <c>L-nW</c>.</summary>
    private bool ParseLastDay()
    {
        var before = 0;
        if (_in.Take('-'))
        {
            var start = _in.At;
            if (!_in.TakeNumber(out before) || before > 30)
            {
                return _in.Fail("L- without a number of days from 0 to 30", start);
            }
        }

        if (_in.Take('W'))
        {
            values.NearestLastWeekdays |= 1u << before;
        }
        else
        {
            values.LastDays |= 1u << before;
        }

        return true;
    }

    /// <summary><c>H</c>, <c>H(a-b)</c>, <c>H/n</c>: a value, or a start of steps, that depends only on the job's name.</summary>
    private bool ParseHash()
    {
        var start = _in.At - 1;
        if (field == CronField.Year || hashKey.Length == 0)
        {
            return _in.Fail(
                "H is not a value", start, field == CronField.Year ? "" : ": it is derived from the job's name, and none was given");
        }

        var first = field.Min;
        var last = field == CronField.DayOfMonth ? 28 : field.Last; // every month has 28 days
        if (_in.Take('(') && !(_in.TakeValue(out first) && _in.Expect('-') && _in.TakeValue(out last) && _in.Expect(')')))
        {
            return false;
        }

        if (last < first)
        {
            return _in.Fail($"H({first}-{last}) runs backwards", start);
        }

        var isOpen = _in.Peek() == '/';
        if (!ParseStep(out var step))
        {
            return false;
        }

        IsHashed = true;
        var choices = isOpen ? Math.Min(step, last - first + 1) : last - first + 1;
        var chosen = first + (int)(JobHash.Of(hashKey, field) % (ulong)choices);
        return Add(chosen, isOpen ? last : chosen, step);
    }

    private bool ParseStep(out int step)
    {
        step = 1;
        if (!_in.Take('/'))
        {
            return true;
        }

        var start = _in.At;
        if (!_in.TakeNumber(out step) || step < 1)
        {
            return _in.Fail("a step without a number from 1 up", start);
        }

        var most = field.Size - 1;
        var hint = field.Unit == '\0' ? "" : $"; for every {step} {field.Name.Split(' ')[0]} write @every {step}{field.Unit}";
        return step <= most || _in.Fail($"step {step} is above {most}", start, hint);
    }

    /// <summary>Adds a range. One that ends before it begins wraps round, except in the years.</summary>
    private bool Add(int first, int last, int step, bool isAny = false)
    {
        if (field == CronField.DayOfWeek && first == 7)
        {
            (first, last) = (0, last == 7 ? 0 : last);
        }

        if (last < first)
        {
            if (field == CronField.Year)
            {
                return _in.Fail($"{first}-{last} runs backwards", 0);
            }

            last += field.Size;
        }

        IsAny |= isAny;
        IsRepeating |= first != last;
        for (var value = first; value <= last; value += step)
        {
            var index = value - field.Min;
            values.Add(field, index < field.Size ? index : index - field.Size);
        }

        return true;
    }
}

/// <summary>The hash behind <c>H</c>.</summary>
internal static class JobHash
{
    /// <summary>
    /// FNV-1a of the name in UTF-8, mixed with the number of the field. docs/cron.md publishes it: a change would move every job.
    /// </summary>
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
