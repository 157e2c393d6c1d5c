namespace Dts.Common.Doctor;

/// <summary>What may be done in a place of the file system, found out without doing it.</summary>
public static class Folder
{
    /// <summary>The path itself if something is there, else what is nearest above it.</summary>
    public static string NearestExisting(string path)
    {
        while (!Path.Exists(path) && Path.GetDirectoryName(path) is { } above)
        {
            path = above;
        }

        return path;
    }

    /// <summary>Null = this user can write it; for a folder: files in it.</summary>
    public static string? WhyNotWritable(string path) => Native.CheckWritable(path) is < 0 and var error ? Native.Describe(-error) : null;
}
