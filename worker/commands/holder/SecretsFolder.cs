using Dts.Common.Hosting;
using Dts.Worker.Native;
using Microsoft.Win32.SafeHandles;

namespace Dts.Worker.Commands.Holders;

/// <summary>The folder of one command's secrets. The command's user makes it, so no other user can read it.</summary>
internal static class SecretsFolder
{
    /// <summary>A secret is at most as long as a credential of systemd.</summary>
    public const int BytesMax = 1 << 20;

    private const UnixFileMode Readable = UnixFileMode.UserRead;
    private const UnixFileMode Closed = UnixFileMode.UserRead | UnixFileMode.UserExecute;
    private const UnixFileMode Open = Closed | UnixFileMode.UserWrite;

    /// <summary>Copies the secrets from their open files. Returns why that failed; null = it did not.</summary>
    public static string? Make(SecretFiles secrets, IReadOnlyList<int> opened)
    {
        try
        {
            // The same command may be prepared a second time, when the holder before this one died.
            Remove(secrets.Folder);
            if (Folders.Make(secrets.Folder) is < 0 and var error)
            {
                return $"no folder for its secrets can be made at {secrets.Folder}: {Libc.Describe(-error)}";
            }

            for (var i = 0; i < secrets.Files.Count; i++)
            {
                if (i >= opened.Count || opened[i] < 0)
                {
                    Remove(secrets.Folder);
                    return $"secret \"{secrets.Files[i].Name}\" could not be opened at {secrets.Files[i].Source}";
                }

                Copy(opened[i], Path.Combine(secrets.Folder, secrets.Files[i].Name));
            }

            File.SetUnixFileMode(secrets.Folder, Closed);
            return null;
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            Remove(secrets.Folder);
            return $"its secrets cannot be put into {secrets.Folder}: {failure.Message}";
        }
    }

    /// <summary>Removes a folder with its files. A link is removed, not followed.</summary>
    public static void Remove(string folder)
    {
        try
        {
            if (new DirectoryInfo(folder) is { Exists: true, LinkTarget: null })
            {
                File.SetUnixFileMode(folder, Open);
                Directory.Delete(folder, recursive: true);
            }
            else
            {
                File.Delete(folder);
            }
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            Console.Error.WriteLine($"secrets of a run stay in {Display.Line(folder)}: {Display.Line(failure.Message)}; remove the folder");
        }
    }

    private static void Copy(int opened, string path)
    {
        using var source = new SafeFileHandle(opened, ownsHandle: false);
        var options = new FileStreamOptions
        {
            Mode = FileMode.CreateNew, Access = FileAccess.Write, BufferSize = 0, UnixCreateMode = Readable,
        };
        using var target = new FileStream(path, options);
        Span<byte> piece = stackalloc byte[4096];
        for (var length = 0L; RandomAccess.Read(source, piece, length) is > 0 and var count; length += count)
        {
            if (length + count > BytesMax)
            {
                throw new IOException($"secret \"{Path.GetFileName(path)}\" is longer than {BytesMax} bytes");
            }

            target.Write(piece[..count]);
        }

        piece.Clear();
    }
}
