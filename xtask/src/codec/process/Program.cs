// The codec process of C#: it is compiled together with the generated code and a registry that finds a type's codec by
// its name. Each message is a length in four bytes, big-endian, and that much JSON.
using System;
using System.Buffers.Binary;
using System.IO;
using System.Text;
using System.Text.Json;
using SmooAI.SmoothOperator;

const int Limit = 16 << 20;
using var input = Console.OpenStandardInput();
using var output = Console.OpenStandardOutput();
var head = new byte[4];
while (true)
{
    if (input.ReadAtLeast(head, 4, throwOnEndOfStream: false) < 4)
    {
        return;
    }

    var length = BinaryPrimitives.ReadUInt32BigEndian(head);
    if (length > Limit)
    {
        throw new InvalidDataException("the message is too long");
    }

    var body = new byte[length];
    input.ReadExactly(body);
    using var request = JsonDocument.Parse(body);
    var answer = Answer(request.RootElement);
    BinaryPrimitives.WriteUInt32BigEndian(head, (uint)answer.Length);
    output.Write(head);
    output.Write(answer);
    output.Flush();
}

static byte[] Answer(JsonElement request)
{
    using var buffer = new MemoryStream();
    using (var writer = new Utf8JsonWriter(buffer))
    {
        writer.WriteStartObject();
        writer.WriteNumber("id", request.GetProperty("id").GetUInt64());
        try
        {
            var text = CodecRegistry.Trip(request.GetProperty("type").GetString()!, Encoding.UTF8.GetBytes(request.GetProperty("instance").GetString()!));
            if (text is not null)
            {
                writer.WriteString("text", text);
            }
        }
        catch (DecodeException error)
        {
            Refuse(writer, "decode", error.Pointer, null, error.Problem);
        }
        catch (ViolationException error)
        {
            Refuse(writer, "validate", error.Violation.Pointer, error.Violation.Keyword, error.Violation.Message);
        }

        writer.WriteEndObject();
    }

    return buffer.ToArray();
}

static void Refuse(Utf8JsonWriter writer, string phase, string pointer, string? keyword, string message)
{
    writer.WriteStartObject("refused");
    writer.WriteString("phase", phase);
    writer.WriteString("pointer", pointer);
    if (keyword is not null)
    {
        writer.WriteString("keyword", keyword);
    }

    writer.WriteString("message", message);
    writer.WriteEndObject();
}
