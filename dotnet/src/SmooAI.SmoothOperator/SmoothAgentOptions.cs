namespace SmooAI.SmoothOperator;

/// <summary>
/// How a client connects and how long it waits. Of a time-out, <see cref="Timeout.InfiniteTimeSpan"/> means none.
/// </summary>
public sealed partial record SmoothAgentOptions
{
    /// <summary>The server, such as <c>ws://127.0.0.1:8787/ws</c>.</summary>
    public required Uri Url { get; init; }

    /// <summary>
    /// Asked for a bearer token at every connect, and once more when the server refuses one. Null: none is sent.
    /// </summary>
    public Func<CancellationToken, ValueTask<string>>? TokenProvider { get; init; }

    /// <summary>Sends the token in <c>Sec-WebSocket-Protocol</c> instead of the <c>Authorization</c> header.</summary>
    public bool TokenInSubprotocol { get; init; }

    /// <summary>Sent with the handshake.</summary>
    public IReadOnlyDictionary<string, string> Headers { get; init; } = new Dictionary<string, string>();

    /// <summary>Takes the events that belong to no call or turn under way. It must not block.</summary>
    public Action<ServerEvent>? OnEvent { get; init; }

    /// <summary>The clock of all time-outs.</summary>
    public TimeProvider TimeProvider { get; init; } = TimeProvider.System;

    /// <summary>Which part of the longest pause before connecting again is waited: from 0 up to 1.</summary>
    internal Func<double> Jitter { get; init; } = Random.Shared.NextDouble;

    /// <summary>The pause before an attempt to connect again.</summary>
    internal TimeSpan Backoff(int attempt) =>
        TimeSpan.FromTicks((long)(Math.Min(LongestPause.Ticks, FirstPause.Ticks * Math.Pow(2, Math.Min(attempt, 32))) * Jitter()));

    /// <summary>Does work within the time-out for a connection or that for a call.</summary>
    internal async Task<T> WithinAsync<T>(TimeLimit limit, string? requestId, Func<CancellationToken, Task<T>> work, CancellationToken cancellationToken)
    {
        using var deadline = new CancellationTokenSource(limit == TimeLimit.Connect ? ConnectTimeout : RequestTimeout, TimeProvider);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(deadline.Token, cancellationToken);
        try
        {
            return await work(either.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (deadline.IsCancellationRequested && !cancellationToken.IsCancellationRequested)
        {
            throw new TimeLimitException(limit, requestId);
        }
    }

    /// <summary>A token that is always the same.</summary>
    /// <param name="token">The token.</param>
    /// <returns>For <see cref="TokenProvider"/>.</returns>
    public static Func<CancellationToken, ValueTask<string>> StaticToken(string token) => _ => ValueTask.FromResult(token);
}

/// <summary>What one turn does otherwise than its client.</summary>
public sealed record TurnOptions
{
    /// <summary>Replaces <see cref="SmoothAgentOptions.TurnTimeout"/>.</summary>
    public TimeSpan? TurnTimeout { get; init; }

    /// <summary>Replaces <see cref="SmoothAgentOptions.IdleTimeout"/>.</summary>
    public TimeSpan? IdleTimeout { get; init; }
}
