using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using System.Net.WebSockets;
using System.Security.Cryptography;
using System.Text;

namespace SmooAI.SmoothOperator.Testing;

/// <summary>A server for tests that plays a script on every connection, on a free port of this machine.</summary>
public sealed class FakeServer : IAsyncDisposable
{
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly CancellationTokenSource _stop = new();
    private readonly ConcurrentBag<Task> _connections = [];
    private readonly Func<FakeConnection, Task> _script;
    private readonly Func<string?, bool> _accepts;
    private readonly Task _accepting;
    private int _count;

    private FakeServer(Func<FakeConnection, Task> script, Func<string?, bool> accepts)
    {
        (_script, _accepts) = (script, accepts);
        _listener.Start();
        Url = new Uri($"ws://{_listener.LocalEndpoint}/ws");
        _accepting = AcceptAsync();
    }

    /// <summary>Where it listens.</summary>
    public Uri Url { get; }

    /// <summary>Starts a server.</summary>
    /// <param name="script">Runs once per connection, which is dropped when it ends.</param>
    /// <param name="accepts">Whether a token, or none, is accepted; otherwise the handshake is answered with 401.</param>
    public static FakeServer Start(Func<FakeConnection, Task> script, Func<string?, bool>? accepts = null) =>
        new(script, accepts ?? (static _ => true));

    /// <summary>Drops all connections and waits until no script runs any more.</summary>
    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync().ConfigureAwait(false);
        _listener.Stop();
        await _accepting.ConfigureAwait(false);
        await Task.WhenAll(_connections).ConfigureAwait(false);
        _listener.Dispose();
        _stop.Dispose();
    }

    private async Task AcceptAsync()
    {
        try
        {
            while (true)
            {
                _connections.Add(ServeAsync(await _listener.AcceptTcpClientAsync(_stop.Token).ConfigureAwait(false)));
            }
        }
        catch (Exception error) when (error is OperationCanceledException or SocketException or InvalidOperationException)
        {
            // The server was stopped.
        }
    }

    private async Task ServeAsync(TcpClient client)
    {
        using (client)
        {
            try
            {
                var stream = client.GetStream();
                var headers = await ReadHeadersAsync(stream).ConfigureAwait(false);
                var protocols = headers.GetValueOrDefault("Sec-WebSocket-Protocol", "").Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries);
                var token = headers.GetValueOrDefault("Authorization")?["Bearer ".Length..]
                    ?? protocols.FirstOrDefault(static one => one.StartsWith("bearer.", StringComparison.Ordinal))?["bearer.".Length..];
                if (!_accepts(token))
                {
                    await stream.WriteAsync("HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"u8.ToArray(), _stop.Token).ConfigureAwait(false);
                    client.Client.Shutdown(SocketShutdown.Send);
                    _ = await stream.ReadAsync(new byte[1], _stop.Token).ConfigureAwait(false);
                    return;
                }

                var protocol = protocols.Contains("smooth-operator", StringComparer.Ordinal) ? "smooth-operator" : null;
                await stream.WriteAsync(Handshake(headers["Sec-WebSocket-Key"], protocol), _stop.Token).ConfigureAwait(false);
                using var socket = WebSocket.CreateFromStream(stream, new WebSocketCreationOptions { IsServer = true, SubProtocol = protocol });
                await _script(new FakeConnection(socket, Interlocked.Increment(ref _count), token, headers, _stop.Token)).ConfigureAwait(false);
            }
            catch (Exception error) when (error is OperationCanceledException or WebSocketException or IOException or SocketException)
            {
                // The client went away, or the server was stopped.
            }
        }
    }

    private async Task<Dictionary<string, string>> ReadHeadersAsync(NetworkStream stream)
    {
        var text = new StringBuilder();
        var one = new byte[1];
        while (!text.ToString().EndsWith("\r\n\r\n", StringComparison.Ordinal))
        {
            await stream.ReadExactlyAsync(one, _stop.Token).ConfigureAwait(false);
            text.Append((char)one[0]);
        }

        return text.ToString().Split("\r\n").Skip(1).Select(static line => line.Split(": ", 2)).Where(static parts => parts.Length == 2)
            .ToDictionary(static parts => parts[0], static parts => parts[1], StringComparer.OrdinalIgnoreCase);
    }

    /// <summary>RFC 6455, section 4.2.2, whose key is hashed with SHA-1.</summary>
    private static byte[] Handshake(string key, string? protocol)
    {
#pragma warning disable CA5350 // the protocol asks for SHA-1, and nothing rests on its strength
        var accept = Convert.ToBase64String(SHA1.HashData(Encoding.ASCII.GetBytes($"{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11")));
#pragma warning restore CA5350
        var chosen = protocol is null ? "" : $"Sec-WebSocket-Protocol: {protocol}\r\n";
        return Encoding.ASCII.GetBytes($"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n{chosen}\r\n");
    }
}
