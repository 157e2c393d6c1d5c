using System.Reflection;
using System.Runtime.InteropServices;

namespace Dts.Common.Logs.Mongo;

/// <summary>The calls into the official MongoDB C driver, libmongoc (https://mongoc.org), and its libbson.</summary>
/// <remarks>The library is looked for when it is first needed, under its new name and its old one; its two lines differ in nothing that is called here.</remarks>
internal static unsafe partial class LibMongoc
{
    private const string Mongoc = "mongoc";
    private const string Bson = "bson";
    private const int ErrorSize = 512;      // bson_error_t: two 32-bit numbers, then the message.
    private const int ErrorCodeAt = 4;
    private const int ErrorMessageAt = 8;
    private const int ServerErrors = 17;    // MONGOC_ERROR_SERVER: the domain of errors that come from the server.
    private const int BsonSize = 128;       // bson_t, which is aligned to its size.
    private const int ErrorApiVersion2 = 2; // mongoc_errors(3): server errors come with the server's own codes.

    private static readonly string[] MongocNames = ["libmongoc2.so.2", "libmongoc-1.0.so.0"];
    private static readonly string[] BsonNames = ["libbson2.so.2", "libbson-1.0.so.0"];

    static LibMongoc() => NativeLibrary.SetDllImportResolver(typeof(LibMongoc).Assembly, Resolve);

    /// <exception cref="DllNotFoundException">The driver is not installed; the message says how to.</exception>
    public static void Initialize()
    {
        mongoc_log_set_handler(0, 0); // It would write to stderr by itself; what it has to say we get with each call.
        mongoc_init();
    }

    /// <summary>A pool of connections to what a URI names; null and the reason if it is no URI.</summary>
    public static nint OpenPool(string uri, string applicationName, out string error)
    {
        var failure = stackalloc byte[ErrorSize];
        new Span<byte>(failure, ErrorSize).Clear();
        var parsed = mongoc_uri_new_with_error(uri, failure);
        error = parsed == 0 ? MessageOf(failure) : "";
        if (parsed == 0)
        {
            return 0;
        }

        var pool = mongoc_client_pool_new(parsed);
        mongoc_uri_destroy(parsed);
        if (pool == 0)
        {
            error = "libmongoc makes no connection pool of it (TLS asked for, and the library has none?)";
            return 0;
        }

        mongoc_client_pool_set_error_api(pool, ErrorApiVersion2);
        mongoc_client_pool_set_appname(pool, applicationName);
        return pool;
    }

    public static void ClosePool(nint pool) => mongoc_client_pool_destroy(pool);

    /// <summary>Runs a command on the primary and returns its answer; null and the reason when it failed.</summary>
    /// <param name="database">The database it is for.</param>
    /// <param name="command">A BSON document.</param>
    /// <param name="code">The server's code for the failure; 0 = the server did not answer.</param>
    public static byte[]? RunCommand(nint pool, string database, ReadOnlySpan<byte> command, out string error, out int code)
    {
        code = 0;
        var client = mongoc_client_pool_pop(pool);
        if (client == 0)
        {
            error = "all connections are in use, and none became free in time";
            return null;
        }

        var reply = (byte*)NativeMemory.AlignedAlloc(BsonSize, BsonSize);
        var failure = stackalloc byte[ErrorSize];
        new Span<byte>(failure, ErrorSize).Clear();
        try
        {
            fixed (byte* bytes = command)
            {
                var document = bson_new_from_data(bytes, (nuint)command.Length);
                var succeeded = mongoc_client_command_simple(client, database, document, 0, reply, failure);
                bson_destroy(document);
                error = succeeded != 0 ? "" : MessageOf(failure);
                code = *(int*)failure == ServerErrors ? *(int*)(failure + ErrorCodeAt) : 0;
                var data = bson_get_data(reply);
                var answer = succeeded != 0 ? new ReadOnlySpan<byte>(data, *(int*)data).ToArray() : null;
                bson_destroy((nint)reply); // Made by the call, whether it succeeded or not.
                return answer;
            }
        }
        finally
        {
            NativeMemory.AlignedFree(reply);
            mongoc_client_pool_push(pool, client);
        }
    }

    private static string MessageOf(byte* error) => Marshal.PtrToStringUTF8((nint)(error + ErrorMessageAt)) is { Length: > 0 } message ? message : "no reason given";

    private static nint Resolve(string name, Assembly assembly, DllImportSearchPath? path)
    {
        var candidates = name switch { Mongoc => MongocNames, Bson => BsonNames, _ => [] };
        foreach (var candidate in candidates)
        {
            // Both of one line: the new mongoc with the new bson.
            if (NativeLibrary.TryLoad(candidate, out var library))
            {
                return library;
            }
        }

        return candidates.Length == 0
            ? 0
            : throw new DllNotFoundException(
                "the MongoDB C driver is not installed; install it: apt-get install libmongoc-1.0-0 (or libmongoc2-2) on Debian and Ubuntu, dnf install mongo-c-driver-libs (EPEL) on CentOS");
    }

    [LibraryImport(Mongoc)]
    private static partial void mongoc_init();

    [LibraryImport(Mongoc)]
    private static partial void mongoc_log_set_handler(nint handler, nint userData);

    [LibraryImport(Mongoc, StringMarshalling = StringMarshalling.Utf8)]
    private static partial nint mongoc_uri_new_with_error(string uri, byte* error);

    [LibraryImport(Mongoc)]
    private static partial void mongoc_uri_destroy(nint uri);

    [LibraryImport(Mongoc)]
    private static partial nint mongoc_client_pool_new(nint uri);

    [LibraryImport(Mongoc)]
    private static partial void mongoc_client_pool_destroy(nint pool);

    [LibraryImport(Mongoc)]
    private static partial byte mongoc_client_pool_set_error_api(nint pool, int version);

    [LibraryImport(Mongoc, StringMarshalling = StringMarshalling.Utf8)]
    private static partial byte mongoc_client_pool_set_appname(nint pool, string name);

    [LibraryImport(Mongoc)]
    private static partial nint mongoc_client_pool_pop(nint pool);

    [LibraryImport(Mongoc)]
    private static partial void mongoc_client_pool_push(nint pool, nint client);

    [LibraryImport(Mongoc, StringMarshalling = StringMarshalling.Utf8)]
    private static partial byte mongoc_client_command_simple(nint client, string database, nint command, nint readPreferences, byte* reply, byte* error);

    [LibraryImport(Bson)]
    private static partial nint bson_new_from_data(byte* data, nuint length);

    [LibraryImport(Bson)]
    private static partial byte* bson_get_data(byte* bson);

    [LibraryImport(Bson)]
    private static partial void bson_destroy(nint bson);
}
