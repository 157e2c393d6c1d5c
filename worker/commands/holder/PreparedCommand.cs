using System.Runtime.InteropServices;
using System.Text;
using Dts.Common.Hosting;
using Dts.Worker.Native;

namespace Dts.Worker.Commands.Holders;

/// <summary>A command that is prepared so far that it only needs a pipe and one system call to start.</summary>
/// <remarks>
/// Not thread-safe. It holds native memory until it is started or disposed. It opens its pipe at the start, because a new process costs the
/// kernel time for each descriptor that this process has open.
/// </remarks>
internal sealed unsafe class PreparedCommand : IDisposable
{
    private readonly byte* _block;
    private readonly byte* _program;
    private readonly byte* _directory;
    private readonly byte** _arguments;
    private readonly byte** _environment;
    private CommandFiles _files;
    private bool _ownsSecrets = true;
    private bool _disposed;

    /// <param name="files">The prepared command takes ownership of them.</param>
    internal PreparedCommand(ShellCommand command, CommandFiles files)
    {
        (Command, _files) = (command, files);
        Error = FindFault(command);
        if (Error is not null)
        {
            return;
        }

        if (command.Secrets is { } secrets)
        {
            Error = SecretsFolder.Make(secrets, files.Secrets ?? []);
            _files = files.CloseSecrets();
        }

        _block = Build(command, out _program, out _arguments, out _environment, out _directory);
    }

    internal ShellCommand Command { get; }

    /// <summary>Why it cannot be started, if that is known already.</summary>
    internal string? Error { get; private set; }

    /// <summary>The reading end of the pipe that the command writes to.</summary>
    internal int Input { get; private set; } = -1;

    /// <summary>Frees the descriptors and the memory.</summary>
    public void Dispose()
    {
        if (_disposed)
        {
            return;
        }

        _disposed = true;
        _files.Close();
        if (_ownsSecrets && Command.Secrets is { } secrets)
        {
            SecretsFolder.Remove(secrets.Folder);
        }

        if (_block is not null)
        {
            NativeMemory.Free(_block);
        }

        if (Input >= 0)
        {
            FileDescriptors.Close(Input);
        }
    }

    /// <summary>
    /// Starts a holder in a session of its own. It shares this process's standard error and outlives this process. Its environment
    /// contains no secrets.
    /// </summary>
    /// <param name="user">The user that it runs as; null = this process's.</param>
    /// <param name="passed">The descriptors that it finds as 3, 4 and so on. Their own numbers are higher.</param>
    /// <returns>Its pid; this process reaps it.</returns>
    /// <exception cref="IOException">It cannot be started.</exception>
    internal static int Launch(IReadOnlyList<string> program, UserAccount? user, params ReadOnlySpan<int> passed)
    {
        program = [.. user is null ? [] : UserSwitch.Front(user), .. program];
        string?[] strings = [.. program, null, .. CommandEnvironment.Clean(account: user).Select(pair => $"{pair.Key}={pair.Value}"), null];
        var actions = stackalloc byte[PosixSpawn.FileActionsSize];
        var block = Lay(strings, headSize: 0, out var pointers);
        using var attributes = new SpawnAttributes(forHolder: true);
        var pid = PosixSpawn.InitFileActions(actions, output: 2, directory: null, passed);
        if (pid == 0)
        {
            pid = attributes.SpawnHolder(pointers[0], actions, pointers, pointers + program.Count + 1, switchesUser: user is not null);
        }

        PosixSpawn.DestroyFileActions(actions);
        NativeMemory.Free(block);
        if (pid <= 0)
        {
            throw new IOException($"{program[0]}: {Libc.Describe(-pid)}");
        }

        return pid;
    }

    /// <summary>Executes the shell: its pid, or 0 and <see cref="Error"/> says why.</summary>
    internal int Spawn(SpawnAttributes attributes)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        if (Error is not null)
        {
            return 0;
        }

        if (FileDescriptors.OpenPipe(out var readEnd, out var output) is < 0 and var error)
        {
            Error = $"no pipe for its output: {Libc.Describe(-error)}";
            return 0;
        }

        Input = readEnd;
        _ = PosixSpawn.InitFileActions(_block, output, _directory, _files.Cgroup >= 0 ? [_files.Cgroup] : []);
        var pid = attributes.Spawn(_program, _block, _arguments, _environment);
        PosixSpawn.DestroyFileActions(_block);
        FileDescriptors.Close(output);
        if (pid > 0)
        {
            return pid;
        }

        Error = WhyNot(-pid);
        return 0;
    }

    /// <summary>Transfers <see cref="Input"/> to the caller, who closes it.</summary>
    internal int TakeInput()
    {
        var input = Input;
        Input = -1;
        return input;
    }

    /// <summary>Transfers the folder of its secrets to the caller, who removes it after the command. Null = there is none.</summary>
    internal string? TakeSecrets()
    {
        _ownsSecrets = false;
        return Command.Secrets?.Folder;
    }

    /// <summary>Transfers the files to the caller, who closes them.</summary>
    internal CommandFiles TakeFiles()
    {
        var files = _files;
        _files = CommandFiles.None;
        return files;
    }

    /// <summary>Names the member of the job that prevents the start. A job without a cwd runs in HOME.</summary>
    private string WhyNot(int error)
    {
        var entering = Command.Cwd is null ? 0 : Folders.Check(Command.Cwd);
        var folder = Command.Environment.GetValueOrDefault("HOME") == Command.Cwd ? "HOME" : "cwd";
        var program = Marshal.PtrToStringUTF8((nint)_program);
        return entering < 0 ? $"{folder} \"{Command.Cwd}\": {Libc.Describe(-entering)}"
            : program == Command.Shell ? $"shell \"{program}\": {Libc.Describe(error)}"
            : $"{program}: {Libc.Describe(error)}";
    }

    private static string? FindFault(ShellCommand command)
    {
        if (HasZero(command.Script) || HasZero(command.Shell) || HasZero(command.Cwd ?? ""))
        {
            return "a zero character in the script, the shell or the directory";
        }

        foreach (var (name, value) in command.Environment)
        {
            if (name.Length == 0 || name.Contains('=', StringComparison.Ordinal) || HasZero(name) || HasZero(value))
            {
                return $"environment variable \"{name.Replace('\0', '?')}\": no '=' in a name and no zero character anywhere";
            }
        }

        return null;
    }

    // Shells take a script that begins with one of these for an option. A leading space prevents that and changes nothing else.
    // ("--" does not work everywhere: fish takes it for the script.)
    private static string Guarded(string script) => script is ['-' or '+', ..] ? $" {script}" : script;

    private static bool HasZero(string text) => text.Contains('\0', StringComparison.Ordinal);

    // One block: room for file actions, then the pointers of argv and envp, then the strings they point at.
    private static byte* Build(
        ShellCommand command, out byte* program, out byte** arguments, out byte** environment, out byte* directory)
    {
        List<string> front = [.. command.Cgroup?.Front ?? []];
        string?[] strings =
        [
            .. front, command.Shell, "-c", Guarded(command.Script), null,
            .. command.Environment.Select(pair => $"{pair.Key}={pair.Value}"), null,
            command.Cwd,
        ];
        var block = Lay(strings, PosixSpawn.FileActionsSize, out var pointers);
        program = pointers[0];
        arguments = pointers;
        environment = pointers + front.Count + 4;
        directory = pointers[strings.Length - 1];
        return block;
    }

    /// <summary>Puts zero-terminated texts into one block, behind a head and the pointers to them.</summary>
    private static byte* Lay(string?[] strings, int headSize, out byte** pointers)
    {
        var textStart = headSize + (strings.Length * sizeof(byte*));
        var size = textStart + strings.Sum(text => text is null ? 0 : Encoding.UTF8.GetByteCount(text) + 1);
        var block = (byte*)NativeMemory.Alloc((nuint)size);
        var next = block + textStart;
        pointers = (byte**)(block + headSize);
        for (var i = 0; i < strings.Length; i++)
        {
            pointers[i] = null;
            if (strings[i] is { } text)
            {
                pointers[i] = next;
                next += Encoding.UTF8.GetBytes(text, new Span<byte>(next, (int)(block + size - next)));
                *next++ = 0;
            }
        }

        return block;
    }
}
