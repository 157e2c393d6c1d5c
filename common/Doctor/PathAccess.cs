using Dts.Common.Hosting;

namespace Dts.Common.Doctor;

/// <summary>Whether a path can be written, found out without writing.</summary>
public static class PathAccess
{
    /// <summary>The path itself if it exists, else its nearest ancestor that does.</summary>
    public static string NearestExisting(string path)
    {
        while (!Path.Exists(path) && Path.GetDirectoryName(path) is { } above)
        {
            path = above;
        }

        return path;
    }

    /// <summary>The reason of the kernel; null = this user can write the file, or files in the folder.</summary>
    public static string? WhyNotWritable(string path) => Libc.CheckWritable(path) is < 0 and var error ? Libc.Describe(-error) : null;
}
