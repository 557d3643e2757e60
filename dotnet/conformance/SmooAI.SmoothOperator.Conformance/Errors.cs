using System.Text.Json;

namespace SmooAI.SmoothOperator.Conformance;

/// <summary>The client's exceptions in the words of the harness.</summary>
internal static class Errors
{
    /// <summary>An exception as a caller of the client sees it.</summary>
    public static ErrorSeen Seen(Exception error)
    {
        var (kind, code) = Kind(error);
        var failure = error as SmoothOperatorException;
        var details = (error as ServerErrorException)?.Details;
        return new ErrorSeen
        {
            Kind = kind,
            Code = code,
            Message = error.Message,
            Retryable = failure?.IsRetryable ?? false,
            RetryAfterMs = failure?.RetryAfter is { } wait ? (long)wait.TotalMilliseconds : null,
            RequestId = failure?.RequestId,
            Field = details?.Field ?? (error as SmoothOperator.DecodeException)?.Pointer,
            Hint = details?.Hint,
            Timeout = (error as TimeLimitException)?.Limit switch
            {
                TimeLimit.Connect => TimeoutKind.Connect,
                TimeLimit.Request => TimeoutKind.Request,
                TimeLimit.Idle => TimeoutKind.Idle,
                TimeLimit.Turn => TimeoutKind.Turn,
                _ => null,
            },
        };
    }

    private static (ErrorKind Kind, string Code) Kind(Exception error) => error switch
    {
        ServerErrorException server => (ErrorKind.Server, server.Code.ToString()),
        InteractionInvalidException => (ErrorKind.Server, "INTERACTION_INVALID"),
        NotParkedException => (ErrorKind.Invalid, "NO_PENDING_INTERACTION"),
        TurnCancelledException => (ErrorKind.Cancelled, "CANCELLED"),
        TimeLimitException => (ErrorKind.Timeout, "TIMEOUT"),
        UnauthenticatedException => (ErrorKind.Connection, "UNAUTHENTICATED"),
        ConnectionFailedException => (ErrorKind.Connection, "CONNECTION_FAILED"),
        ConnectionLostException => (ErrorKind.Connection, "CONNECTION_LOST"),
        ClientClosedException => (ErrorKind.Closed, "CLOSED"),
        OperationCanceledException => (ErrorKind.Abandoned, "ABANDONED"),
        JsonException => (ErrorKind.Invalid, "INVALID"),
        _ => (ErrorKind.Other, "PROTOCOL"),
    };
}
