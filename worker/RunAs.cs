using Dts.Common;
using Dts.Common.Jobs;
using Dts.Common.Shell;
using Microsoft.Extensions.Logging;

namespace Dts.Worker;

/// <summary>As whom jobs may run here: what the setting allows, the host knows, and this process has the rights for.</summary>
internal sealed class RunAs(IReadOnlyList<string> allowed, string workerId, string? missing)
{
    private const string Anyone = "*";

    /// <summary>Says at once if what the setting allows cannot be had.</summary>
    public static RunAs Open(WorkerSettings settings, ILogger log)
    {
        var missing = UserSwitch.FindMissing();
        if (settings.RunAs.Count > 0 && missing is not null)
        {
            log.CannotSwitchUsers(string.Join(',', settings.RunAs), missing);
        }

        return new RunAs(settings.RunAs, settings.WorkerId, missing);
    }

    /// <summary>The user of a job, null if it names none; false = it must not or cannot run as that user here, and <paramref name="refusal"/> says why.</summary>
    public bool TryFind(Job job, out UserAccount? user, out string refusal)
    {
        user = job.User.Length > 0 ? UserAccount.Find(job.User) : null;
        refusal = job.User.Length > 0 ? FindRefusal(job.User, user) : "";
        return refusal.Length == 0;
    }

    /// <summary>Root, by whatever name, only if it is named.</summary>
    private string FindRefusal(string name, UserAccount? user) =>
        !allowed.Contains(name) && !allowed.Contains(Anyone)
            ? $"user \"{name}\" is not allowed on worker {workerId}: its setting runAs is \"{string.Join(',', allowed)}\"; expected that it names {name}"
        : user is null
            ? $"user \"{name}\" is unknown on the host of worker {workerId}; expected one that getent passwd shows there"
        : user.Uid == 0 && !allowed.Contains(name)
            ? $"user \"{name}\" is not allowed on worker {workerId}: * in its setting runAs does not include root; expected that it names {name}"
        : missing is not null
            ? $"user \"{name}\" is out of reach of worker {workerId}: {missing}"
        : "";
}
