using System.Buffers;
using System.Net.WebSockets;
using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace Turns;

/// <summary>The turns by one read loop over ClientWebSocket and System.Text.Json, without the client.</summary>
internal sealed class PlainSide(ClientWebSocket socket) : ISide
{
    private readonly ArrayBufferWriter<byte> _buffer = new(4096);
    private readonly Dictionary<string, StringBuilder> _texts = [];
    private string _session = "";
    private int _ids;

    public static async Task<ISide> ConnectAsync(Uri url)
    {
        var socket = new ClientWebSocket();
        socket.Options.KeepAliveInterval = TimeSpan.Zero;
        await socket.ConnectAsync(url, CancellationToken.None);
        var side = new PlainSide(socket);
        await side.SayAsync(new Said("create_conversation_session", "s", null, null));
        side._session = (await side.ReadAsync()).Data!.SessionId!;
        return side;
    }

    public static void Decode(byte[] frame) => JsonSerializer.Deserialize(frame, PlainJson.Default.Frame);

    public async Task TurnsAsync(string message, int count, int atOnce)
    {
        var started = Math.Min(count, atOnce);
        for (var n = 0; n < started; n++)
        {
            await StartAsync(message);
        }

        for (var ended = 0; ended < count;)
        {
            var frame = await ReadAsync();
            if (frame.Type == "stream_token")
            {
                _texts[frame.RequestId].Append(frame.Token);
            }
            else if (frame.Type == "eventual_response")
            {
                if (!_texts.Remove(frame.RequestId, out var text) || !text.Equals(frame.Data!.Data!.Response.ResponseParts[0]))
                {
                    throw new InvalidOperationException($"'{text}' is not the answer");
                }

                ended++;
                if (started < count)
                {
                    started++;
                    await StartAsync(message);
                }
            }
        }
    }

    public async Task OpenAsync(int count)
    {
        var (started, begun) = (0, 0);
        while (begun < count)
        {
            for (; started < count && started < begun + ISide.Ahead; started++)
            {
                await StartAsync("hold");
            }

            var frame = await ReadAsync();
            if (frame.Type == "stream_token")
            {
                _texts[frame.RequestId].Append(frame.Token);
                begun++;
            }
        }
    }

    public async ValueTask DisposeAsync()
    {
        await socket.CloseOutputAsync(WebSocketCloseStatus.NormalClosure, null, CancellationToken.None);
        socket.Dispose();
    }

    private Task StartAsync(string message)
    {
        var id = $"turn-{++_ids}";
        _texts[id] = new StringBuilder();
        return SayAsync(new Said("send_message", id, _session, message));
    }

    private Task SayAsync(Said said) =>
        socket.SendAsync(JsonSerializer.SerializeToUtf8Bytes(said, PlainJson.Default.Said), WebSocketMessageType.Text, true, CancellationToken.None);

    private async Task<Frame> ReadAsync()
    {
        _buffer.ResetWrittenCount();
        while (true)
        {
            var part = await socket.ReceiveAsync(_buffer.GetMemory(4096), CancellationToken.None);
            _buffer.Advance(part.Count);
            if (part.MessageType == WebSocketMessageType.Close)
            {
                throw new InvalidOperationException("the server closed");
            }

            if (part.EndOfMessage)
            {
                return JsonSerializer.Deserialize(_buffer.WrittenSpan, PlainJson.Default.Frame)!;
            }
        }
    }
}

internal sealed record Said(string Action, string RequestId, string? SessionId, string? Message);

internal sealed record Frame(string Type, string RequestId, long Timestamp, int Status, string? Token, FrameData? Data);

internal sealed record FrameData(string? RequestId, string? Token, string? SessionId, int Status, Answer? Data);

internal sealed record Answer(string MessageId, Response Response, bool NeedsEscalation);

internal sealed record Response(
    IReadOnlyList<string> ResponseParts,
    double CustomerHappinessScore,
    double NeedsSatisfactionScore,
    string RequestSummary,
    string ResolutionStatus,
    IReadOnlyList<string> SuggestedNextActions);

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(Said))]
[JsonSerializable(typeof(Frame))]
internal sealed partial class PlainJson : JsonSerializerContext;
