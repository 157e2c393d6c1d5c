namespace Dts.Common.Doctor;

/// <summary>A host's Linux distribution (os-release(5)): it determines the commands that the doctor suggests.</summary>
/// <param name="Families">ID and the ids in ID_LIKE.</param>
public sealed record Distribution(IReadOnlyList<string> Families)
{
    private const string Release = "/etc/os-release";

    public static Distribution Here { get; } = Parse(File.Exists(Release) ? File.ReadAllText(Release) : "");

    public static Distribution Parse(string release) => new([.. release.Split('\n')
        .Select(line => line.Split('=', 2))
        .Where(pair => pair is ["ID" or "ID_LIKE", _])
        .SelectMany(pair => pair[1].Trim().Trim('"', '\'').Split(' ', StringSplitOptions.RemoveEmptyEntries))]);

    public string Install(string package) => this switch
    {
        { IsDebian: true } => $"apt-get install {package}",
        { IsFedora: true } => $"dnf install {package}",
        { IsSuse: true } => $"zypper install {package}",
        _ => $"install {package}",
    };

    public bool IsDebian => Families.Any(family => family is "debian" or "ubuntu");

    public bool IsFedora => Families.Any(family => family is "fedora" or "rhel" or "centos");

    public bool IsSuse => Families.Any(family => family is "suse" or "opensuse" or "sles");
}
