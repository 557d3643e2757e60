using System.Buffers;
using System.Net.WebSockets;
using System.Text;
using System.Text.Json.Nodes;

namespace SmooAI.SmoothOperator.Testing;

/// <summary>One connection of a <see cref="FakeServer"/>, for its script.</summary>
public sealed class FakeConnection
{
    private readonly WebSocket _socket;
    private readonly CancellationToken _stop;
    private readonly SemaphoreSlim _writing = new(1, 1);

    internal FakeConnection(WebSocket socket, int number, string? token, IReadOnlyDictionary<string, string> headers, CancellationToken stop) =>
        (_socket, Number, Token, Headers, _stop) = (socket, number, token, headers, stop);

    /// <summary>1 for the first connection of the server.</summary>
    public int Number { get; }

    /// <summary>The bearer token, by header or subprotocol.</summary>
    public string? Token { get; }

    /// <summary>The headers of the handshake; names are compared whatever their case.</summary>
    public IReadOnlyDictionary<string, string> Headers { get; }

    /// <summary>Ends when the server is stopped.</summary>
    public CancellationToken Stopped => _stop;

    /// <summary>The next action of the client; null when it has said goodbye, which is answered.</summary>
    public async Task<ClientAction?> ReceiveAsync()
    {
        var frame = new ArrayBufferWriter<byte>(4096);
        while (true)
        {
            var part = await _socket.ReceiveAsync(frame.GetMemory(4096), _stop).ConfigureAwait(false);
            frame.Advance(part.Count);
            if (part.MessageType == WebSocketMessageType.Close)
            {
                await _socket.CloseOutputAsync(WebSocketCloseStatus.NormalClosure, null, _stop).ConfigureAwait(false);
                return null;
            }

            if (part.EndOfMessage)
            {
                return ClientAction.FromJson(frame.WrittenMemory);
            }
        }
    }

    /// <summary>The next action, which must be of a type.</summary>
    public async Task<T> ReceiveAsync<T>()
        where T : ClientAction =>
        await ReceiveAsync().ConfigureAwait(false) as T ?? throw new WebSocketException($"the client sent no {typeof(T).Name}");

    /// <summary>Reads until the client has said goodbye.</summary>
    public async Task UntilClosedAsync()
    {
        while (await ReceiveAsync().ConfigureAwait(false) is not null)
        {
            // Nothing is answered.
        }
    }

    /// <summary>Sends an event.</summary>
    public Task SendAsync(ServerEvent serverEvent)
    {
        ArgumentNullException.ThrowIfNull(serverEvent);
        return SendTextAsync(serverEvent.ToJson());
    }

    /// <summary>Sends any text, also one that is wrong.</summary>
    public async Task SendTextAsync(string text)
    {
        await _writing.WaitAsync(_stop).ConfigureAwait(false);
        try
        {
            await _socket.SendAsync(Encoding.UTF8.GetBytes(text), WebSocketMessageType.Text, true, _stop).ConfigureAwait(false);
        }
        finally
        {
            _writing.Release();
        }
    }

    /// <summary>Answers an action with an <c>immediate_response</c> 200.</summary>
    public Task ReplyAsync(string? requestId, JsonObject data) =>
        SendAsync(new ImmediateResponseEvent { RequestId = requestId, Timestamp = Now, Status = 200, Message = "ok", Data = data });

    /// <summary>Accepts a turn with an <c>immediate_response</c> 202.</summary>
    public Task AcceptAsync(string? requestId) =>
        SendAsync(new ImmediateResponseEvent { RequestId = requestId, Timestamp = Now, Status = 202, Message = "accepted", Data = [] });

    /// <summary>Sends a piece of an answer.</summary>
    public Task TokenAsync(string requestId, string token) =>
        SendAsync(new StreamTokenEvent { RequestId = requestId, Timestamp = Now, Token = token, Data = new TokenData { RequestId = requestId, Token = token } });

    /// <summary>Ends a turn with a whole answer.</summary>
    public Task FinishAsync(string requestId, string text) =>
        SendAsync(new EventualResponseEvent
        {
            RequestId = requestId,
            Timestamp = Now,
            Status = 200,
            Data = new EventualResponseData { RequestId = requestId, Status = 200, Data = Result(text) },
        });

    /// <summary>Answers with an error.</summary>
    public Task ErrorAsync(string? requestId, ErrorCode code, string message) =>
        SendAsync(new ErrorEvent
        {
            RequestId = requestId,
            Timestamp = Now,
            Error = new ErrorBody { Code = code, Message = message },
            Data = new ErrorData { Error = new ErrorBody { Code = code, Message = message }, RequestId = requestId },
        });

    /// <summary>Begins the closing handshake with any code.</summary>
    public Task CloseAsync(int code, string reason) => _socket.CloseOutputAsync((WebSocketCloseStatus)code, reason, _stop);

    private static long Now => DateTimeOffset.UtcNow.ToUnixTimeMilliseconds();

    private static TurnResult Result(string text) => new()
    {
        MessageId = Guid.NewGuid().ToString(),
        NeedsEscalation = false,
        Response = new TurnResponse
        {
            ResponseParts = [text],
            CustomerHappinessScore = 0.5,
            NeedsSatisfactionScore = 0.5,
            RequestSummary = "",
            ResolutionStatus = ResolutionStatus.InProgress,
            SuggestedNextActions = [],
        },
    };
}
