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

    public string AddKernelArgument(string argument) => this switch
    {
        { IsDebian: true } => $"sed -i 's/^GRUB_CMDLINE_LINUX=\"/&{argument} /' /etc/default/grub; update-grub; reboot",
        { IsFedora: true } => $"grubby --update-kernel=ALL --args={argument}; reboot",
        { IsSuse: true } =>
            $"sed -i 's/^GRUB_CMDLINE_LINUX_DEFAULT=\"/&{argument} /' /etc/default/grub; grub2-mkconfig -o /boot/grub2/grub.cfg; reboot",
        _ => $"add {argument} to the kernel's command line; reboot",
    };

    private bool IsDebian => Families.Any(family => family is "debian" or "ubuntu");

    private bool IsFedora => Families.Any(family => family is "fedora" or "rhel" or "centos");

    private bool IsSuse => Families.Any(family => family is "suse" or "opensuse" or "sles");
}
