using System.Buffers;
using System.Net.WebSockets;

namespace SmooAI.SmoothOperator;

/// <summary>One connection: what is to be sent waits in a queue, what comes is handed on, until it ends.</summary>
internal sealed class Link(ClientWebSocket socket, SmoothAgentOptions options)
{
    /// <summary>The requestId of the pings that nobody asked for.</summary>
    public const string HeartbeatId = "heartbeat";

    /// <summary>The protocol's, in both directions.</summary>
    public const int FrameLimit = 1 << 20;

    /// <summary>Bounds the goodbye on either side.</summary>
    public static readonly TimeSpan GoodbyeLimit = TimeSpan.FromSeconds(2);

    /// <summary>Follows no redirect, which would take the token elsewhere.</summary>
    private static readonly HttpMessageInvoker Handshake = new(new SocketsHttpHandler { AllowAutoRedirect = false });

    private static readonly byte[] Ping = Wire.Bytes<ClientAction>(new PingParams { RequestId = HeartbeatId }, Wire.Write);

    private readonly Channel<byte[]> _outbox = Channel.CreateBounded<byte[]>(64);

    /// <summary>How many beats there were since the last frame. The beginning counts as one.</summary>
    private int _silentBeats = 1;

    /// <summary>Whether the server has sent anything.</summary>
    public bool HasHeard { get; private set; }

    /// <summary>Makes a connection. A token that is refused is asked for once more.</summary>
    public static async Task<Link> OpenAsync(SmoothAgentOptions options, CancellationToken cancellationToken)
    {
        for (var asksAgain = options.TokenProvider is not null; ; asksAgain = false)
        {
            var socket = new ClientWebSocket();
            try
            {
                await PrepareAsync(socket.Options, options, cancellationToken).ConfigureAwait(false);
                await socket.ConnectAsync(options.Url, Handshake, cancellationToken).ConfigureAwait(false);
                return new Link(socket, options);
            }
            catch (Exception error)
            {
                var status = (int)socket.HttpStatusCode;

                // What is said of them repeats the address or the token.
                var isInvalid = error is ArgumentException { ParamName: "uri" or "subProtocol" };
                var isRefused = isInvalid || status is not (0 or 408 or 425 or 429 or >= 500);
                socket.Dispose();
                cancellationToken.ThrowIfCancellationRequested();
                if (status != 401 || !asksAgain)
                {
                    throw status == 401 ? new UnauthenticatedException() : new ConnectionFailedException(isInvalid ? null : error, isRefused);
                }
            }
        }
    }

    /// <summary>Sends a frame after those that wait already.</summary>
    /// <exception cref="ChannelClosedException">The connection has ended.</exception>
    public ValueTask SendAsync(byte[] frame, CancellationToken cancellationToken) => _outbox.Writer.WriteAsync(frame, cancellationToken);

    /// <summary>Says goodbye after the frames that wait; none is taken any more.</summary>
    public void Finish() => _outbox.Writer.TryComplete();

    /// <summary>Reads and writes until the connection has ended, and returns why. Then nothing of it runs.</summary>
    public async Task<Exception> RunAsync(Mux mux, CancellationToken stop)
    {
        using var over = CancellationTokenSource.CreateLinkedTokenSource(stop);
        using var heart = options.TimeProvider.CreateTimer(static link => ((Link)link!).Beat(), this, options.Heartbeat, options.Heartbeat);
        var writing = WriteAsync(over.Token);
        try
        {
            return await ReadAsync(mux, stop).ConfigureAwait(false);
        }
        catch (Exception error) when (IsLoss(error))
        {
            return error;
        }
        finally
        {
            mux.Flush();
            Finish();
            over.CancelAfter(GoodbyeLimit);
            await writing.ConfigureAwait(false);
            socket.Dispose();
        }
    }

    private static async Task PrepareAsync(ClientWebSocketOptions handshake, SmoothAgentOptions options, CancellationToken cancellationToken)
    {
        handshake.CollectHttpResponseDetails = true;
        handshake.KeepAliveInterval = TimeSpan.Zero;
        foreach (var (name, value) in options.Headers)
        {
            handshake.SetRequestHeader(name, value);
        }

        var token = options.TokenProvider is { } ask ? await ask(cancellationToken).ConfigureAwait(false) : null;
        if (token is not null && options.TokenInSubprotocol)
        {
            handshake.AddSubProtocol("smooth-operator");
            handshake.AddSubProtocol($"bearer.{token}");
        }
        else if (token is not null)
        {
            handshake.SetRequestHeader("Authorization", $"Bearer {token}");
        }
    }

    private async Task<Exception> ReadAsync(Mux mux, CancellationToken stop)
    {
        var frame = new ArrayBufferWriter<byte>(4096);
        while (true)
        {
            var receiving = socket.ReceiveAsync(frame.GetMemory(4096), stop);
            if (!receiving.IsCompleted)
            {
                mux.Flush();
            }

            var part = await receiving.ConfigureAwait(false);
            frame.Advance(part.Count);
            if (part.MessageType == WebSocketMessageType.Close)
            {
                return new WebSocketException($"the server closed with {(int?)socket.CloseStatus}: {socket.CloseStatusDescription}");
            }

            if (frame.WrittenCount > FrameLimit)
            {
                return new WebSocketException($"a frame has more than {FrameLimit} bytes");
            }

            if (part.EndOfMessage)
            {
                HasHeard = true;
                Volatile.Write(ref _silentBeats, 0);
                if (part.MessageType == WebSocketMessageType.Text)
                {
                    mux.Deliver(frame.WrittenMemory);
                }

                frame.ResetWrittenCount();
            }
        }
    }

    /// <summary>Writes what waits, and then the goodbye, or the answer to the server's.</summary>
    private async Task WriteAsync(CancellationToken over)
    {
        try
        {
            await foreach (var frame in _outbox.Reader.ReadAllAsync(over).ConfigureAwait(false))
            {
                await socket.SendAsync(frame, WebSocketMessageType.Text, true, over).ConfigureAwait(false);
            }

            await socket.CloseOutputAsync(WebSocketCloseStatus.NormalClosure, null, over).ConfigureAwait(false);
        }
        catch (Exception error) when (IsLoss(error))
        {
            // The reader sees the same and tells why.
            socket.Abort();
        }
    }

    /// <summary>
    /// Ends a connection whose other side no longer answers. WebSocket pings cannot be awaited on .NET 8, so the
    /// protocol's own are used, and only after a silence.
    /// </summary>
    private void Beat()
    {
        var beats = Interlocked.Increment(ref _silentBeats);
        if (beats > 2)
        {
            socket.Abort();
        }
        else if (beats == 2)
        {
            _outbox.Writer.TryWrite(Ping);
        }
    }

    private static bool IsLoss(Exception error) =>
        error is WebSocketException or OperationCanceledException or IOException or InvalidOperationException;
}
