using System.Text.RegularExpressions;
using Dts.Common.Hosting;
using Dts.Master.Versions;

namespace Dts.Master.Access;

/// <summary>The rules for names of people and tokens, which appear in etcd's keys, headers, logs and the audit trail.</summary>
internal static partial class AccessNames
{
    public const string Expected = "1 to 64 letters, digits, '.', '_', '-' or '@'";

    // Names of callers without a record.
    private static readonly string[] Taken = [Author.Token, Author.Local, Author.Unknown.By, "master"];

    /// <exception cref="FormatException">The text cannot be a name.</exception>
    public static string Check(string text) => IsName(text) ? text
        : !Form().IsMatch(text) ? throw new FormatException($"name is \"{Display.Line(text)}\"; expected {Expected}")
        : throw new FormatException($"name is \"{text}\", which names callers without a record; expected another");

    public static bool IsName(string text) => Form().IsMatch(text) && !Taken.Contains(text);

    [GeneratedRegex(@"^[A-Za-z0-9][A-Za-z0-9._@-]{0,63}\z")]
    private static partial Regex Form();
}
