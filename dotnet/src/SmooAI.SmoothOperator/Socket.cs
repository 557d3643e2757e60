using System.Buffers;
using System.Net;
using System.Net.WebSockets;

namespace SmooAI.SmoothOperator;

/// <summary>Keeps a connection: opens it, reads, pings, and opens it again when it is lost.</summary>
/// <param name="options">How to connect.</param>
/// <param name="deliver">Takes every frame; the memory is its own only during the call.</param>
/// <param name="lost">Told of every loss, with the failure for each call or turn, and whether it is the last.</param>
internal sealed class Socket(SmoothAgentOptions options, Action<ReadOnlyMemory<byte>> deliver, Action<Func<string, Exception>, bool> lost)
{
    /// <summary>The requestId of the pings that nobody asked for.</summary>
    public const string HeartbeatId = "heartbeat";

    /// <summary>The protocol's, in both directions.</summary>
    private const int FrameLimit = 1 << 20;

    /// <summary>Bounds a write to a socket that no longer takes anything, and the goodbye.</summary>
    private static readonly TimeSpan WriteLimit = TimeSpan.FromSeconds(10);

    private static readonly TimeSpan GoodbyeLimit = TimeSpan.FromSeconds(2);

    private readonly object _gate = new();
    private readonly CancellationTokenSource _stop = new();
    private readonly SemaphoreSlim _writing = new(1, 1);
    private TaskCompletionSource<ClientWebSocket> _ready = NewReady();
    private Func<string, Exception>? _dead;
    private Task _run = Task.CompletedTask;
    private readonly SemaphoreSlim _opening = new(1, 1);
    private bool _isOpen;
    private Task? _closing;
    private long _frames;

    private static TaskCompletionSource<ClientWebSocket> NewReady() => new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Opens the first connection, once; only then are lost ones opened again.</summary>
    public async Task OpenAsync(TimeSpan timeout, CancellationToken cancellationToken)
    {
        await _opening.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            if (_isOpen)
            {
                return;
            }

            var socket = await DialAsync(timeout, cancellationToken).ConfigureAwait(false);
            ClientLog.Instance.Connected(1);
            lock (_gate)
            {
                if (_dead is not null)
                {
                    socket.Dispose();
                    throw _dead("");
                }

                _isOpen = true;
                _ready.TrySetResult(socket);
                _run = Task.Run(() => RunAsync(socket), CancellationToken.None);
            }
        }
        finally
        {
            _opening.Release();
        }
    }

    /// <summary>Sends a frame, registered before so that no answer can be too fast.</summary>
    public async Task SendAsync(byte[] frame, string requestId, Action register, CancellationToken cancellationToken)
    {
        if (frame.Length > FrameLimit)
        {
            throw new ProtocolException($"a frame may have {FrameLimit} bytes, this one has {frame.Length}", requestId);
        }

        var socket = await AcquireAsync(requestId, cancellationToken).ConfigureAwait(false);
        register();
        try
        {
            await WriteAsync(socket, frame).ConfigureAwait(false);
        }
        catch (Exception error) when (error is WebSocketException or InvalidOperationException or OperationCanceledException or IOException)
        {
            throw Cause(requestId) ?? new ConnectionLostException("the connection was lost while sending", requestId, error);
        }
    }

    /// <summary>Says goodbye and waits until nothing runs any more; once, however often it is called.</summary>
    public Task CloseAsync()
    {
        lock (_gate)
        {
            return _closing ??= CloseOnceAsync();
        }
    }

    private async Task CloseOnceAsync()
    {
        await Task.Yield();
        var socket = Die(static requestId => new ClientClosedException(requestId));
        if (socket is { State: WebSocketState.Open })
        {
            using var limit = new CancellationTokenSource(GoodbyeLimit);
            try
            {
                await socket.CloseOutputAsync(WebSocketCloseStatus.NormalClosure, null, limit.Token).ConfigureAwait(false);
                await _run.WaitAsync(limit.Token).ConfigureAwait(false);
            }
            catch (Exception error) when (error is WebSocketException or OperationCanceledException or ObjectDisposedException or InvalidOperationException)
            {
                ClientLog.Instance.Lost($"the goodbye was not answered: {error.Message}");
            }
        }

        await _stop.CancelAsync().ConfigureAwait(false);
        await _run.ConfigureAwait(false);
        lost(static requestId => new ClientClosedException(requestId), true);
        _stop.Dispose();
    }

    /// <summary>Makes every later use fail; the first cause stays. Returns the connection, if there is one.</summary>
    private ClientWebSocket? Die(Func<string, Exception> cause)
    {
        lock (_gate)
        {
            _dead ??= cause;
            var socket = _ready.Task.IsCompletedSuccessfully ? _ready.Task.Result : null;
            if (socket is null)
            {
                _ready.TrySetCanceled(CancellationToken.None);
            }

            return socket;
        }
    }

    private Exception? Cause(string requestId)
    {
        lock (_gate)
        {
            return _dead?.Invoke(requestId);
        }
    }

    private async Task<ClientWebSocket> AcquireAsync(string requestId, CancellationToken cancellationToken)
    {
        Task<ClientWebSocket> ready;
        lock (_gate)
        {
            if (_dead is not null)
            {
                throw _dead(requestId);
            }

            ready = _ready.Task;
        }

        try
        {
            return await ready.WaitAsync(cancellationToken).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            throw Cause(requestId) ?? new ClientClosedException(requestId);
        }
    }

    /// <summary>A write does not heed the caller's token: that would break the connection for everyone else.</summary>
    private async Task WriteAsync(ClientWebSocket socket, byte[] frame)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(_stop.Token);
        limit.CancelAfter(WriteLimit);
        await _writing.WaitAsync(limit.Token).ConfigureAwait(false);
        try
        {
            await socket.SendAsync(frame, WebSocketMessageType.Text, true, limit.Token).ConfigureAwait(false);
        }
        finally
        {
            _writing.Release();
        }
    }

    /// <summary>Makes one connection. A token that is refused is asked for once more.</summary>
    private async Task<ClientWebSocket> DialAsync(TimeSpan timeout, CancellationToken cancellationToken)
    {
        using var limit = new CancellationTokenSource(timeout, options.TimeProvider);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, cancellationToken);
        for (var attempt = 1; ; attempt++)
        {
            var socket = new ClientWebSocket();
            try
            {
                await PrepareAsync(socket.Options, either.Token).ConfigureAwait(false);
                await socket.ConnectAsync(options.Url, either.Token).ConfigureAwait(false);
                return socket;
            }
            catch (Exception error)
            {
                var status = socket.HttpStatusCode;
                socket.Dispose();
                cancellationToken.ThrowIfCancellationRequested();
                if (limit.IsCancellationRequested)
                {
                    throw new TimeLimitException(TimeLimit.Connect, null);
                }

                if (status != HttpStatusCode.Unauthorized)
                {
                    throw new ConnectionFailedException(error);
                }

                if (options.TokenProvider is null || attempt > 1)
                {
                    throw new UnauthenticatedException();
                }
            }
        }
    }

    private async Task PrepareAsync(ClientWebSocketOptions handshake, CancellationToken cancellationToken)
    {
        handshake.CollectHttpResponseDetails = true;
        handshake.KeepAliveInterval = TimeSpan.Zero;
        foreach (var (name, value) in options.Headers)
        {
            handshake.SetRequestHeader(name, value);
        }

        if (options.TokenProvider is null)
        {
            return;
        }

        var token = await options.TokenProvider(cancellationToken).ConfigureAwait(false);
        if (options.TokenInSubprotocol)
        {
            handshake.AddSubProtocol("smooth-operator");
            handshake.AddSubProtocol($"bearer.{token}");
        }
        else
        {
            handshake.SetRequestHeader("Authorization", $"Bearer {token}");
        }
    }

    /// <summary>Reads from one connection after the other until the client is closed or refused for good.</summary>
    private async Task RunAsync(ClientWebSocket socket)
    {
        var attempt = 0;
        while (true)
        {
            var before = Interlocked.Read(ref _frames);
            var cause = await ReadAsync(socket).ConfigureAwait(false);
            lock (_gate)
            {
                if (_dead is not null)
                {
                    return;
                }

                _ready = NewReady();
            }

            ClientLog.Instance.Lost(cause.Message);
            lost(requestId => new ConnectionLostException("the connection was lost", requestId, cause), false);
            attempt = Interlocked.Read(ref _frames) > before ? 0 : attempt;
            var (next, attempts) = await RedialAsync(attempt).ConfigureAwait(false);
            if (next is null)
            {
                return;
            }

            (socket, attempt) = (next, attempts);
            lock (_gate)
            {
                _ready.TrySetResult(socket);
            }
        }
    }

    /// <summary>Opens until it succeeds, with full jitter between the attempts; nothing when the client is dead.</summary>
    private async Task<(ClientWebSocket? Socket, int Attempts)> RedialAsync(int attempt)
    {
        while (true)
        {
            try
            {
                await Task.Delay(options.Backoff(attempt), options.TimeProvider, _stop.Token).ConfigureAwait(false);
                attempt++;
                var socket = await DialAsync(options.ConnectTimeout, _stop.Token).ConfigureAwait(false);
                ClientLog.Instance.Connected(attempt);
                return (socket, attempt);
            }
            catch (UnauthenticatedException error)
            {
                ClientLog.Instance.GaveUp(error.Message);
                Die(static requestId => new UnauthenticatedException(requestId));
                lost(static requestId => new UnauthenticatedException(requestId), true);
                return (null, attempt);
            }
            catch (SmoothOperatorException error)
            {
                ClientLog.Instance.AttemptFailed(attempt, error.Message);
            }
            catch (OperationCanceledException)
            {
                return (null, attempt);
            }
        }
    }

    /// <summary>Delivers frames until the connection breaks, and returns why.</summary>
    private async Task<Exception> ReadAsync(ClientWebSocket socket)
    {
        using var broken = CancellationTokenSource.CreateLinkedTokenSource(_stop.Token);
        var heart = BeatAsync(socket, broken.Token);
        try
        {
            return await ReadFramesAsync(socket).ConfigureAwait(false);
        }
        catch (Exception error) when (error is WebSocketException or OperationCanceledException or IOException or InvalidOperationException)
        {
            return error;
        }
        finally
        {
            await broken.CancelAsync().ConfigureAwait(false);
            await heart.ConfigureAwait(false);
            socket.Dispose();
        }
    }

    private async Task<Exception> ReadFramesAsync(ClientWebSocket socket)
    {
        var frame = new ArrayBufferWriter<byte>(4096);
        while (true)
        {
            var part = await socket.ReceiveAsync(frame.GetMemory(4096), _stop.Token).ConfigureAwait(false);
            frame.Advance(part.Count);
            if (part.MessageType == WebSocketMessageType.Close)
            {
                await GoodbyeAsync(socket).ConfigureAwait(false);
                return new WebSocketException($"the server closed with {(int?)socket.CloseStatus}: {socket.CloseStatusDescription}");
            }

            if (frame.WrittenCount > FrameLimit)
            {
                return new WebSocketException($"a frame has more than {FrameLimit} bytes");
            }

            if (part.EndOfMessage)
            {
                Interlocked.Increment(ref _frames);
                if (part.MessageType == WebSocketMessageType.Text)
                {
                    deliver(frame.WrittenMemory);
                }

                frame.ResetWrittenCount();
            }
        }
    }

    /// <summary>Completes a closing handshake that the server began.</summary>
    private static async Task GoodbyeAsync(ClientWebSocket socket)
    {
        if (socket.State == WebSocketState.CloseReceived)
        {
            using var limit = new CancellationTokenSource(GoodbyeLimit);
            await socket.CloseOutputAsync(WebSocketCloseStatus.NormalClosure, null, limit.Token).ConfigureAwait(false);
        }
    }

    /// <summary>
    /// Ends a connection whose other side no longer answers. WebSocket pings cannot be awaited on .NET 8, so the
    /// protocol's own are used, and only after a silence.
    /// </summary>
    private async Task BeatAsync(ClientWebSocket socket, CancellationToken broken)
    {
        if (options.Heartbeat == Timeout.InfiniteTimeSpan)
        {
            return;
        }

        var ping = Wire.Bytes<ClientAction>(new PingParams { RequestId = HeartbeatId }, Wire.Write);
        var asked = false;
        try
        {
            while (true)
            {
                var before = Interlocked.Read(ref _frames);
                await Task.Delay(options.Heartbeat, options.TimeProvider, broken).ConfigureAwait(false);
                var isSilent = Interlocked.Read(ref _frames) == before;
                if (isSilent && asked)
                {
                    socket.Abort();
                    return;
                }

                asked = isSilent;
                if (isSilent)
                {
                    await WriteAsync(socket, ping).ConfigureAwait(false);
                }
            }
        }
        catch (Exception error) when (error is OperationCanceledException or WebSocketException or InvalidOperationException or IOException)
        {
            // The reader sees the same and tells why.
            socket.Abort();
        }
    }
}
