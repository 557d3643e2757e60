using System.Text.Json;

namespace SmooAI.SmoothOperator;

/// <remarks>
/// Speaks to a server over one WebSocket, which it opens again when it is lost. Its members may be used from several
/// threads at once. Dispose of it when it is no longer needed.
/// </remarks>
public sealed partial class SmoothAgentClient : IAsyncDisposable
{
    private readonly SmoothAgentOptions _options;
    private readonly Mux _mux;
    private readonly Socket _socket;

    /// <summary>A client that is not yet connected.</summary>
    /// <param name="options">How to connect and how long to wait.</param>
    public SmoothAgentClient(SmoothAgentOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        _options = options;
        _mux = new Mux(Stray);
        _socket = new Socket(options, _mux.Deliver, _mux.Fail);
    }

    /// <summary>A client that is not yet connected.</summary>
    /// <param name="url">The server, such as <c>ws://127.0.0.1:8787/ws</c>.</param>
    public SmoothAgentClient(string url)
        : this(new SmoothAgentOptions { Url = new Uri(url) })
    {
    }

    private SmoothAgentClient(SmoothAgentClient other, SmoothAgentOptions options) =>
        (_options, _mux, _socket) = (options, other._mux, other._socket);

    /// <summary>The server.</summary>
    public Uri Url => _options.Url;

    /// <summary>Connects, before anything else. When it is connected already, nothing happens.</summary>
    /// <exception cref="UnauthenticatedException">The server does not accept the token.</exception>
    /// <exception cref="ConnectionFailedException">The server cannot be reached.</exception>
    /// <exception cref="TimeLimitException">The server did not answer in time.</exception>
    public Task ConnectAsync(CancellationToken cancellationToken = default) => _socket.OpenAsync(_options.ConnectTimeout, cancellationToken);

    /// <summary>The same client over the same connection, with other time-outs for its calls.</summary>
    /// <param name="connect">Replaces <see cref="SmoothAgentOptions.ConnectTimeout"/> for <see cref="ConnectAsync"/>.</param>
    /// <param name="request">Replaces <see cref="SmoothAgentOptions.RequestTimeout"/>.</param>
    public SmoothAgentClient WithTimeouts(TimeSpan? connect = null, TimeSpan? request = null) =>
        new(this, _options with { ConnectTimeout = connect ?? _options.ConnectTimeout, RequestTimeout = request ?? _options.RequestTimeout });

    /// <summary>
    /// Sends a message of the user and starts a turn. It returns at once; when the message cannot be sent, the turn
    /// ends with the failure.
    /// </summary>
    /// <param name="parameters">The session and the message.</param>
    /// <param name="options">What this turn does otherwise than the client.</param>
    public Turn SendMessage(SendMessageParams parameters, TurnOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(parameters);
        parameters = parameters with { RequestId = parameters.RequestId ?? NextRequestId() };
        var limit = options?.TurnTimeout ?? _options.TurnTimeout;
        var silence = options?.IdleTimeout ?? _options.IdleTimeout;
        var turn = new Turn(this, _mux, parameters.RequestId, parameters.SessionId, _options.TimeProvider, limit, silence);
        _ = StartAsync(turn, parameters);
        return turn;
    }

    /// <summary>Sends a message of the user and starts a turn.</summary>
    /// <param name="sessionId">The session, from <see cref="CreateConversationSessionAsync"/>.</param>
    /// <param name="message">The message.</param>
    public Turn SendMessage(string sessionId, string message) =>
        SendMessage(new SendMessageParams { SessionId = sessionId, Message = message });

    /// <summary>Ends what is under way with <see cref="ClientClosedException"/>; then nothing of the client runs.</summary>
    public ValueTask DisposeAsync() => new(_socket.CloseAsync());

    private static string NextRequestId() => Guid.NewGuid().ToString();

    private async Task StartAsync(Turn turn, SendMessageParams parameters)
    {
        try
        {
            await SendAsync(parameters, turn.RequestId, () => _mux.Begin(turn), CancellationToken.None).ConfigureAwait(false);
            turn.Resume();
        }
        catch (Exception error)
        {
            turn.Fail(error);
        }
    }

    private Task<T> CallAsync<T>(ClientAction action, string requestId, Func<JsonElement, T> read, CancellationToken cancellationToken)
    {
        string[] types = action is SubmitInteractionParams ? ["immediate_response", "interaction_invalid"] : ["immediate_response"];
        var call = new Pending<T>(requestId, types, (_, frame) => Wire.Required(frame, "data"u8, read));
        return ExchangeAsync(action, call, cancellationToken);
    }

    private Task<T> AwaitAsync<T>(ClientAction action, string requestId, string[] types, CancellationToken cancellationToken)
        where T : ServerEvent =>
        ExchangeAsync(action, new Pending<T>(requestId, types, static (serverEvent, _) => (T)serverEvent), cancellationToken);

    private Task TellAsync(ClientAction action, CancellationToken cancellationToken) =>
        SendAsync(action, action.GetRequestId() ?? "", static () => { }, cancellationToken);

    private async Task<T> ExchangeAsync<T>(ClientAction action, Pending<T> call, CancellationToken cancellationToken)
    {
        try
        {
            return await SendAsync(action, call.RequestId, () => _mux.Expect(call), call.Answer, cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            _mux.Forget(call);
        }
    }

    private Task SendAsync(ClientAction action, string requestId, Action register, CancellationToken cancellationToken) =>
        SendAsync(action, requestId, register, Task.FromResult(true), cancellationToken);

    /// <summary>Sends an action and waits for its answer, both within one time-out.</summary>
    private async Task<T> SendAsync<T>(ClientAction action, string requestId, Action register, Task<T> answer, CancellationToken cancellationToken)
    {
        using var limit = new CancellationTokenSource(_options.RequestTimeout, _options.TimeProvider);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, cancellationToken);
        try
        {
            await _socket.SendAsync(Wire.Bytes(action, Wire.Write), requestId, register, either.Token).ConfigureAwait(false);
            return await answer.WaitAsync(either.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (limit.IsCancellationRequested && !cancellationToken.IsCancellationRequested)
        {
            throw new TimeLimitException(TimeLimit.Request, requestId);
        }
    }

    /// <summary>Takes what nobody waits for. A listener that throws must not stop the reading.</summary>
    private void Stray(ServerEvent serverEvent)
    {
        ClientLog.Instance.StrayEvent(serverEvent.Tag);
        if (serverEvent.GetRequestId() == Socket.HeartbeatId)
        {
            return;
        }

        try
        {
            _options.OnEvent?.Invoke(serverEvent);
        }
        catch (Exception error)
        {
            ClientLog.Instance.ListenerFailed(error.Message);
        }
    }
}
