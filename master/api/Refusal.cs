using Dts.Common.Hosting;

namespace Dts.Master.Api;

/// <summary>Thrown by a handler: the request is refused with this problem.</summary>
internal sealed class Refusal(Problem problem) : Exception(problem.Detail)
{
    public Problem Problem { get; } = problem;

    /// <summary>400: a part of the path, the query or a header cannot be read.</summary>
    public static Refusal BadQuery(string field, string value, string expected) =>
        new(Problem.Of(400, $"{field} is \"{Display.Line(value)}\"; expected {expected}", field, expected));

    /// <summary>404.</summary>
    public static Refusal NotFound(string message) => new(Problem.Of(404, message));

    /// <summary>409: the present state does not allow it.</summary>
    public static Refusal Conflict(string message) => new(Problem.Of(409, message));

    /// <summary>412: the resource is not the one that the condition names.</summary>
    public static Refusal Changed(string message, JobDifference? difference = null) =>
        new(Problem.Of(412, message) with { Difference = difference });

    /// <summary>413.</summary>
    public static Refusal TooLarge(string message) => new(Problem.Of(413, message));

    /// <summary>415.</summary>
    public static Refusal WrongType(string given, string expected) =>
        new(Problem.Of(415, $"Content-Type is \"{Display.Line(given)}\"; expected {expected}", "Content-Type", expected));

    /// <summary>422: the body is understood and wrong. Field and expectation are read from the message.</summary>
    public static Refusal Invalid(string message) => new(Problem.Of(422, message));

    /// <summary>422: the body is understood and wrong.</summary>
    public static Refusal Invalid(string field, string value, string expected) =>
        new(Problem.Of(422, $"{field} is \"{Display.Line(value)}\"; expected {expected}", field, expected));

    /// <summary>429.</summary>
    public static Refusal TooMany(string message) => new(Problem.Of(429, message));

    /// <summary>503: etcd, the log store or this master cannot answer now.</summary>
    public static Refusal Unavailable(string message) => new(Problem.Of(503, message));
}
