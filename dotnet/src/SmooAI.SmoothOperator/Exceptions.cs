namespace SmooAI.SmoothOperator;

/// <summary>Every failure of a call or turn: what the server answered, or what happened on this side.</summary>
public abstract class SmoothOperatorException : Exception
{
    private protected SmoothOperatorException(string message, string? requestId, Exception? innerException = null)
        : base(message, innerException) => RequestId = requestId;

    /// <summary>The requestId of the call or turn; null when it belongs to none.</summary>
    public string? RequestId { get; }

    /// <summary>Whether the same call may succeed later.</summary>
    public virtual bool IsRetryable => false;

    /// <summary>How long the server asks to wait; null when it does not say.</summary>
    public virtual TimeSpan? RetryAfter => null;
}

/// <summary>The server answered with an error.</summary>
public sealed class ServerErrorException : SmoothOperatorException
{
    internal ServerErrorException(ErrorEvent answer)
        : base($"{answer.Error.Code}: {answer.Error.Message}", answer.RequestId) => Event = answer;

    /// <summary>The whole answer.</summary>
    public ErrorEvent Event { get; }

    /// <summary>The protocol's code, known or not.</summary>
    public ErrorCode Code => Event.Error.Code;

    /// <summary>What the server added; null when it added nothing.</summary>
    public ErrorDetails? Details => Event.Data.Details;

    /// <inheritdoc/>
    public override bool IsRetryable => Details?.Retryable ?? Code.Retryable;

    /// <inheritdoc/>
    public override TimeSpan? RetryAfter => Details?.RetryAfterMs is { } wait ? TimeSpan.FromMilliseconds(wait) : null;
}

/// <summary>No connection could be made.</summary>
public sealed class ConnectionFailedException : SmoothOperatorException
{
    internal ConnectionFailedException(Exception cause)
        : base($"connecting failed: {cause.Message}", null, cause)
    {
    }

    /// <inheritdoc/>
    public override bool IsRetryable => true;
}

/// <summary>The socket broke while a call or turn was under way. Whether the server did the work is unknown.</summary>
public sealed class ConnectionLostException : SmoothOperatorException
{
    internal ConnectionLostException(string message, string? requestId, Exception? cause)
        : base(message, requestId, cause)
    {
    }

    /// <inheritdoc/>
    public override bool IsRetryable => true;
}

/// <summary>What there was too little time for.</summary>
public enum TimeLimit
{
    /// <summary><see cref="SmoothAgentOptions.ConnectTimeout"/></summary>
    Connect,

    /// <summary><see cref="SmoothAgentOptions.RequestTimeout"/></summary>
    Request,

    /// <summary><see cref="SmoothAgentOptions.IdleTimeout"/></summary>
    Idle,

    /// <summary><see cref="SmoothAgentOptions.TurnTimeout"/></summary>
    Turn,
}

/// <summary>One of the time-outs of the options, or of the turn, ran out.</summary>
public sealed class TimeLimitException : SmoothOperatorException
{
    internal TimeLimitException(TimeLimit limit, string? requestId)
        : base($"the {limit} time-out ran out", requestId) => Limit = limit;

    /// <summary>Which of the time-outs it was.</summary>
    public TimeLimit Limit { get; }

    /// <inheritdoc/>
    public override bool IsRetryable => true;
}

/// <summary>The server does not accept the token.</summary>
public sealed class UnauthenticatedException : SmoothOperatorException
{
    internal UnauthenticatedException(string? requestId = null)
        : base("the server does not accept the token", requestId)
    {
    }
}

/// <summary>The client was closed, by its owner or because the server refuses it for good.</summary>
public sealed class ClientClosedException : SmoothOperatorException
{
    internal ClientClosedException(string? requestId = null, Exception? cause = null)
        : base("the client is closed", requestId, cause)
    {
    }
}

/// <summary>The turn was cancelled before it had an answer.</summary>
public sealed class TurnCancelledException : SmoothOperatorException
{
    internal TurnCancelledException(string requestId)
        : base("the turn was cancelled", requestId)
    {
    }
}

/// <summary>The turn waits for no form that could be answered.</summary>
public sealed class NotParkedException : SmoothOperatorException
{
    internal NotParkedException(string requestId)
        : base("the turn waits for no form", requestId)
    {
    }
}

/// <summary>The server finds submitted values wrong. The turn stays parked.</summary>
public sealed class InteractionInvalidException : SmoothOperatorException
{
    internal InteractionInvalidException(InteractionInvalidEvent answer)
        : base(Sentence(answer.Data.Data), answer.RequestId) => Event = answer;

    /// <summary>The whole answer, which says what is wrong with each field.</summary>
    public InteractionInvalidEvent Event { get; }

    private static string Sentence(InteractionRejection rejection) =>
        string.Join(' ', rejection.Errors.Select(static error => $"{error.Field}: {error.Message}.").Prepend(rejection.Message));
}

/// <summary>A frame of the server that names a call or turn cannot be read, or an action cannot be sent.</summary>
public sealed class ProtocolException : SmoothOperatorException
{
    internal ProtocolException(string message, string? requestId, Exception? cause = null)
        : base(message, requestId, cause)
    {
    }
}
