namespace Dts.Master.Versions;

/// <summary>Who changes a job.</summary>
/// <param name="By"><c>token</c>: the holder of the apiToken; <c>local</c>: a master without a token was asked on its own host.</param>
/// <param name="From">The client's address; behind a proxy on this host, the one that the proxy saw.</param>
internal sealed record Author(string By, string From)
{
    public const string Token = "token", Local = "local";

    /// <summary>Of a version that no master saved: put with etcdctl, or by a DTS that kept no versions.</summary>
    public static readonly Author Unknown = new("unknown", "");
}
