using System.Text.Json.Nodes;

namespace SmooAI.SmoothOperator.Tests;

/// <summary>A schema of spec/ that a type is generated from, with its examples.</summary>
/// <param name="Name">The name of the type in the schema.</param>
/// <param name="File">The file, relative to the folder of schemas, with forward slashes.</param>
/// <param name="Schema">The schema.</param>
internal sealed record NamedSchema(string Name, string File, JsonObject Schema)
{
    public IEnumerable<JsonNode> Examples => (Schema["examples"] as JsonArray ?? []).Select(static example => example!);

    /// <summary>The generated type.</summary>
    public Type Type => typeof(ServerEvent).Assembly.GetType($"SmooAI.SmoothOperator.{Name}")
        ?? throw new InvalidOperationException($"there is no type {Name}");
}

/// <summary>The schemas of spec/, read from disk.</summary>
internal static class Schemas
{
    private static readonly string Folder = FindFolder();

    private static readonly Dictionary<string, JsonObject> Files = Directory
        .EnumerateFiles(Folder, "*.json", SearchOption.AllDirectories)
        .Where(static path => Path.GetFileName(path) != "client.json") // settings, of which nothing is on the wire
        .ToDictionary(static path => Path.GetRelativePath(Folder, path).Replace('\\', '/'), static path => JsonNode.Parse(File.ReadAllText(path))!.AsObject());

    /// <summary>Every schema that has a type, files and their $defs alike.</summary>
    public static IReadOnlyList<NamedSchema> All { get; } =
    [
        .. Files.OrderBy(static file => file.Key, StringComparer.Ordinal).SelectMany(static file =>
            (file.Value["$defs"] as JsonObject ?? [])
                .Select(def => new NamedSchema(def.Key, file.Key, def.Value!.AsObject()))
                .Prepend(new NamedSchema(NameOf(file.Key), file.Key, file.Value))),
    ];

    /// <summary>Follows references to other files and definitions.</summary>
    public static (string File, JsonObject Schema) Follow(string file, JsonObject schema)
    {
        while (schema["$ref"]?.GetValue<string>() is { } reference)
        {
            var parts = reference.Split('#');
            if (parts[0].Length > 0)
            {
                var folder = new Uri(new Uri("file:///"), file);
                file = new Uri(folder, parts[0]).AbsolutePath.TrimStart('/');
            }

            schema = Files[file];
            if (parts.Length > 1 && parts[1].Length > 0)
            {
                schema = schema["$defs"]![parts[1].Split('/')[^1]]!.AsObject();
            }
        }

        return (file, schema);
    }

    private static string NameOf(string file)
    {
        var words = Path.GetFileNameWithoutExtension(file).Split('_');
        var name = string.Concat(words.Select(static word => char.ToUpperInvariant(word[0]) + word[1..]));
        return file.Split('/')[0] switch
        {
            "actions" => name + "Params",
            "events" => name + "Event",
            "types" => name,
            _ => "ErrorCode",
        };
    }

    private static string FindFolder()
    {
        for (var here = new DirectoryInfo(AppContext.BaseDirectory); here is not null; here = here.Parent)
        {
            var folder = Path.Combine(here.FullName, "spec");
            if (File.Exists(Path.Combine(folder, "errors.json")))
            {
                return folder;
            }
        }

        throw new DirectoryNotFoundException("there is no folder spec above the test program");
    }
}
