namespace SmooAI.SmoothOperator;

/// <summary>Every failure of a call or turn: what the server answered, or what happened on this side.</summary>
public abstract class SmoothOperatorException(string message, string? requestId = null, Exception? innerException = null, bool isRetryable = false)
    : Exception(message, innerException)
{
    /// <summary>The requestId of the call or turn; null when it belongs to none.</summary>
    public string? RequestId => requestId;

    /// <summary>Whether the same call may succeed later.</summary>
    public virtual bool IsRetryable => isRetryable;

    /// <summary>How long the server asks to wait; null when it does not say.</summary>
    public virtual TimeSpan? RetryAfter => null;

    /// <summary>What an event says against its call or turn; null when it says nothing against it.</summary>
    internal static SmoothOperatorException? Of(ServerEvent serverEvent) => serverEvent switch
    {
        ErrorEvent error => new ServerErrorException(error),
        CancelledEvent cancelled => new TurnCancelledException(cancelled.RequestId ?? ""),
        InteractionInvalidEvent invalid => new InteractionInvalidException(invalid),
        _ => null,
    };
}

/// <summary>The server answered with an error.</summary>
public sealed class ServerErrorException(ErrorEvent answer)
    : SmoothOperatorException($"{answer.Error.Code}: {answer.Error.Message}", answer.RequestId)
{
    /// <summary>The whole answer.</summary>
    public ErrorEvent Event => answer;

    /// <summary>The protocol's code, known or not.</summary>
    public ErrorCode Code => answer.Error.Code;

    /// <summary>What the server added; null when it added nothing.</summary>
    public ErrorDetails? Details => answer.Data.Details;

    /// <inheritdoc/>
    public override bool IsRetryable => Details?.Retryable ?? Code.Retryable;

    /// <inheritdoc/>
    public override TimeSpan? RetryAfter => Details?.RetryAfterMs is { } wait ? TimeSpan.FromMilliseconds(wait) : null;
}

/// <summary>No connection could be made: now, or, where the address or the token cannot be right, at all.</summary>
public sealed class ConnectionFailedException(Exception? cause, bool isRefused = false)
    : SmoothOperatorException($"connecting failed: {cause?.GetBaseException().Message ?? "nothing was sent"}{(isRefused ? "; are the address of the WebSocket endpoint and the token right?" : "")}", null, cause, !isRefused);

/// <summary>The socket broke while a call or turn was under way. Whether the server did the work is unknown.</summary>
public sealed class ConnectionLostException(string message, string? requestId, Exception? cause = null)
    : SmoothOperatorException(message, requestId, cause, isRetryable: true);

/// <summary>One of the time-outs of the options, or of the turn, ran out.</summary>
public sealed class TimeLimitException(TimeLimit limit, string? requestId)
    : SmoothOperatorException($"the {limit} time-out ran out", requestId, isRetryable: true)
{
    /// <summary>Which of the time-outs it was.</summary>
    public TimeLimit Limit => limit;
}

/// <summary>The server does not accept the token.</summary>
public sealed class UnauthenticatedException(string? requestId = null)
    : SmoothOperatorException("the server does not accept the token", requestId);

/// <summary>The client was closed by its owner.</summary>
public sealed class ClientClosedException(string? requestId = null)
    : SmoothOperatorException("the client is closed", requestId);

/// <summary>The turn was cancelled before it had an answer.</summary>
public sealed class TurnCancelledException(string requestId)
    : SmoothOperatorException("the turn was cancelled", requestId);

/// <summary>The turn waits for no form that could be answered.</summary>
public sealed class NotParkedException(string requestId)
    : SmoothOperatorException("the turn waits for no form", requestId);

/// <summary>The server finds submitted values wrong. The turn stays parked.</summary>
public sealed class InteractionInvalidException(InteractionInvalidEvent answer)
    : SmoothOperatorException(Sentence(answer.Data.Data), answer.RequestId)
{
    /// <summary>The whole answer, which says what is wrong with each field.</summary>
    public InteractionInvalidEvent Event => answer;

    private static string Sentence(InteractionRejection rejection) =>
        string.Join(' ', rejection.Errors.Select(static error => $"{error.Field}: {error.Message}.").Prepend(rejection.Message));
}

/// <summary>A frame of the server that names a call or turn cannot be read, or an action cannot be sent.</summary>
public sealed class ProtocolException(string message, string? requestId, Exception? cause = null)
    : SmoothOperatorException(message, requestId, cause);
