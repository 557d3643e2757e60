using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using SmooAI.SmoothOperator;
using SmooAI.SmoothOperator.Extensions.AI;

namespace Microsoft.Extensions.DependencyInjection;

/// <summary>Puts the client of the service into a container.</summary>
public static class SmoothOperatorServices
{
    /// <summary>
    /// Adds one <see cref="SmoothAgentClient"/>, which connects at its first use through the chat client and is
    /// disposed of with the container, and an <see cref="IChatClient"/> over it. It logs to the container's loggers.
    /// </summary>
    /// <param name="services">The container.</param>
    /// <param name="options">How to connect; may take what it needs from the container.</param>
    /// <param name="session">How sessions are opened: the agent, the user's name.</param>
    public static IServiceCollection AddSmoothOperator(
        this IServiceCollection services,
        Func<IServiceProvider, SmoothAgentOptions> options,
        CreateConversationSessionParams? session = null)
    {
        ArgumentNullException.ThrowIfNull(options);
        services.TryAddSingleton(static provider => new SmoothOperatorLogs(provider.GetService<ILoggerFactory>() ?? NullLoggerFactory.Instance));
        services.TryAddSingleton(provider =>
        {
            _ = provider.GetRequiredService<SmoothOperatorLogs>();
            return new SmoothAgentClient(options(provider));
        });
        services.TryAddSingleton<IChatClient>(provider => new SmoothOperatorChatClient(provider.GetRequiredService<SmoothAgentClient>(), session));
        return services;
    }

    /// <summary>The same with options that are known already.</summary>
    /// <param name="services">The container.</param>
    /// <param name="options">How to connect.</param>
    /// <param name="session">How sessions are opened: the agent, the user's name.</param>
    public static IServiceCollection AddSmoothOperator(this IServiceCollection services, SmoothAgentOptions options, CreateConversationSessionParams? session = null) =>
        services.AddSmoothOperator(_ => options, session);
}
