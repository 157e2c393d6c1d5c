using System.Text.Json.Serialization;

namespace Dts.Common;

/// <summary>Reads and writes an enum by its words: a number is none, not even in quotes.</summary>
public sealed class WordsOnly<T>() : JsonStringEnumConverter<T>(namingPolicy: null, allowIntegerValues: false)
    where T : struct, Enum;
