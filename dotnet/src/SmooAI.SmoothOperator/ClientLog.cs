using System.Diagnostics.Tracing;

namespace SmooAI.SmoothOperator;

/// <summary>
/// What the client tells of connects, losses and strange frames; never of tokens or contents. Silent unless somebody
/// listens to <c>SmooAI-SmoothOperator</c> (an <see cref="EventListener"/>, dotnet-trace).
/// </summary>
[EventSource(Name = "SmooAI-SmoothOperator")]
internal sealed class ClientLog : EventSource
{
    public static readonly ClientLog Instance = new();

    [Event(1, Level = EventLevel.Informational, Message = "connected after {0} attempts")]
    public void Connected(int attempts) => WriteEvent(1, attempts);

    [Event(2, Level = EventLevel.Warning, Message = "connection lost: {0}")]
    public void Lost(string cause) => WriteEvent(2, cause);

    [Event(3, Level = EventLevel.Warning, Message = "attempt {0} to connect failed: {1}")]
    public void AttemptFailed(int attempt, string cause) => WriteEvent(3, attempt, cause);

    [Event(4, Level = EventLevel.Warning, Message = "a frame cannot be read: {0}")]
    public void UnreadableFrame(string cause) => WriteEvent(4, cause);

    [Event(5, Level = EventLevel.Verbose, Message = "an event that nobody waits for: {0}")]
    public void StrayEvent(string type) => WriteEvent(5, type);

    [Event(6, Level = EventLevel.Error, Message = "not connecting again: {0}")]
    public void GaveUp(string cause) => WriteEvent(6, cause);

    [Event(7, Level = EventLevel.Error, Message = "the listener of events failed: {0}")]
    public void ListenerFailed(string cause) => WriteEvent(7, cause);
}
