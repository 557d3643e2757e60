using System.Text.Json;
using System.Text.Json.Nodes;

namespace SmooAI.SmoothOperator.Hostile.Tests;

/// <summary>The code that is generated from everything.json, which stands alone: no client is beside it.</summary>
public sealed class HostileTests
{
    private const string Smallest = """{"id":18446744073709551615,"both":["a",null,{"x":"y","n":2,"m":null}]}""";

    private static Everything Read(string json) =>
        JsonSerializer.Deserialize(json, SmoothOperatorJsonContext.Default.Everything)!;

    private static string Write(Everything value) =>
        JsonSerializer.Serialize(value, SmoothOperatorJsonContext.Default.Everything);

    /// <summary>The smallest value with one more property.</summary>
    private static string With(string key, string value)
    {
        var json = JsonNode.Parse(Smallest)!.AsObject();
        json[key] = JsonNode.Parse(value);
        return json.ToJsonString();
    }

    [Theory]
    [InlineData("id", "0")]
    [InlineData("hard", "\"h\"")]
    [InlineData("tri", "null")]
    [InlineData("tri", "\"ab\"")]
    [InlineData("triN", "null")]
    [InlineData("triN", "3")]
    [InlineData("nums", "[1,null,9]")]
    [InlineData("grid", "[[[\"a\"],[]],[]]")]
    [InlineData("map", """{"":null,"a/b~c":"d"}""")]
    [InlineData("optNum", "1.5")]
    [InlineData("pick", "3")]
    [InlineData("mixed", "null")]
    [InlineData("mixed", """{"x":[1]}""")]
    [InlineData("sh1", """{"t":"a","n":1,"tag":"x"}""")]
    [InlineData("sh2", """[{"t":"a","n":1},{"t":"c","more":{"t":"c","n":1}}]""")]
    [InlineData("tree", """{"left":{"kids":[{},{"tree":"t"}]}}""")]
    [InlineData("nest", "[[],[[]]]")]
    [InlineData("kept", """{"1":1,"x":"text"}""")]
    [InlineData("col", "\"r\\\"ed\"")]
    [InlineData("col", "\"Red\"")]
    [InlineData("open", "\"is known\"")]
    [InlineData("open", "\"new\"")]
    [InlineData("value", "\"12\"")]
    [InlineData("we\"ird\n\u202e日 {x}", "\"v\"")]
    [InlineData("equals", "\"e\"")]
    [InlineData("alone", "[\"a\"]")]
    [InlineData("many", "null")]
    [InlineData("many", """["a",1,1.5,true,"b","c","d",{"x":"y"},null]""")]
    [InlineData("Tag", "\"t\"")]
    public void AValueIsValidAndComesBackEqual(string key, string value)
    {
        var read = Read(With(key, value));
        Assert.Null(Everything.Validate(read));
        Assert.True(JsonNode.DeepEquals(JsonNode.Parse(With(key, value)), JsonNode.Parse(Write(read))), Write(read));
    }

    [Theory]
    [InlineData("tri", "\"a\"", "/tri", "minLength")]
    [InlineData("triN", "2", "/triN", "minimum")]
    [InlineData("nums", "[]", "/nums", "minItems")]
    [InlineData("nums", "[1,null,10]", "/nums/2", "maximum")]
    [InlineData("nums", "[null,1,null]", "/nums", "uniqueItems")]
    [InlineData("grid", "[[[\"abcd\"]]]", "/grid/0/0/0", "maxLength")]
    [InlineData("map", """{"a/b~c":""}""", "/map/a~1b~0c", "minLength")]
    [InlineData("map", """{"a":null,"b":null,"c":null,"d":null,"e":null}""", "/map", "maxProperties")]
    [InlineData("optNum", "0", "/optNum", "exclusiveMinimum")]
    [InlineData("optNum", "0.7", "/optNum", "multipleOf")]
    [InlineData("pick", "4", "/pick", "enum")]
    [InlineData("mixed", "2", "/mixed", "enum")]
    [InlineData("sh2", """[{"t":"c","more":{"t":"c","n":0}}]""", "/sh2/0/more/n", "minimum")]
    [InlineData("nest", "[[],[[],[],[]]]", "/nest/1", "maxItems")]
    [InlineData("kept", """{"n":0}""", "/kept/n", "minimum")]
    [InlineData("both", "[\"\",1,{}]", "/both/0", "minLength")]
    [InlineData("alone", "[\"\"]", "/alone/0", "minLength")]
    [InlineData("many", """["a",1,1.5,true,"b","c","d",{"n":0},2]""", "/many/7/n", "minimum")]
    [InlineData("many", """["a",1,1.5,true,"b","c","d",{},0]""", "/many/8", "minimum")]
    [InlineData("value", "\"1234\"", "/value", "pattern")]
    [InlineData("value", "\"12\\n\"", "/value", "pattern")]
    public void AConstraintIsBrokenAtItsPlace(string key, string value, string pointer, string keyword)
    {
        var broken = Everything.Validate(Read(With(key, value)));
        Assert.Equal((pointer, keyword), (broken?.Pointer, broken?.Keyword));
    }

    [Theory]
    [InlineData("id", "-1", "/id")]
    [InlineData("id", "18446744073709551616", "/id")]
    [InlineData("hard", "null", "/hard")]
    [InlineData("triN", "\"3\"", "/triN")]
    [InlineData("nums", "[1.5]", "/nums/0")]
    [InlineData("both", "[\"a\",1]", "/both")]
    [InlineData("both", "[\"a\",\"b\",{}]", "/both/1")]
    [InlineData("alone", "[]", "/alone")]
    [InlineData("many", """["a",1,1.5,true,"b","c","d",{}]""", "/many")]
    [InlineData("many", """["a",1,1.5,true,"b","c","d",{},"e"]""", "/many/8")]
    [InlineData("sh1", """{"t":"c"}""", "/sh1/t")]
    [InlineData("sh1", """{"t":"a"}""", "/sh1/n")]
    [InlineData("tree", """{"left":{"kids":[{},null]}}""", "/tree/left/kids/1")]
    [InlineData("nest", "[[7]]", "/nest/0/0")]
    [InlineData("kept", """{"n":"x"}""", "/kept/n")]
    [InlineData("col", "\"RED\"", "/col")]
    [InlineData("optNum", "1e400", "/optNum")]
    public void AWrongValueIsRefusedAtItsPlace(string key, string value, string pointer) =>
        Assert.Equal(pointer, Assert.Throws<DecodeException>(() => Read(With(key, value))).Pointer);

    [Fact]
    public void AbsentNullAndAValueDiffer()
    {
        Assert.False(Read(Smallest).Tri.IsPresent);
        Assert.True(Read(With("tri", "null")).Tri.TryGet(out var none) && none is null);
        Assert.True(Read(With("tri", "\"ab\"")).Tri.TryGet(out var some) && some == "ab");
        Assert.Equal(JsonNode.Parse(Smallest)!.ToJsonString(), Write(Read(Smallest)));
    }
}
