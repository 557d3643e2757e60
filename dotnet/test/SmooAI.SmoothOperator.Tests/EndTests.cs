using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Runtime.CompilerServices;
using SmooAI.SmoothOperator.Testing;

namespace SmooAI.SmoothOperator.Tests;

/// <summary>What is left of a client or a turn when it has ended: nothing.</summary>
public sealed class EndTests
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);

    /// <summary>Whether nothing refers to an object any more: no timer, no task, no connection.</summary>
    private static async Task<bool> IsGoneAsync(WeakReference thing)
    {
        for (var begun = Stopwatch.StartNew(); thing.IsAlive && begun.Elapsed < Patience;)
        {
            // Whoever has just ended may still hold the object, on its stack.
            await Task.Yield();
            GC.Collect();
            GC.WaitForPendingFinalizers();
        }

        return !thing.IsAlive;
    }

    /// <summary>A client that has done all that starts a timer or a task, and is closed in the midst of it.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    private static async Task<WeakReference> UseAsync(Uri url, TimeProvider time)
    {
        var client = new SmoothAgentClient(new SmoothAgentOptions { Url = url, TimeProvider = time, FirstPause = TimeSpan.Zero });
        await client.ConnectAsync();
        await Assert.ThrowsAsync<ConnectionLostException>(async () => await client.SendMessage("s", "is cut").Result.WaitAsync(Patience));
        await client.PingAsync().WaitAsync(Patience);
        var turn = client.SendMessage("s", "is under way");
        await foreach (var _ in turn)
        {
            break;
        }

        await client.DisposeAsync().AsTask().WaitAsync(Patience);
        await Assert.ThrowsAsync<ClientClosedException>(async () => await turn);
        return new WeakReference(client);
    }

    [Fact]
    public async Task OfAClosedClientNothingIsLeft()
    {
        await using var server = FakeServer.Start(static async connection =>
        {
            if (connection.Number == 1)
            {
                await connection.ReceiveAsync<SendMessageParams>();
                return;
            }

            var ping = await connection.ReceiveAsync<PingParams>();
            await connection.SendTextAsync($$$"""{"type":"pong","requestId":"{{{ping.RequestId}}}","timestamp":1,"data":{"timestamp":1}}""");
            await connection.AcceptAsync((await connection.ReceiveAsync<SendMessageParams>()).RequestId);
            await connection.UntilClosedAsync();
        });
        var time = new SetTime();
        var client = await UseAsync(server.Url, time);
        Assert.Equal(0, time.Running);
        Assert.True(await IsGoneAsync(client), "something still refers to the client");
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static WeakReference Start(SmoothAgentClient client, string requestId) =>
        new(client.SendMessage(new SendMessageParams { SessionId = "s", Message = "m", RequestId = requestId }));

    [Fact]
    public async Task OfATurnThatNobodyHeedsNothingIsLeft()
    {
        var unobserved = 0;
        void Note(object? sender, UnobservedTaskExceptionEventArgs failure) =>
            unobserved += failure.Exception.InnerExceptions.Count(static error => error is ServerErrorException { RequestId: "fails" });
        await using var server = FakeServer.Start(static async connection =>
        {
            var id = (await connection.ReceiveAsync<SendMessageParams>()).RequestId!;
            await connection.FinishAsync(id, "done");
            id = (await connection.ReceiveAsync<SendMessageParams>()).RequestId!;
            await connection.ErrorAsync(id, ErrorCode.SessionNotFound, "gone");
            var ping = await connection.ReceiveAsync<PingParams>();
            await connection.SendTextAsync($$$"""{"type":"pong","requestId":"{{{ping.RequestId}}}","timestamp":1,"data":{"timestamp":1}}""");
            await connection.UntilClosedAsync();
        });
        await using var client = new SmoothAgentClient(server.Url.ToString());
        await client.ConnectAsync(TestContext.Current.CancellationToken);
        TaskScheduler.UnobservedTaskException += Note;
        try
        {
            WeakReference[] turns = [Start(client, "ends-well"), Start(client, "fails")];
            await client.PingAsync(cancellationToken: TestContext.Current.CancellationToken).WaitAsync(Patience, TestContext.Current.CancellationToken);
            Assert.True(await IsGoneAsync(turns[0]), "something still refers to the turn that ended well");
            Assert.True(await IsGoneAsync(turns[1]), "something still refers to the turn that failed");
            Assert.Equal(0, unobserved);
        }
        finally
        {
            TaskScheduler.UnobservedTaskException -= Note;
        }
    }

    [Fact]
    public async Task ClosingEndsTheConnecting()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        var client = new SmoothAgentClient($"ws://{listener.LocalEndpoint}/ws");
        var connecting = client.ConnectAsync(TestContext.Current.CancellationToken);
        using var accepted = await listener.AcceptTcpClientAsync(TestContext.Current.CancellationToken);
        await client.DisposeAsync().AsTask().WaitAsync(Patience, TestContext.Current.CancellationToken);
        await Assert.ThrowsAsync<ClientClosedException>(() => connecting.WaitAsync(Patience, TestContext.Current.CancellationToken));
        await Assert.ThrowsAsync<ClientClosedException>(() => client.ConnectAsync(TestContext.Current.CancellationToken));
    }

    [Fact]
    public async Task ClosingBetweenTwoAttemptsEndsThem()
    {
        await using var server = FakeServer.Start(static connection => connection.ReceiveAsync<PingParams>());
        await using var client = new SmoothAgentClient(new SmoothAgentOptions { Url = server.Url, FirstPause = TimeSpan.FromHours(1), LongestPause = TimeSpan.FromHours(1), Jitter = static () => 1 });
        await client.ConnectAsync(TestContext.Current.CancellationToken);
        await Assert.ThrowsAsync<ConnectionLostException>(() => client.PingAsync(cancellationToken: TestContext.Current.CancellationToken));
        var turn = client.SendMessage("s", "waits for the connection");
        await client.DisposeAsync().AsTask().WaitAsync(Patience, TestContext.Current.CancellationToken);
        await Assert.ThrowsAsync<ClientClosedException>(() => turn.Result.WaitAsync(Patience, TestContext.Current.CancellationToken));
    }

    [Fact]
    public async Task AfterAGoodbyeNoAttemptIsThoughtOf()
    {
        await using var server = FakeServer.Start(static connection => connection.UntilClosedAsync());
        var client = new SmoothAgentClient(new SmoothAgentOptions { Url = server.Url, Jitter = static () => throw new InvalidOperationException("there was an attempt") });
        await client.ConnectAsync(TestContext.Current.CancellationToken);
        await client.DisposeAsync();
    }

    [Fact]
    public void ThePausesAreDrawnFromASpanThatDoublesFromHalfASecondTo20Seconds()
    {
        var backoff = new SmoothAgentOptions { Url = new Uri("ws://127.0.0.1:1/ws") }.Backoff;
        for (var attempt = 0; attempt < 40; attempt++)
        {
            var longest = TimeSpan.FromSeconds(Math.Min(20, Math.ScaleB(0.5, attempt)));
            var drawn = Enumerable.Range(0, 200).Select(_ => backoff(attempt)).ToList();
            Assert.All(drawn, pause => Assert.InRange(pause, TimeSpan.Zero, longest));
            Assert.True(drawn.Max() > longest / 2 && drawn.Min() < longest / 2, "the pauses are not drawn from the whole span");
        }
    }
}
