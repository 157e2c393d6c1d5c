using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Dts.Common.Logs;
using Dts.Worker.Commands;

namespace Dts.Worker.Records;

/// <summary>The folder of records that the log store refuses because of their content: a JSON file each, with the store's reason.</summary>
/// <remarks>
/// One thread writes. No file is ever removed. Above a limit, records are appended to one file with their outputs shortened, so that no
/// record blocks those behind it.
/// </remarks>
/// <param name="filesMax">So many records have files of their own.</param>
internal sealed class RefusedRecords(string folder, int filesMax = 1000)
{
    private const long BytesMax = 64 << 20;
    private const string Pattern = "*.json";
    private const string Rest = "more.jsonl";

    private int _count = Count(folder);

    public string Folder => folder;

    /// <summary>The number of records in the folder, as far as this process knows.</summary>
    public int Kept => Volatile.Read(ref _count);

    public static int Count(string folder)
    {
        var rest = Path.Combine(folder, Rest);
        return (Directory.Exists(folder) ? Directory.EnumerateFiles(folder, Pattern).Count() : 0)
            + (File.Exists(rest) ? File.ReadLines(rest).Count() : 0);
    }

    /// <summary>Keeps a record durably, and returns its file; null = it is there already.</summary>
    /// <exception cref="IOException">The disk cannot be written.</exception>
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
        if (files.Length >= filesMax || files.Sum(file => file.Length) >= BytesMax)
        {
            path = Path.Combine(folder, Rest);
            Write(path, FileMode.Append, refused with { What = refused.What.Shortened() });
        }
        else
        {
            Write(path + ".new", FileMode.Create, refused);
            File.Move(path + ".new", path, overwrite: true);
        }

        Interlocked.Increment(ref _count);
        return path;
    }

    private static void Write(string path, FileMode mode, Refused<RunRecord> refused)
    {
        using var file = new FileStream(path, mode, FileAccess.Write);
        JsonSerializer.Serialize(file, refused, LogsJson.Readable.RefusedRunRecord);
        file.WriteByte((byte)'\n');
        file.Flush(flushToDisk: true);
    }
}
