using System.Runtime.InteropServices;
using System.Text;
using Dts.Common.Hosting;

namespace Dts.Worker.Commands.Holders;

/// <summary>A command with all done that can be done before its time: starting it is one system call.</summary>
/// <remarks>Not thread-safe. It holds two descriptors and native memory until it is started or disposed.</remarks>
internal sealed unsafe class PreparedCommand : IDisposable
{
    private readonly byte* _block;
    private readonly byte* _program;
    private readonly byte** _arguments;
    private readonly byte** _environment;
    private CommandFiles _files;
    private int _output = -1;
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

        if (Native.OpenPipe(out var readEnd, out var writeEnd) is < 0 and var error)
        {
            Error = $"no pipe for its output: {Libc.Describe(-error)}";
            return;
        }

        (Input, _output) = (readEnd, writeEnd);
        if (command.Secrets is { } secrets)
        {
            Error = SecretsFolder.Make(secrets, files.Secrets ?? []);
            _files = files.CloseSecrets();
        }

        _block = Build(command, out _program, out _arguments, out _environment);
    }

    internal ShellCommand Command { get; }

    /// <summary>Why it cannot be started, if that is known already.</summary>
    internal string? Error { get; private set; }

    /// <summary>Our end of the pipe that the command writes to.</summary>
    internal int Input { get; private set; } = -1;

    /// <summary>Frees what was prepared; nothing to do once it is started.</summary>
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
            Native.DestroySpawnFileActions(_block);
            NativeMemory.Free(_block);
            Native.Close(_output);
            if (Input >= 0)
            {
                Native.Close(Input);
            }
        }
    }

    /// <summary>
    /// Starts a holder in a session of its own, which writes where this process does and outlives it. Its environment has nothing that is
    /// secret.
    /// </summary>
    /// <param name="user">The user that it becomes; null = it stays what we are.</param>
    /// <param name="handedOver">The descriptors that it finds as 3, 4 and so on. They have numbers above those.</param>
    /// <returns>Its pid, to be reaped by this process.</returns>
    /// <exception cref="IOException">It cannot be started.</exception>
    internal static int Launch(IReadOnlyList<string> program, UserAccount? user, params ReadOnlySpan<int> handedOver)
    {
        program = [.. user is null ? [] : UserSwitch.Front(user), .. program];
        string?[] strings = [.. program, null, .. CommandEnvironment.Clean(account: user).Select(pair => $"{pair.Key}={pair.Value}"), null];
        var actions = stackalloc byte[Native.SpawnFileActionsSize];
        var block = Lay(strings, headSize: 0, out var pointers);
        using var attributes = new SpawnAttributes(forHolder: true);
        _ = Native.InitSpawnFileActions(actions, output: 2, directory: null, handedOver);
        var pid = attributes.SpawnHolder(pointers[0], actions, pointers, pointers + program.Count + 1, switchesUser: user is not null);
        Native.DestroySpawnFileActions(actions);
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

        var pid = attributes.Spawn(_program, _block, _arguments, _environment);
        if (pid > 0)
        {
            return pid;
        }

        var entering = Command.Cwd is null ? 0 : Native.CheckDirectory(Command.Cwd);
        Error = entering < 0
            ? $"{Command.Cwd}: {Libc.Describe(-entering)}"
            : $"{Marshal.PtrToStringUTF8((nint)_program)}: {Libc.Describe(-pid)}";
        return 0;
    }

    /// <summary>Gives <see cref="Input"/> away: its new owner closes it.</summary>
    internal int TakeInput()
    {
        var input = Input;
        Input = -1;
        return input;
    }

    /// <summary>Gives the folder of its secrets away: its new owner removes it when the command has ended. Null = it has none.</summary>
    internal string? TakeSecrets()
    {
        _ownsSecrets = false;
        return Command.Secrets?.Folder;
    }

    /// <summary>Gives the files away: their new owner closes them.</summary>
    internal CommandFiles TakeFiles()
    {
        var files = _files;
        _files = CommandFiles.None;
        return files;
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

    // A shell takes a script that begins with one of these for an option. A leading space prevents that and changes nothing else.
    // ("--" does not work everywhere: fish takes it for the script.)
    private static string Guarded(string script) => script is ['-' or '+', ..] ? $" {script}" : script;

    private static bool HasZero(string text) => text.Contains('\0', StringComparison.Ordinal);

    // One block: file actions, then the pointers of argv and envp, then the strings they point at.
    private byte* Build(ShellCommand command, out byte* program, out byte** arguments, out byte** environment)
    {
        List<string> front = [.. command.Cgroup?.Front ?? []];
        string?[] strings =
        [
            .. front, command.Shell, "-c", Guarded(command.Script), null,
            .. command.Environment.Select(pair => $"{pair.Key}={pair.Value}"), null,
            command.Cwd,
        ];
        var block = Lay(strings, Native.SpawnFileActionsSize, out var pointers);
        program = pointers[0];
        arguments = pointers;
        environment = pointers + front.Count + 4;
        _ = Native.InitSpawnFileActions(block, _output, directory: pointers[strings.Length - 1], _files.Cgroup >= 0 ? [_files.Cgroup] : []);
        return block;
    }

    /// <summary>Lays texts, each ended by a zero, into one block behind a head and the pointers to them.</summary>
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
