using Dts.Common.Jobs;
using Dts.Worker.Commands;
using Dts.Worker.Commands.Holders;
using Dts.Worker.Records;

namespace Dts.Worker.Runs;

/// <summary>What surrounds a command on this host: its user, its cgroup, its secrets, its output file, its line in the journal.</summary>
internal sealed class CommandSite(
    WorkerSettings settings, RunAs runAs, RunCgroups cgroups, RunSecrets secrets, LaunchJournal journal, LiveOutput outputs)
{
    /// <summary>Makes all that the command of a run needs.</summary>
    /// <returns>Null = the run cannot start here; <paramref name="refusal"/> says why.</returns>
    public ShellCommand? TryMake(Run run, out string refusal)
    {
        if (!runAs.TryFind(run.Job, out var user, out refusal)
            || !secrets.TryFind(run, out var files, out refusal)
            || !cgroups.TryMake(run, out var cgroup, out refusal))
        {
            return null;
        }

        run.User = user?.Name ?? "";
        journal.Launching(run);
        run.Cgroup = cgroup;
        run.Secrets = files;
        run.Output = outputs.Begin(run);
        run.Span = RunSpan.Begin(run);
        return MakeCommand(run, user);
    }

    /// <summary>Undoes <see cref="TryMake"/>.</summary>
    public void Undo(Run run)
    {
        RunSpan.Discard(run);
        outputs.End(run.Output!);
        _ = cgroups.End(run);
        journal.Ended(run);
    }

    public void Launched(Run run, RunningCommand command) => journal.Launched(run, command);

    /// <summary>The command is over.</summary>
    /// <returns>What its cgroup used; null = it had none.</returns>
    public CgroupUse? End(Run run, CommandEnding ending)
    {
        journal.Ended(run);
        var use = cgroups.End(run);
        outputs.End(run.Output!, ending);
        return use;
    }

    /// <summary>Removes secrets of runs that are not held any more.</summary>
    public void RemoveSecrets(HeldCommands commands, IEnumerable<Run> held) => secrets.RemoveLeft(commands, held);

    private ShellCommand MakeCommand(Run run, UserAccount? user)
    {
        var job = run.Job;
        var shell = job.Shell.Length > 0 ? job.Shell : settings.Shell;
        var environment = MakeEnvironment(run, shell, user);
        return new ShellCommand
        {
            Script = job.Command,
            Environment = environment,
            Shell = shell,
            User = user,
            Cgroup = run.Cgroup,
            Secrets = run.Secrets,
            Cwd = job.Cwd.Length > 0 ? job.Cwd : environment["HOME"],
            OutputTarget = run.Output,
            OutputLimitBytes = job.OutputLimitBytes > 0 ? job.OutputLimitBytes : settings.OutputLimitBytes,
            Timeout = TimeSpan.FromSeconds(job.TimeoutSeconds),
            KillGrace = TimeSpan.FromSeconds(job.KillGraceSeconds),
        };
    }

    private Dictionary<string, string> MakeEnvironment(Run run, string shell, UserAccount? user)
    {
        var environment = CommandEnvironment.Clean(shell, user);
        foreach (var (name, value) in run.Job.Env.Concat(run.Spec.Env ?? new Dictionary<string, string>()))
        {
            environment[name] = value;
        }

        environment["DTS_JOB"] = run.Job.Name;
        environment["DTS_RUN_ID"] = run.Id;
        environment["DTS_PLAN_TIME"] = Cursor.Text(run.Spec.PlanTime);
        environment["DTS_ATTEMPT"] = $"{run.Spec.Attempt}";
        environment["DTS_TRIGGER"] = run.Spec.Trigger;
        environment["DTS_WORKER"] = settings.WorkerId;
        environment["DTS_FENCING_TOKEN"] = $"{run.FencingToken}";
        if (run.Spec.ShardTotal > 0)
        {
            environment["DTS_SHARD_INDEX"] = $"{run.Spec.ShardIndex}";
            environment["DTS_SHARD_TOTAL"] = $"{run.Spec.ShardTotal}";
        }

        if (run.Span?.Id is { } context)
        {
            _ = environment.TryAdd(RunSpan.Variable, context); // A job may go on from a context of its own.
        }

        if (run.Secrets is { } files)
        {
            environment[SecretFiles.Variable] = files.Folder;
        }

        return environment;
    }
}
