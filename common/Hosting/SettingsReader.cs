using System.Collections;
using System.Globalization;
using System.Text;
using System.Text.Json;

namespace Dts.Common.Hosting;

/// <summary>
/// Reads settings by name: JSON file, then systemd's credentials, then environment <c>DTS_*</c>, then arguments <c>--key value</c>; later
/// ones win.
/// </summary>
/// <remarks>
/// Names are the same everywhere, and their case does not matter; in the environment, and as a credential, etcdEndpoints is
/// DTS_ETCDENDPOINTS. A wrong value throws a <see cref="SettingsException"/> with key, value, source and expectation.
/// </remarks>
public sealed class SettingsReader
{
    /// <summary>The variable with the clock file of a fault test; it is not a setting.</summary>
    public const string TestClock = "DTS_TEST_CLOCK";

    // Variables of the command line (dts-master ls) and of tests, which a service may inherit.
    private static readonly string[] NoSettings = ["DTS_URL", "DTS_TOKEN", TestClock];

    // As arguments they have no value, or one after a "=".
    private static readonly HashSet<string> Flags = new(StringComparer.OrdinalIgnoreCase) { "drain" };

    private readonly Dictionary<string, Setting> _given = new(StringComparer.OrdinalIgnoreCase);
    private readonly HashSet<string> _known = new(StringComparer.OrdinalIgnoreCase);
    private readonly List<string> _effective = [];
    private readonly List<string> _exposed = [];
    private readonly Dictionary<string, string> _values = new(StringComparer.OrdinalIgnoreCase);

    private SettingsReader()
    {
    }

    /// <summary>All settings read so far, one <c>key=value</c> each, secrets masked.</summary>
    public string Effective => string.Join(' ', _effective);

    /// <summary>The same by key, with secrets in clear: for comparison only.</summary>
    public IReadOnlyDictionary<string, string> Values => _values;

    /// <summary>Secrets that were given as arguments, which every user of the host can read.</summary>
    public IReadOnlyList<string> Exposed => _exposed;

    /// <param name="defaultFile">Read if it exists and no --config is given.</param>
    /// <param name="credentials">The folder of systemd's credentials; null = the one that the environment names.</param>
    /// <param name="environment">Its variables; null = the process's.</param>
    public static SettingsReader Load(
        string[] arguments, string defaultFile, string? credentials = null, IDictionary? environment = null)
    {
        var reader = new SettingsReader();
        var fromArguments = ParseArguments(arguments);
        var file = fromArguments.GetValueOrDefault("config") ?? Environment.GetEnvironmentVariable("DTS_CONFIG");
        if (file is not null || File.Exists(defaultFile))
        {
            reader.AddFile(file ?? defaultFile);
        }

        reader.AddCredentials(credentials ?? Environment.GetEnvironmentVariable("CREDENTIALS_DIRECTORY"));
        foreach (DictionaryEntry variable in environment ?? Environment.GetEnvironmentVariables())
        {
            var name = (string)variable.Key;
            if (name.StartsWith("DTS_", StringComparison.OrdinalIgnoreCase) && !NoSettings.Contains(name))
            {
                reader._given[name[4..]] = new Setting((string?)variable.Value ?? "", $"environment {name}", MustBeKnown: false);
            }
        }

        foreach (var (key, value) in fromArguments)
        {
            reader._given[key] = new Setting(value, $"argument --{key}", MustBeKnown: true);
        }

        reader._known.Add("config");
        return reader;
    }

    /// <summary>Each setting that <paramref name="read"/> asks for, with its default.</summary>
    public static IReadOnlyDictionary<string, string> ListDefaults(Action<SettingsReader> read)
    {
        var reader = new SettingsReader();
        read(reader);
        return reader.Values;
    }

    public string Text(string key, string fallback, Func<string, bool>? isValid = null, string expected = "")
    {
        var value = Read(key, fallback);
        return isValid is null || isValid(value) ? value : throw Wrong(key, value, expected);
    }

    /// <summary>A text that is never printed.</summary>
    public string Secret(string key)
    {
        _known.Add(key);
        var given = _given.GetValueOrDefault(key);
        var value = given?.Value ?? "";
        if (value.Length > 0 && given is { MustBeKnown: true })
        {
            _exposed.Add(key);
        }

        _effective.Add($"{key}={(value.Length > 0 ? "***" : "")}");
        _values[key] = value;
        return value;
    }

    public int Number(string key, int fallback, int min, int max)
    {
        var value = Read(key, fallback.ToString(CultureInfo.InvariantCulture));
        return int.TryParse(value, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var number)
            && number >= min
            && number <= max
            ? number
            : throw Wrong(key, value, $"a whole number from {min} to {max}");
    }

    /// <summary>True or false; as an argument the name alone means true.</summary>
    public bool Flag(string key) => Read(key, "false") switch
    {
        "true" => true,
        "false" => false,
        var value => throw Wrong(key, value, "true or false"),
    };

    public TimeSpan Milliseconds(string key, int fallback, int min = 1, int max = 3_600_000) =>
        TimeSpan.FromMilliseconds(Number(key, fallback, min, max));

    public TimeSpan Seconds(string key, int fallback, int min = 0, int max = 86_400) =>
        TimeSpan.FromSeconds(Number(key, fallback, min, max));

    /// <summary>A JSON array in the file, elsewhere texts separated by commas.</summary>
    public IReadOnlyList<string> List(string key, string fallback) =>
        Read(key, fallback).Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries);

    public SettingsException Wrong(string key, string value, string expected) =>
        new($"setting {key}: \"{Display.Line(value)}\" ({_given.GetValueOrDefault(key)?.Source ?? "default"}); expected {expected}");

    /// <summary>
    /// Refuses unknown arguments and returns the other unknown settings. Names outside ASCII are comments in files of the original system.
    /// </summary>
    public IReadOnlyList<string> FindUnknown()
    {
        var unknown = _given.Where(setting => !_known.Contains(setting.Key)).ToList();
        if (unknown.FirstOrDefault(setting => setting.Value.MustBeKnown) is { Key: not null } wrong)
        {
            throw new SettingsException($"{wrong.Value.Source}: there is no such setting; known are {string.Join(", ", _known.Order())}");
        }

        return [.. unknown.Where(setting => setting.Key.All(char.IsAscii)).Select(setting => $"{setting.Key} ({setting.Value.Source})")];
    }

    private static Dictionary<string, string> ParseArguments(string[] arguments)
    {
        var parsed = new Dictionary<string, string>(StringComparer.OrdinalIgnoreCase);
        for (var i = 0; i < arguments.Length; i++)
        {
            var key = arguments[i].TrimStart('-');
            if (key.Length == arguments[i].Length || key.Length == 0)
            {
                throw new SettingsException($"argument \"{Display.Line(arguments[i])}\": expected --key value");
            }

            if (key.Split('=', 2) is [var name, var joined])
            {
                parsed[name] = joined;
            }
            else if (Flags.Contains(key))
            {
                parsed[key] = "true";
            }
            else if (++i < arguments.Length)
            {
                parsed[key] = arguments[i];
            }
            else
            {
                throw new SettingsException($"argument --{key} has no value; expected --key value");
            }
        }

        return parsed;
    }

    /// <summary>Credentials of the unit (LoadCredential= in systemd.exec(5)): files named like the variables.</summary>
    private void AddCredentials(string? folder)
    {
        try
        {
            foreach (var path in Directory.Exists(folder) ? Directory.EnumerateFiles(folder, "DTS_*") : [])
            {
                _given[Path.GetFileName(path)[4..]] = new Setting(
                    File.ReadAllText(path).TrimEnd('\r', '\n'), $"credential {path}", MustBeKnown: false);
            }
        }
        catch (Exception wrong) when (wrong is IOException or UnauthorizedAccessException)
        {
            throw StartFailure.Of(wrong, $"credentials in {folder} cannot be read: {wrong.Message}");
        }
    }

    private void AddFile(string path)
    {
        try
        {
            var options = new JsonDocumentOptions { CommentHandling = JsonCommentHandling.Skip, AllowTrailingCommas = true };
            var text = File.ReadAllBytes(path).AsMemory();
            using var document = JsonDocument.Parse(
                text.Span.StartsWith(Encoding.UTF8.Preamble) ? text[Encoding.UTF8.Preamble.Length..] : text, options);
            foreach (var member in document.RootElement.EnumerateObject())
            {
                _given[member.Name] = new Setting(AsText(member.Value), path, MustBeKnown: false);
            }
        }
        catch (Exception wrong) when (wrong is IOException or UnauthorizedAccessException)
        {
            throw StartFailure.Of(wrong, $"settings file {path} cannot be read: {wrong.Message}");
        }
        catch (Exception wrong) when (wrong is JsonException or InvalidOperationException)
        {
            throw new SettingsException($"settings file {path} is not a JSON object: {wrong.Message}");
        }
    }

    private static string AsText(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.String => value.GetString() ?? "",
        JsonValueKind.Array => string.Join(',', value.EnumerateArray().Select(AsText)),
        JsonValueKind.Null => "",
        _ => value.GetRawText(),
    };

    private string Read(string key, string fallback)
    {
        _known.Add(key);
        var value = _given.GetValueOrDefault(key)?.Value ?? fallback;
        _values[key] = value;
        _effective.Add(value.Contains(' ') ? $"{key}=\"{Display.Line(value)}\"" : $"{key}={Display.Line(value)}");
        return value;
    }

    /// <param name="Source">Its origin, for messages.</param>
    private sealed record Setting(string Value, string Source, bool MustBeKnown);
}
