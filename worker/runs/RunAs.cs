using Dts.Common.Hosting;
using Dts.Common.Jobs;
using Dts.Worker.Commands;
using Microsoft.Extensions.Logging;

namespace Dts.Worker.Runs;

/// <summary>The users that jobs may run as here: the settings allow them, the host knows them, and the worker can switch to them.</summary>
/// <param name="jobUser">The user of jobs that name none; null = the worker's own.</param>
internal sealed class RunAs(
    IReadOnlyList<string> allowed, string workerId, string? missing, UserAccount? jobUser = null, UserLookup? users = null)
{
    private const string Anyone = "*";

    private readonly UserLookup _users = users ?? new UserLookup(UserAccount.Ask, TimeProvider.System);

    public UserAccount? JobUser => jobUser;

    /// <summary>Warns at the start when this worker cannot switch users, and when commands run as the worker's own user.</summary>
    /// <exception cref="SettingsException">Commands cannot run as jobUser, and must not run as the worker instead.</exception>
    public static RunAs Open(WorkerSettings settings, ILogger log)
    {
        var missing = UserSwitch.FindMissing();
        var jobUser = settings.JobUser.Length > 0 ? FindJobUser(settings.JobUser, missing) : null;
        if (jobUser is null)
        {
            log.CommandsReachWorker(Environment.UserName, missing is null
                ? "set jobUser to run them as another user"
                : $"to run them as another user, set jobUser and let this worker switch users: {missing}");
        }

        if (settings.RunAs.Count > 0 && missing is not null)
        {
            log.CannotSwitchUsers(string.Join(',', settings.RunAs), missing);
        }

        return new RunAs(settings.RunAs, settings.WorkerId, missing, jobUser);
    }

    /// <summary>
    /// Finds the user of a job: the one that the job names, else jobUser. False = the job cannot run as that user here;
    /// <paramref name="refusal"/> says why.
    /// </summary>
    public bool TryFind(Job job, out UserAccount? user, out string refusal)
    {
        (user, refusal) = job.User.Length == 0 || job.User == jobUser?.Name ? (jobUser, "") : Find(job.User);
        return refusal.Length == 0;
    }

    private (UserAccount? User, string Refusal) Find(string name) =>
        !allowed.Contains(name) && !allowed.Contains(Anyone)
            ? (null, $"user \"{name}\" is not allowed on worker {workerId}: its setting runAs is \"{string.Join(',', allowed)}\"; "
                + $"expected that it names {name}")
        : !_users.TryFind(name, out var user)
            ? (null, $"user \"{name}\" cannot be looked up on the host of worker {workerId}: there was no answer within "
                + $"{UserLookup.Within.TotalMilliseconds:0} ms; see whether getent passwd {name} and the user's home answer there")
        : (user, FindRefusal(name, user));

    /// <summary>Root, by whatever name, only if it is named.</summary>
    private string FindRefusal(string name, UserAccount? user) =>
        user is null
            ? $"user \"{name}\" is unknown on the host of worker {workerId}; expected one that getent passwd shows there"
        : user.Uid == 0 && !allowed.Contains(name)
            ? $"user \"{name}\" is not allowed on worker {workerId}: * in its setting runAs does not include root; "
                + $"expected that it names {name}"
        : jobUser is not null && user.Uid != 0 && user.Uid == UserAccount.Own
            ? $"user \"{name}\" is worker {workerId}'s own user, and with jobUser set no command may run as that user; "
                + "expected another user"
        : missing is not null
            ? $"user \"{name}\" is out of reach of worker {workerId}: {missing}"
        : "";

    private static UserAccount FindJobUser(string name, string? missing) =>
        missing is not null ? throw new SettingsException($"jobUser is \"{name}\", but this worker cannot switch users: {missing}")
        : UserAccount.Find(name) is not { } user
            ? throw new SettingsException(
                $"jobUser is \"{name}\"; expected a user of this host: useradd -r -s /sbin/nologin {name}")
        : user.Uid == 0 || user.Uid == UserAccount.Own
            ? throw new SettingsException(
                $"jobUser is \"{name}\"; expected a user other than root and this worker's own user, {Environment.UserName}: "
                + "useradd -r -s /sbin/nologin dts-job")
        : user;
}
