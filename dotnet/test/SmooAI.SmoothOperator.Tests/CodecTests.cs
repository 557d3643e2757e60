using System.Reflection;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace SmooAI.SmoothOperator.Tests;

/// <summary>Every example of spec/ through the generated code, and every copy of one that breaks exactly one thing.</summary>
public sealed class CodecTests
{
    public static TheoryData<string> TypeNames => [.. Schemas.All.Where(static type => type.Examples.Any()).Select(static type => type.Name)];

    private static NamedSchema Named(string name) => Schemas.All.Single(type => type.Name == name);

    private static object Decode(Type type, string json) =>
        JsonSerializer.Deserialize(json, SmoothOperatorJsonContext.Default.GetTypeInfo(type)!)!;

    private static string Encode(object value) =>
        JsonSerializer.Serialize(value, SmoothOperatorJsonContext.Default.GetTypeInfo(value.GetType())!);

    private static Violation? Validate(object value)
    {
        var type = value.GetType();
        var method = type.GetMethod("Validate", BindingFlags.Public | BindingFlags.Static | BindingFlags.DeclaredOnly, [type]);
        return (Violation?)method?.Invoke(null, [value]);
    }

    private static void AssertSameJson(JsonNode expected, string json) =>
        Assert.True(JsonNode.DeepEquals(expected, JsonNode.Parse(json)), $"got  {json}\nwant {expected.ToJsonString()}");

    [Fact]
    public void TheFolderOfSchemasIsWhole()
    {
        var names = TypeNames.Select(static row => row.Data).ToList();
        Assert.All(["SendMessageParams", "GetSessionReply", "ErrorEvent", "Citation", "ErrorCode"], name => Assert.Contains(name, names));
        Assert.True(Schemas.All.SelectMany(static type => type.Examples).Count() > 100);
    }

    [Theory]
    [MemberData(nameof(TypeNames))]
    public void EveryExampleIsValidAndComesBackEqual(string name)
    {
        var type = Named(name);
        foreach (var example in type.Examples)
        {
            var value = Decode(type.Type, example.ToJsonString());
            Assert.Null(Validate(value));
            AssertSameJson(example, Encode(value));
        }
    }

    [Theory]
    [MemberData(nameof(TypeNames))]
    public void APropertyThatNobodyKnowsIsDropped(string name)
    {
        var type = Named(name);
        foreach (var example in type.Examples.OfType<JsonObject>())
        {
            var more = example.DeepClone().AsObject();
            more["x-unknown"] = new JsonArray(1);
            AssertSameJson(example, Encode(Decode(type.Type, more.ToJsonString())));
        }
    }

    [Theory]
    [MemberData(nameof(TypeNames))]
    public void EveryBrokenExampleIsRefusedAtItsPlace(string name)
    {
        var type = Named(name);
        foreach (var mutant in type.Examples.SelectMany(example => Mutants.Of(type, example)))
        {
            var text = mutant.Value?.ToJsonString() ?? "null";
            Assert.Equal((text, mutant.Pointer, mutant.Keyword), Refusal(type.Type, text));
        }
    }

    private static (string Text, string Pointer, string? Keyword) Refusal(Type type, string text)
    {
        try
        {
            return Validate(Decode(type, text)) is { } broken ? (text, broken.Pointer, broken.Keyword) : (text, "accepted", null);
        }
        catch (DecodeException error)
        {
            return (text, error.Pointer, null);
        }
    }

    [Fact]
    public void ThereAreManyBrokenExamples() =>
        Assert.True(Schemas.All.Sum(static type => type.Examples.Sum(example => Mutants.Of(type, example).Count())) > 1000);

    [Fact]
    public void EveryEventAndActionIsFoundByItsTagWhereverItStands()
    {
        foreach (var type in Schemas.All.Where(static type => type.Name.EndsWith("Event", StringComparison.Ordinal) && type.File.StartsWith("events/", StringComparison.Ordinal)))
        {
            foreach (var example in type.Examples)
            {
                var reversed = new JsonObject(example.AsObject().Reverse().Select(static member => KeyValuePair.Create(member.Key, member.Value?.DeepClone())));
                var value = ServerEvent.FromJson(reversed.ToJsonString());
                Assert.Equal((type.Type, (string?)example["requestId"]), (value.GetType(), value.GetRequestId()));
                Assert.Equal((long)example["timestamp"]!, value.GetTimestamp());
                Assert.Null(ServerEvent.Validate(value));
                AssertSameJson(example, value.ToJson());
            }
        }

        foreach (var type in Schemas.All.Where(static type => type.Name.EndsWith("Params", StringComparison.Ordinal)))
        {
            foreach (var example in type.Examples)
            {
                var value = ClientAction.FromJson(Encoding.UTF8.GetBytes(example.ToJsonString()));
                Assert.Equal((type.Type, (string?)example["action"]), (value.GetType(), value.Tag));
                AssertSameJson(example, value.ToJson());
            }
        }
    }

    [Fact]
    public void AnUnknownEventIsKept()
    {
        const string Frame = """{"timestamp":7,"deep":[{"n":12345678901234567890.10}],"requestId":"r","type":"brand_new"}""";
        var unknown = Assert.IsType<UnknownEvent>(ServerEvent.FromJson(Frame));
        Assert.Equal(("brand_new", "r", 7), (unknown.Tag, unknown.GetRequestId(), unknown.GetTimestamp()));
        Assert.Equal(Frame, unknown.ToJson());
        var bare = ServerEvent.FromJson("""{"type":"brand_new","requestId":7}""");
        Assert.Equal((null, null), (bare.GetRequestId(), bare.GetTimestamp()));
    }

    [Fact]
    public void AnUnknownValueOfAnOpenEnumIsKept()
    {
        const string Frame = """{"type":"error","timestamp":1,"error":{"code":"NEW_CODE","message":"m"},"data":{"error":{"code":"NEW_CODE","message":"m"}}}""";
        var error = Assert.IsType<ErrorEvent>(ServerEvent.FromJson(Frame));
        Assert.Equal("NEW_CODE", error.Error.Code);
        Assert.NotEqual("new_code", error.Error.Code);
        Assert.Equal((false, 500, false, ""), (error.Error.Code.IsKnown, error.Error.Code.Status, error.Error.Code.Retryable, error.Error.Code.Hint));
        Assert.Equal(Frame, error.ToJson());
        Assert.Equal((true, 429, true), (ErrorCode.RateLimited.IsKnown, ErrorCode.RateLimited.Status, ErrorCode.RateLimited.Retryable));
        Assert.Equal(default, new ErrorCode(""));
    }

    [Fact]
    public void AnUnknownActionIsRefused()
    {
        var error = Assert.Throws<DecodeException>(static () => ClientAction.FromJson("""{"action":"brand_new"}"""));
        Assert.Equal(("/action", "brand_new"), (error.Pointer, error.Tag));
    }

    [Fact]
    public void KeysCountExactly()
    {
        var error = Assert.Throws<DecodeException>(static () => ServerEvent.FromJson("""{"type":"pong","Timestamp":1,"data":{"timestamp":2}}"""));
        Assert.Equal(("/timestamp", "pong"), (error.Pointer, error.Tag));
        Assert.IsType<PongEvent>(ServerEvent.FromJson("""{"\u0074ype":"pong","timestamp":1,"data":{"timestamp":2}}"""));
    }

    [Theory]
    [InlineData("""{"action":"send_message","sessionId":"s","message":"m"}""")]
    [InlineData("""{"action":"send_message","sessionId":"s","message":"m","images":[],"files":[]}""")]
    [InlineData("""{"action":"create_conversation_session"}""")]
    [InlineData("""{"action":"create_conversation_session","userName":"","metadata":{},"supports":[]}""")]
    public void AbsentIsNotEmpty(string json) => Assert.Equal(json, ClientAction.FromJson(json).ToJson());

    [Fact]
    public void NullIsWrittenWhereItMustBe()
    {
        var reply = new GetConversationMessagesReply { Messages = [], NextCursor = null, HasMore = false };
        Assert.Equal("""{"messages":[],"nextCursor":null,"hasMore":false}""", Encode(reply));
    }

    [Fact]
    public void TextAndNumbersKeepTheirDigits()
    {
        const string Json = """{"id":"71d3b8f5-4a6c-4e09-b7f2-2c80e5a9d613","direction":"inbound","content":{"items":[],"structuredResponse":{"n":1.10,"b":123456789012345678901234567890}},"metadataJson":{"big":9007199254740993,"small":1e-400},"createdAt":"2026-01-01T09:00:00.250+05:30"}""";
        var message = Assert.IsType<Message>(Decode(typeof(Message), Json));
        Assert.Equal("2026-01-01T09:00:00.250+05:30", message.CreatedAt);
        Assert.All(["9007199254740993", "1e-400", "1.10", "123456789012345678901234567890"], digits => Assert.Contains(digits, Encode(message)));
        var pong = Assert.IsType<PongEvent>(ServerEvent.FromJson("""{"type":"pong","timestamp":9007199254740991,"data":{"timestamp":1.0}}"""));
        Assert.Equal((9007199254740991, 1), (pong.Timestamp, pong.Data.Timestamp));
    }

    [Theory]
    [InlineData("2", 2)]
    [InlineData("2.0", 2)]
    [InlineData("1e2", 100)]
    [InlineData("0.0", 0)]
    [InlineData("20e-1", 2)]
    public void AWholeNumberIsOneHoweverItIsWritten(string written, int whole)
    {
        var json = $$$"""{"type":"otp_invalid","timestamp":{{{written}}},"data":{"requestId":"r","data":{"message":"m","attemptsRemaining":{{{written}}} } } }""";
        var found = Assert.IsType<OtpInvalidEvent>(ServerEvent.FromJson(json));
        Assert.Equal(((long)whole, (uint)whole), (found.Timestamp, found.Data.Data.AttemptsRemaining));
    }

    [Theory]
    [InlineData("1.5")]
    [InlineData("1e-1")]
    [InlineData("1e300")]
    [InlineData("\"1\"")]
    public void AFractionOrATextIsNoWholeNumber(string written)
    {
        var json = $$"""{"type":"pong","timestamp":{{written}},"data":{"timestamp":0} }""";
        Assert.Equal("/timestamp", Assert.Throws<DecodeException>(() => ServerEvent.FromJson(json)).Pointer);
    }

    [Theory]
    [InlineData("")]
    [InlineData("a\"b\\c/\b\f\n\r\t\0\u001f\u007f")]
    [InlineData("é 日 😀 \u2028 \u202e <&>")]
    public void StringsComeBackAsTheyWere(string message)
    {
        var sent = new SendMessageParams { SessionId = "s", Message = message };
        Assert.Equal(message, Assert.IsType<SendMessageParams>(ClientAction.FromJson(sent.ToJson())).Message);
    }

    [Theory]
    [InlineData("")]
    [InlineData("{")]
    [InlineData("nope")]
    [InlineData("""{"type":"pong"} x""")]
    [InlineData("[]")]
    [InlineData("\"pong\"")]
    [InlineData("null")]
    [InlineData("{}")]
    [InlineData("""{"type":7}""")]
    [InlineData("""{"type":"\ud800"}""")]
    public void WhatIsNoEventIsRefused(string json) => Assert.Throws<DecodeException>(() => ServerEvent.FromJson(json));

    [Fact]
    public void DeepNestingIsRefused() => Assert.Throws<DecodeException>(static () => ServerEvent.FromJson(new string('[', 100_000)));

    [Fact]
    public void WritingRefusesWhatJsonCannotSay()
    {
        var citation = new Citation { Id = "i", Title = "t", Snippet = "s", Score = double.NaN };
        Assert.Throws<ArgumentException>(() => Encode(citation));
        var image = new ImageInput { Url = "https://x", Detail = (ImageDetail)7 };
        Assert.Equal("/detail", ImageInput.Validate(image)?.Pointer);
        Assert.Throws<JsonException>(() => Encode(image));
    }
}
