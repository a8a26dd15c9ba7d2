namespace AiChat.Api.OpenApi;

/// <summary>An action that can answer with a run's events; the document shows them.</summary>
[AttributeUsage(AttributeTargets.Method)]
internal sealed class EventStreamAttribute : Attribute;
