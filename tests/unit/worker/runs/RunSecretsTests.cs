using Dts.Common.Etcd;
using Dts.Common.Jobs;
using Dts.Tests.Support;
using Dts.Worker.Commands;
using Dts.Worker.Commands.Holders;
using Dts.Worker.Runs;
using Xunit;

namespace Dts.Tests.Unit.Worker.Runs;

public sealed class RunSecretsTests : IDisposable
{
    private const UnixFileMode OnlyRead = UnixFileMode.UserRead;
    private readonly ScratchFolder _scratch = new();

    public RunSecretsTests()
    {
        foreach (var folder in (string[])["secrets", "credentials", "root"])
        {
            Directory.CreateDirectory(_scratch.File(folder));
        }

        File.WriteAllText(_scratch.File("secrets/db"), "s3cret\n");
        File.WriteAllText(_scratch.File("credentials/db"), "another");
        File.WriteAllText(_scratch.File("credentials/key"), "k3y");
    }

    public void Dispose() => _scratch.Dispose();

    [Fact]
    public void A_job_without_secrets_has_none() => Assert.Null(Find());

    [Fact]
    public void A_secret_is_in_the_folder_of_the_settings_or_else_a_credential()
    {
        var found = Find("db", "key")!;

        Assert.Equal(
            [new SecretFile("db", _scratch.File("secrets/db")), new SecretFile("key", _scratch.File("credentials/key"))], found.Files);
        Assert.NotEqual(found.Folder, Find("db", "key")!.Folder); // Nobody can guess the next one.
    }

    [Fact]
    public void The_refusal_names_the_missing_secret_and_the_places_that_lack_it()
    {
        Assert.False(Secrets().TryFind(Run("db", "absent"), out _, out var refusal));

        Assert.Equal(
            $"secret \"absent\" is missing on worker w1: there is no file {_scratch.File("secrets/absent")} or "
                + _scratch.File("credentials/absent"),
            refusal);
    }

    [Fact]
    public void A_folder_is_no_secret_and_neither_is_a_file_that_is_too_long()
    {
        Directory.CreateDirectory(_scratch.File("secrets/folder"));
        File.WriteAllBytes(_scratch.File("secrets/long"), new byte[SecretsFolder.BytesMax + 1]);

        Assert.False(Secrets().TryFind(Run("folder"), out _, out var folder));
        Assert.False(Secrets().TryFind(Run("long"), out _, out var tooLong));

        Assert.Contains("is missing on worker w1", folder);
        Assert.Equal(
            $"secret \"long\" cannot be read on worker w1: {_scratch.File("secrets/long")}: it has 1048577 bytes; "
                + "expected at most 1048576",
            tooLong);
    }

    [Fact]
    public void Without_a_folder_for_runs_only_jobs_with_secrets_fail()
    {
        var secrets = new RunSecrets([_scratch.File("secrets")], "/nowhere/secrets", "w1");

        Assert.True(secrets.TryFind(Run(), out _, out _));
        Assert.False(secrets.TryFind(Run("db"), out _, out var refusal));

        Assert.Equal("secrets is db, for which worker w1 has no folder: /nowhere/secrets: No such file or directory", refusal);
    }

    [Fact]
    public void A_folder_that_another_user_has_made_is_not_used()
    {
        if (UserAccount.Own == 0) // Only root can make one of another user.
        {
            Directory.CreateDirectory(_scratch.File("foreign"));
            using var chown = System.Diagnostics.Process.Start("chown", ["nobody", _scratch.File("foreign")]);
            chown.WaitForExit();
            var secrets = new RunSecrets([_scratch.File("secrets")], _scratch.File("foreign"), "w1");

            Assert.False(secrets.TryFind(Run("db"), out _, out var refusal));

            Assert.Equal($"secrets is db, for which worker w1 has no folder: {_scratch.File("foreign")}: File exists", refusal);
        }
    }

    [Fact]
    public async Task The_command_reads_its_secrets_in_a_closed_folder()
    {
        var files = Find("db", "key")!;
        using var runner = new CommandRunner();
        using var prepared = runner.Prepare(Command("cd $DTS_SECRETS; stat -c '%a %n' . *; cat db key", files));
        var folder = prepared.TakeSecrets()!;

        var ending = await runner.Start(prepared).Ended.Soon();
        SecretsFolder.Remove(folder);

        Assert.Equal("500 .\n400 db\n400 key\ns3cret\nk3y", ending.Output);
        Assert.Empty(Directory.GetFileSystemEntries(_scratch.File("root")));
    }

    [Fact]
    public void A_command_that_is_not_started_leaves_no_secret()
    {
        var files = Find("db")!;
        using var runner = new CommandRunner();
        var prepared = runner.Prepare(Command("true", files));
        Assert.True(File.Exists(Path.Combine(files.Folder, "db")));

        prepared.Dispose();

        Assert.Empty(Directory.GetFileSystemEntries(_scratch.File("root")));
    }

    [Fact]
    public async Task A_secret_that_has_gone_since_keeps_the_command_from_starting()
    {
        var files = Find("db", "key")!;
        File.Delete(_scratch.File("credentials/key"));
        using var runner = new CommandRunner();
        using var prepared = runner.Prepare(Command("true", files));

        var ending = await runner.Start(prepared).Ended.Soon();

        Assert.Equal($"cannot start: secret \"key\" could not be opened at {_scratch.File("credentials/key")}", ending.Error);
        Assert.Empty(Directory.GetFileSystemEntries(_scratch.File("root")));
    }

    [Fact]
    public void What_a_process_before_this_one_left_is_removed_but_for_the_secrets_of_commands_that_go_on()
    {
        var (held, left) = (Run("db"), Run("key"));
        foreach (var run in new[] { held, left })
        {
            Assert.True(Secrets().TryFind(run, out var files, out _));
            run.Secrets = files;
            Assert.Null(SecretsFolder.Make(files!, CommandFiles.Open(Command("true", files!)).Secrets!));
        }

        File.CreateSymbolicLink(_scratch.File("root/link"), _scratch.File("secrets"));
        var other = new Run(
            held.Name, held.Job, 1, RunSpec.Scheduled(Some.Now.AddMinutes(1)), Some.Now, 1, new LeaseId(1)) { Secrets = held.Secrets };
        Secrets().RemoveLeft(null!, [other]);
        Assert.Empty(Directory.GetFileSystemEntries(_scratch.File("root"))); // Those were of another run.

        Assert.Null(SecretsFolder.Make(held.Secrets!, CommandFiles.Open(Command("true", held.Secrets!)).Secrets!));
        Secrets().RemoveLeft(null!, [held]);
        Assert.Equal([held.Secrets!.Folder], Directory.GetFileSystemEntries(_scratch.File("root")));
        Assert.Equal(OnlyRead, File.GetUnixFileMode(Path.Combine(held.Secrets.Folder, "db")));
        Assert.True(File.Exists(_scratch.File("secrets/db"))); // The link was not followed.
        SecretsFolder.Remove(held.Secrets.Folder);
    }

    private static Run Run(params string[] secrets) => new(
        JobName.Parse("hello"),
        Some.Job() with { Secrets = secrets },
        1,
        RunSpec.Scheduled(Some.Now),
        Some.Now,
        1,
        new LeaseId(1));

    private static ShellCommand Command(string script, SecretFiles secrets) => new()
    {
        Script = script,
        Environment = new Dictionary<string, string> { ["PATH"] = "/usr/bin:/bin", [SecretFiles.Variable] = secrets.Folder },
        Secrets = secrets,
    };

    private RunSecrets Secrets() => new([_scratch.File("secrets"), _scratch.File("credentials")], _scratch.File("root"), "w1");

    private SecretFiles? Find(params string[] secrets)
    {
        Assert.True(Secrets().TryFind(Run(secrets), out var found, out var refusal), refusal);
        return found;
    }
}
