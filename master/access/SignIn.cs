using System.Net;

namespace Dts.Master.Access;

/// <summary>Checks names and passwords. The only caller of <see cref="PasswordHash"/> in a running master.</summary>
/// <remarks>
/// Thread-safe. At most half of the cores hash at a time, so that wrong passwords leave CPU to other requests. Each network has at most one
/// attempt in that queue, so a person waits for at most one attempt of each other network.
/// </remarks>
internal sealed class SignIn(AccessTable table, TimeProvider time) : IDisposable
{
    private readonly SemaphoreSlim _hashing = new(Math.Max(1, Environment.ProcessorCount / 2));
    private readonly SignInThrottle _throttle = new();
    private readonly Dictionary<IPAddress, Task> _latest = []; // The last attempt of each network.
    private readonly Lock _gate = new();

    public async Task<SignInAnswer> TryAsync(string name, string password, IPAddress address, CancellationToken cancel)
    {
        var network = ClientNetwork.Of(address);
        var turn = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        Task before;
        lock (_gate)
        {
            var wait = _throttle.Begin(name, address, table.IsUsedBy(name, address), time.GetElapsedTime(0));
            if (wait > TimeSpan.Zero)
            {
                return new SignInAnswer.TooMany(wait);
            }

            before = _latest.GetValueOrDefault(network, Task.CompletedTask);
            _latest[network] = turn.Task;
        }

        try
        {
            await before.WaitAsync(cancel);
            return await CheckAsync(name, password, address, cancel);
        }
        finally
        {
            // If this attempt was cancelled, later ones still wait for the one before it.
            _ = before.ContinueWith(
                _ => EndTurn(network, turn), CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
        }
    }

    private void EndTurn(IPAddress network, TaskCompletionSource turn)
    {
        lock (_gate)
        {
            if (_latest.GetValueOrDefault(network) == turn.Task)
            {
                _latest.Remove(network);
            }
        }

        turn.SetResult();
    }

    public void Dispose() => _hashing.Dispose();

    private async Task<SignInAnswer> CheckAsync(string name, string password, IPAddress address, CancellationToken cancel)
    {
        var known = table.People.GetValueOrDefault(name)?.Password;
        await _hashing.WaitAsync(cancel);
        try
        {
            var isRight = password.Length <= PasswordHash.LengthMax
                && await Task.Run(() => PasswordHash.IsRight(known, password), cancel);
            if (!isRight || table.FindPerson(name, address, CallerVia.Person) is not { } caller)
            {
                return new SignInAnswer.Wrong();
            }

            lock (_gate)
            {
                _throttle.Forgive(name, address);
            }

            return new SignInAnswer.Right(caller, known!.Id);
        }
        finally
        {
            _hashing.Release();
        }
    }
}

/// <summary>The result of an attempt to sign in.</summary>
internal abstract record SignInAnswer
{
    private SignInAnswer()
    {
    }

    /// <param name="Credential">The id of the password.</param>
    public sealed record Right(Caller Caller, string Credential) : SignInAnswer;

    public sealed record Wrong : SignInAnswer;

    public sealed record TooMany(TimeSpan Wait) : SignInAnswer;
}
