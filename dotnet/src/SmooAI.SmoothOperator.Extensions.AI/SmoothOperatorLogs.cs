using System.Diagnostics.Tracing;
using System.Globalization;
using Microsoft.Extensions.Logging;

namespace SmooAI.SmoothOperator.Extensions.AI;

/// <summary>
/// Brings what the clients of this process tell of themselves (connects, losses, strange frames; never tokens or
/// contents) to the logger <c>SmooAI.SmoothOperator</c>, until it is disposed of.
/// </summary>
/// <param name="loggers">Makes the logger.</param>
public sealed class SmoothOperatorLogs(ILoggerFactory loggers) : EventListener
{
    /// <summary>Is there before the base class begins to listen.</summary>
    private readonly ILogger _logger = loggers.CreateLogger("SmooAI.SmoothOperator");

    /// <inheritdoc/>
    protected override void OnEventSourceCreated(EventSource eventSource)
    {
        if (eventSource.Name == "SmooAI-SmoothOperator")
        {
            EnableEvents(eventSource, EventLevel.Verbose);
        }
    }

    /// <inheritdoc/>
    protected override void OnEventWritten(EventWrittenEventArgs eventData)
    {
        // Both scales have the same steps, counted from opposite ends.
        var level = (LogLevel)(6 - (int)eventData.Level);
        if (_logger.IsEnabled(level))
        {
            var text = string.Format(CultureInfo.InvariantCulture, eventData.Message ?? "", [.. eventData.Payload ?? new([])]);
            _logger.Log(level, new EventId(eventData.EventId, eventData.EventName), text, null, static (text, _) => text);
        }
    }
}
