namespace AiChat.Api.OpenApi;

/// <summary>An action that can answer with a table in CSV; the document shows one.</summary>
[AttributeUsage(AttributeTargets.Method)]
internal sealed class CsvTableAttribute : Attribute;
