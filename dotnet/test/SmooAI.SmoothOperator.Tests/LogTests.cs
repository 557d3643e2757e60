using System.Collections.Concurrent;
using System.Diagnostics.Tracing;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using SmooAI.SmoothOperator.Testing;

namespace SmooAI.SmoothOperator.Tests;

/// <summary>What somebody hears who listens to the client's event source.</summary>
public sealed class LogTests
{
    private sealed class Listener : EventListener
    {
        public ConcurrentQueue<string> Lines { get; } = new();

        protected override void OnEventSourceCreated(EventSource eventSource)
        {
            if (eventSource.Name == "SmooAI-SmoothOperator")
            {
                EnableEvents(eventSource, EventLevel.Verbose);
            }
        }

        protected override void OnEventWritten(EventWrittenEventArgs eventData) =>
            Lines.Enqueue($"{eventData.EventName} {string.Join(' ', eventData.Payload ?? new([]))}");
    }

    private sealed class Lines : ILoggerProvider, ILogger
    {
        public ConcurrentQueue<string> Written { get; } = new();

        public ILogger CreateLogger(string categoryName) => this;

        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter) =>
            Written.Enqueue($"{logLevel} {eventId.Name}: {formatter(state, exception)}");

        public void Dispose()
        {
        }
    }

    [Fact]
    public async Task AContainersLoggersAreTold()
    {
        using var lines = new Lines();
        await using var server = FakeServer.Start(static connection => connection.UntilClosedAsync());
        var services = new ServiceCollection();
        services.AddSingleton<ILoggerFactory>(new LoggersOf(lines));
        services.AddSmoothOperator(new SmoothAgentOptions { Url = server.Url });
        await using var provider = services.BuildServiceProvider();
        await provider.GetRequiredService<SmoothAgentClient>().ConnectAsync(TestContext.Current.CancellationToken);
        Assert.Contains("Information Connected: connected after 1 attempts", lines.Written);
    }

    private sealed class LoggersOf(ILoggerProvider provider) : ILoggerFactory
    {
        public void AddProvider(ILoggerProvider provider) => throw new NotSupportedException();

        public ILogger CreateLogger(string categoryName) => provider.CreateLogger(categoryName);

        public void Dispose()
        {
        }
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task ConnectsAndLossesAreToldAndTokensAndContentsAreNot(bool inSubprotocol)
    {
        using var listener = new Listener();
        await using var server = FakeServer.Start(
            static async connection =>
            {
                var message = await connection.ReceiveAsync<SendMessageParams>();
                await connection.SendTextAsync($"not JSON {message.Message}");
                await connection.CloseAsync(4401, "expired");
            },
            static token => token == "token-that-is-secret");
        var options = new SmoothAgentOptions
        {
            Url = server.Url,
            TokenProvider = SmoothAgentOptions.StaticToken("token-that-is-secret"),
            TokenInSubprotocol = inSubprotocol,
        };
        await using var client = new SmoothAgentClient(options);
        await client.ConnectAsync(TestContext.Current.CancellationToken);
        var turn = client.SendMessage("s", "message-that-is-secret");
        await Assert.ThrowsAsync<ConnectionLostException>(() => turn.Result.WaitAsync(TimeSpan.FromSeconds(20), TestContext.Current.CancellationToken));
        Assert.Contains("Connected 1", listener.Lines);
        Assert.Contains(listener.Lines, static line => line.StartsWith("UnreadableFrame ", StringComparison.Ordinal));
        Assert.Contains(listener.Lines, static line => line.StartsWith("Lost ", StringComparison.Ordinal) && line.Contains("4401", StringComparison.Ordinal));
        Assert.DoesNotContain(listener.Lines, static line => line.Contains("secret", StringComparison.Ordinal));
    }
}
