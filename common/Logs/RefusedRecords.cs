using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Dts.Common.Shell;

namespace Dts.Common.Logs;

/// <summary>A folder of records that the log store refuses because of their content: one JSON file each, with the reason.</summary>
/// <remarks>
/// One thread writes. DTS removes no file: when the folder is full, the next refused record stays in the spool until the operator makes
/// room.
/// </remarks>
public sealed class RefusedRecords(string folder)
{
    private const int FilesMax = 1000;
    private const long BytesMax = 64 << 20;
    private const string Pattern = "*.json";

    private int _count = Count(folder);

    public string Folder => folder;

    /// <summary>The number of files in the folder, as last counted by this process.</summary>
    public int Files => Volatile.Read(ref _count);

    public static int Count(string folder) => Directory.Exists(folder) ? Directory.EnumerateFiles(folder, Pattern).Count() : 0;

    /// <summary>Stores a record durably and returns its file; null = the file exists already.</summary>
    /// <exception cref="IOException">The folder is full, or the file cannot be written.</exception>
    public string? TryKeep(Refused<RunRecord> refused)
    {
        var id = Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(refused.What.Id)))[..16];
        var path = Path.Combine(folder, string.Create(CultureInfo.InvariantCulture, $"{refused.What.EndTime}-{id}.json"));
        if (File.Exists(path))
        {
            return null;
        }

        HolderFolder.Make(folder); // Closed to other users.
        var files = new DirectoryInfo(folder).GetFiles(Pattern);
        if (files.Length >= FilesMax || files.Sum(file => file.Length) >= BytesMax)
        {
            throw new IOException(string.Create(
                CultureInfo.InvariantCulture,
                $"the store refuses {refused.What.Id} ({refused.Reason}) and {folder} is full: it holds at most {FilesMax} files "
                + $"or {BytesMax} bytes; move its files away"));
        }

        using (var file = new FileStream(path + ".new", FileMode.Create, FileAccess.Write))
        {
            JsonSerializer.Serialize(file, refused, DtsJson.Readable.RefusedRunRecord);
            file.Flush(flushToDisk: true);
        }

        File.Move(path + ".new", path, overwrite: true);
        Volatile.Write(ref _count, files.Length + 1);
        return path;
    }
}
