namespace SmooAI.SmoothOperator.Extensions.AI;

/// <summary>Chat messages as one message of the protocol.</summary>
internal static class Messages
{
    /// <summary>The message, whose session is not yet known.</summary>
    public static SendMessageParams ToParams(IReadOnlyList<ChatMessage> messages)
    {
        var contents = messages.Where(static message => message.Role == ChatRole.User).SelectMany(static message => message.Contents).ToList();
        var text = string.Join('\n', contents.OfType<TextContent>().Select(static content => content.Text));
        if (string.IsNullOrWhiteSpace(text))
        {
            throw new ArgumentException("there is no text of the user after the last message of the assistant", nameof(messages));
        }

        var images = contents.Select(Image).OfType<ImageInput>().ToList();
        var files = contents.OfType<UriContent>().Where(static content => !content.HasTopLevelMediaType("image")).Select(File).ToList();
        return new SendMessageParams
        {
            SessionId = "",
            Message = text,
            Images = images.Count > 0 ? images : null,
            Files = files.Count > 0 ? files : null,
        };
    }

    private static ImageInput? Image(AIContent content) => content switch
    {
        DataContent data when data.HasTopLevelMediaType("image") => new ImageInput { Url = data.Uri },
        UriContent link when link.HasTopLevelMediaType("image") => new ImageInput { Url = link.Uri.AbsoluteUri },
        _ => null,
    };

    private static FileInput File(UriContent content) => new()
    {
        Name = content.Uri.Segments.LastOrDefault(static segment => segment != "/")?.TrimEnd('/') ?? content.Uri.Host,
        MimeType = content.MediaType,
        Url = content.Uri.AbsoluteUri,
    };
}
