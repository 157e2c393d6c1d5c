namespace Dts.Common.Logs;

/// <summary>The log store did not do what was asked of it; asking again later may help.</summary>
public sealed class LogStoreException(string message, Exception cause) : Exception(message, cause);
