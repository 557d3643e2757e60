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
    /// <exception cref="ArgumentOutOfRangeException">A pause is negative.</exception>
    public SmoothAgentClient(SmoothAgentOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentOutOfRangeException.ThrowIfLessThan(options.FirstPause, TimeSpan.Zero);
        ArgumentOutOfRangeException.ThrowIfLessThan(options.LongestPause, TimeSpan.Zero);
        _options = options;
        _mux = new Mux(Stray);
        _socket = new Socket(options, _mux);
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
    public Task ConnectAsync(CancellationToken cancellationToken = default) => _socket.OpenAsync(_options, cancellationToken);

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
        var turn = new Turn(this, _mux, parameters, _options with
        {
            TurnTimeout = options?.TurnTimeout ?? _options.TurnTimeout,
            IdleTimeout = options?.IdleTimeout ?? _options.IdleTimeout,
        });
        _ = StartAsync(turn, parameters);
        return turn;
    }

    /// <summary>Ends what is under way with <see cref="ClientClosedException"/>; then nothing of the client runs.</summary>
    public ValueTask DisposeAsync() => new(_socket.CloseAsync());

    private static string NextRequestId() => Guid.NewGuid().ToString();

    private async Task StartAsync(Turn turn, SendMessageParams parameters)
    {
        try
        {
            _mux.Begin(turn);
            await TellAsync(parameters, CancellationToken.None).ConfigureAwait(false);
            turn.Heard();
        }
        catch (Exception error)
        {
            turn.Fail(error);
        }
    }

    /// <summary>Sends an action whose answer is the data of an <c>immediate_response</c>.</summary>
    private Task<T> CallAsync<T>(ClientAction action, string requestId, Func<JsonElement, T> read, CancellationToken cancellationToken) =>
        ExchangeAsync(action, new Call(requestId, ["immediate_response", "interaction_invalid"]), answer => Wire.Required(answer.Frame, "data"u8, read), cancellationToken);

    /// <summary>Sends an action whose answer is an event of its own.</summary>
    private Task<T> AwaitAsync<T>(ClientAction action, string requestId, string[] types, CancellationToken cancellationToken)
        where T : ServerEvent =>
        ExchangeAsync(action, new Call(requestId, types), static answer => (T)answer.Event, cancellationToken);

    /// <summary>Sends an action that has no answer.</summary>
    private Task TellAsync(ClientAction action, CancellationToken cancellationToken) =>
        SendAsync(action, action.GetRequestId() ?? "", Task.FromResult(true), cancellationToken);

    private async Task<T> ExchangeAsync<T>(ClientAction action, Call call, Func<Answer, T> read, CancellationToken cancellationToken)
    {
        try
        {
            _mux.Begin(call);
            var answer = await SendAsync(action, call.RequestId, call.Task, cancellationToken).ConfigureAwait(false);
            return SmoothOperatorException.Of(answer.Event) is { } refusal ? throw refusal : read(answer);
        }
        catch (DecodeException error)
        {
            throw new ProtocolException($"the answer cannot be read: {error.Message}", call.RequestId, error);
        }
        finally
        {
            _mux.End(call);
        }
    }

    /// <summary>Sends an action and waits for its answer, both within one time-out.</summary>
    private Task<T> SendAsync<T>(ClientAction action, string requestId, Task<T> answer, CancellationToken cancellationToken) =>
        _options.WithinAsync(
            TimeLimit.Request,
            requestId,
            async limited =>
            {
                await _socket.SendAsync(Wire.Bytes(action, Wire.Write), requestId, limited).ConfigureAwait(false);
                return await answer.WaitAsync(limited).ConfigureAwait(false);
            },
            cancellationToken);

    /// <summary>Takes what nobody waits for. A listener that throws must not stop the reading.</summary>
    private void Stray(ServerEvent serverEvent)
    {
        ClientLog.Instance.StrayEvent(serverEvent.Tag);
        try
        {
            if (serverEvent.GetRequestId() != Link.HeartbeatId)
            {
                _options.OnEvent?.Invoke(serverEvent);
            }
        }
        catch (Exception error)
        {
            ClientLog.Instance.ListenerFailed(error.Message);
        }
    }
}
