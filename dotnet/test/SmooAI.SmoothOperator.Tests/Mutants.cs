using System.Globalization;
using System.Text.Json.Nodes;

namespace SmooAI.SmoothOperator.Tests;

/// <summary>An example with one thing wrong with it.</summary>
/// <param name="Value">The broken value.</param>
/// <param name="Pointer">Where it is broken.</param>
/// <param name="Keyword">What Validate says; null where decoding refuses it.</param>
internal sealed record Mutant(JsonNode? Value, string Pointer, string? Keyword);

/// <summary>Breaks one thing at a time, as the schema tells.</summary>
internal static class Mutants
{
    private static readonly Dictionary<string, string> AgainstPattern = new(StringComparer.Ordinal)
    {
        ["\\S"] = " \u00a0\ufeff",
        ["^(data:|https://)"] = "http://x",
        ["^[A-Za-z0-9_-]{1,128}$"] = "a\n",
    };

    private static readonly Dictionary<string, string> OfEachType = new(StringComparer.Ordinal)
    {
        ["null"] = "null",
        ["boolean"] = "true",
        ["number"] = "1.5",
        ["string"] = "\"?\"",
        ["array"] = "[]",
        ["object"] = "{}",
    };

    public static IEnumerable<Mutant> Of(NamedSchema from, JsonNode example) =>
        Walk(from.File, from.Schema, example, "", static value => value);

    /// <param name="file">Where the schema stands.</param>
    /// <param name="schema">The schema of the value.</param>
    /// <param name="value">A value that is right.</param>
    /// <param name="pointer">Where the value is.</param>
    /// <param name="put">The whole example with another value in this place.</param>
    private static IEnumerable<Mutant> Walk(string file, JsonObject schema, JsonNode? value, string pointer, Func<JsonNode?, JsonNode?> put)
    {
        (file, schema) = Schemas.Follow(file, schema);
        var own = WrongTypes(schema).Concat(BrokenConstraints(schema, value));
        foreach (var (wrong, keyword) in own)
        {
            yield return new Mutant(put(wrong), pointer, keyword);
        }

        var inner = value switch
        {
            JsonObject members => Members(file, schema, members, pointer, put),
            JsonArray items => Items(file, schema, items, pointer, put),
            _ => [],
        };
        foreach (var mutant in inner)
        {
            yield return mutant;
        }
    }

    private static IEnumerable<Mutant> Members(string file, JsonObject schema, JsonObject members, string pointer, Func<JsonNode?, JsonNode?> put)
    {
        var required = (schema["required"] as JsonArray ?? []).Select(static key => key!.GetValue<string>()).ToHashSet(StringComparer.Ordinal);
        foreach (var (key, property) in schema["properties"] as JsonObject ?? [])
        {
            if (!members.ContainsKey(key))
            {
                continue;
            }

            JsonObject With(JsonNode? wrong)
            {
                var copy = members.DeepClone().AsObject();
                copy[key] = wrong;
                return copy;
            }

            if (required.Contains(key))
            {
                var without = members.DeepClone().AsObject();
                without.Remove(key);
                yield return new Mutant(put(without), $"{pointer}/{key}", null);
            }

            foreach (var mutant in Walk(file, property!.AsObject(), members[key], $"{pointer}/{key}", wrong => put(With(wrong))))
            {
                yield return mutant;
            }
        }
    }

    private static IEnumerable<Mutant> Items(string file, JsonObject schema, JsonArray items, string pointer, Func<JsonNode?, JsonNode?> put)
    {
        if (schema["items"] is not JsonObject inner)
        {
            return [];
        }

        JsonArray With(int index, JsonNode? wrong)
        {
            var copy = items.DeepClone().AsArray();
            copy[index] = wrong;
            return copy;
        }

        return Enumerable.Range(0, items.Count).SelectMany(index =>
            Walk(file, inner, items[index], string.Create(CultureInfo.InvariantCulture, $"{pointer}/{index}"), wrong => put(With(index, wrong))));
    }

    private static IEnumerable<(JsonNode? Wrong, string? Keyword)> WrongTypes(JsonObject schema)
    {
        var kinds = TypesOf(schema);
        var isAny = kinds.Count == 0;
        return OfEachType.Where(type => !isAny && !kinds.Contains(type.Key)).Select(static type => (JsonNode.Parse(type.Value), (string?)null));
    }

    private static HashSet<string> TypesOf(JsonObject schema) => schema["type"] switch
    {
        JsonArray several => [.. several.Select(static type => type!.GetValue<string>())],
        JsonValue one => [one.GetValue<string>()],
        _ when schema.ContainsKey("const") || schema.ContainsKey("enum") || schema.ContainsKey("anyOf") => ["string"],
        _ => [],
    };

    private static IEnumerable<(JsonNode? Wrong, string? Keyword)> BrokenConstraints(JsonObject schema, JsonNode? value)
    {
        long? Bound(string keyword) => schema[keyword] is JsonValue bound && bound.TryGetValue<long>(out var number) ? number : null;

        if (schema.ContainsKey("const") || schema.ContainsKey("enum"))
        {
            yield return ("?", null);
        }

        if (Bound("minLength") is > 0 and var shortest)
        {
            yield return (new string('x', (int)shortest - 1), "minLength");
        }

        if (Bound("maxLength") is { } longest)
        {
            yield return (string.Concat(Enumerable.Repeat("😀", (int)longest + 1)), "maxLength");
        }

        if (schema["pattern"]?.GetValue<string>() is { } pattern)
        {
            yield return (AgainstPattern[pattern], "pattern");
        }

        if (schema["format"]?.GetValue<string>() == "uuid")
        {
            yield return ("71d3b8f5-4a6c-4e09-b7f2-2c80e5a9d61g", "format");
        }

        if (Bound("minimum") is { } least)
        {
            var unsigned = schema["format"]?.GetValue<string>() == "uint32" && least == 0;
            yield return (least - 1, unsigned ? null : "minimum");
        }

        if (Bound("maximum") is { } most)
        {
            yield return (most + 1, "maximum");
        }

        if (Bound("minItems") is > 0 and var fewest && value is JsonArray tooMany)
        {
            yield return (new JsonArray([.. tooMany.Take((int)fewest - 1).Select(static item => item?.DeepClone())]), "minItems");
        }

        if (Bound("maxItems") is { } count && value is JsonArray { Count: > 0 } items)
        {
            yield return (new JsonArray([.. Enumerable.Range(0, (int)count + 1).Select(_ => items[0]?.DeepClone())]), "maxItems");
        }
    }
}
