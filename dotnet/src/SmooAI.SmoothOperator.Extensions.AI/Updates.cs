namespace SmooAI.SmoothOperator.Extensions.AI;

/// <summary>Events of a turn as updates of a chat response.</summary>
internal static class Updates
{
    /// <param name="serverEvent">The event.</param>
    /// <param name="turn">Its turn.</param>
    /// <param name="hasText">Whether a piece of the answer came before.</param>
    public static ChatResponseUpdate Of(ServerEvent serverEvent, Turn turn, bool hasText) =>
        new(ChatRole.Assistant, Contents(serverEvent, turn, hasText))
        {
            ResponseId = turn.RequestId,
            MessageId = turn.RequestId,
            RawRepresentation = serverEvent,
            CreatedAt = serverEvent.GetTimestamp() is { } sent ? DateTimeOffset.FromUnixTimeMilliseconds(sent) : null,
            FinishReason = serverEvent is EventualResponseEvent ? ChatFinishReason.Stop : null,
            AdditionalProperties = serverEvent is EventualResponseEvent end ? new() { ["messageId"] = end.Data.Data.MessageId } : null,
        };

    private static List<AIContent> Contents(ServerEvent serverEvent, Turn turn, bool hasText) => serverEvent switch
    {
        StreamTokenEvent token => [new TextContent(token.Token)],
        StreamReasoningEvent reasoning => [new TextReasoningContent(reasoning.Token)],
        WriteConfirmationRequiredEvent asked => [Approval(asked.Data.Data, turn)],
        EventualResponseEvent end => [.. End(end.Data.Data, hasText)],
        _ => [],
    };

    private static ToolApprovalRequestContent Approval(WriteConfirmation asked, Turn turn) =>
        new(turn.RequestId, new FunctionCallContent(turn.RequestId, asked.ToolId, new Dictionary<string, object?> { ["actionDescription"] = asked.ActionDescription }));

    private static IEnumerable<AIContent> End(TurnResult result, bool hasText)
    {
        var whole = hasText ? "" : result.Response.ResponseParts.FirstOrDefault() ?? "";
        if (whole.Length > 0 || result.Citations is not null)
        {
            yield return new TextContent(whole) { Annotations = result.Citations?.Select(Annotation).ToList() };
        }

        if (result.Usage is { } usage)
        {
            yield return new UsageContent(new UsageDetails
            {
                InputTokenCount = usage.PromptTokens,
                OutputTokenCount = usage.CompletionTokens,
                TotalTokenCount = (long)usage.PromptTokens + usage.CompletionTokens,
            })
            { AdditionalProperties = new() { ["costUsd"] = usage.CostUsd } };
        }
    }

    private static AIAnnotation Annotation(Citation citation) => new CitationAnnotation
    {
        Title = citation.Title,
        FileId = citation.Id,
        Snippet = citation.Snippet,
        Url = Uri.TryCreate(citation.Url, UriKind.Absolute, out var url) ? url : null,
        RawRepresentation = citation,
    };
}
