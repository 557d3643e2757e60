using System.Diagnostics;
using System.IO.Compression;
using System.Xml.Linq;

namespace SmooAI.SmoothOperator.Tests;

/// <summary>The packages as they are installed: what is in them, and their READMEs followed in an empty folder.</summary>
public sealed class PackageTests : IDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(5);

    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("smooth-operator-packages-");

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    private string Built => Path.Combine(_folder.FullName, "built");

    public void Dispose() => _folder.Delete(recursive: true);

    [Fact]
    public async Task TheReadmesAreFollowedWithThePackagesInstalledFromTheirFiles()
    {
        foreach (var package in new[] { "SmooAI.SmoothOperator", "SmooAI.SmoothOperator.Extensions.AI" })
        {
            await RunAsync(ReadmeTests.Folder, "pack", $"src/{package}", "-c", Configuration, "--no-build", "-o", Built);
        }

        Assert.Empty(Dependencies("SmooAI.SmoothOperator"));
        Assert.Equal(
            ["Microsoft.Extensions.AI.Abstractions", "Microsoft.Extensions.DependencyInjection.Abstractions", "Microsoft.Extensions.Logging.Abstractions", "SmooAI.SmoothOperator"],
            Dependencies("SmooAI.SmoothOperator.Extensions.AI"));
        await using var server = ReadmeTests.Serve();
        Assert.EndsWith("17 days\nescalate: False\n", await FollowAsync("SmooAI.SmoothOperator", server.Url, 0), StringComparison.Ordinal);
        Assert.EndsWith("17 days\n", await FollowAsync("SmooAI.SmoothOperator", server.Url, 2), StringComparison.Ordinal);
        Assert.EndsWith("17 days", await FollowAsync("SmooAI.SmoothOperator.Extensions.AI", server.Url, 0, 1), StringComparison.Ordinal);
    }

    private static string Configuration =>
        AppContext.BaseDirectory.Contains($"{Path.DirectorySeparatorChar}Release{Path.DirectorySeparatorChar}", StringComparison.Ordinal) ? "Release" : "Debug";

    /// <summary>The packages that a package needs, which must hold its README and be built for both targets.</summary>
    private IEnumerable<string> Dependencies(string package)
    {
        using var archive = ZipFile.OpenRead(Assert.Single(Directory.GetFiles(Built, $"{package}.?.*.nupkg")));
        var files = archive.Entries.Select(static entry => entry.FullName).ToHashSet(StringComparer.Ordinal);
        Assert.Subset(files, new HashSet<string> { "README.md", $"lib/net8.0/{package}.dll", $"lib/net8.0/{package}.xml", $"lib/net10.0/{package}.dll" });
        using var text = archive.GetEntry($"{package}.nuspec")!.Open();
        return XDocument.Load(text).Descendants().Where(static element => element.Name.LocalName == "dependency")
            .Select(static element => element.Attribute("id")!.Value).Distinct().Order(StringComparer.Ordinal).ToList();
    }

    /// <summary>Does what a README says, word for word but for the port, and returns what its program prints.</summary>
    private async Task<string> FollowAsync(string package, Uri url, params int[] examples)
    {
        var readme = await File.ReadAllTextAsync(Path.Combine(ReadmeTests.Folder, "src", package, "README.md"), Cancellation);
        var folder = _folder.CreateSubdirectory($"app-{Guid.NewGuid():N}").FullName;
        await File.WriteAllTextAsync(Path.Combine(folder, "nuget.config"), Sources, Cancellation);
        await RunAsync(folder, "new", "console", "--no-restore");
        foreach (var command in Blocks(readme, "sh").SelectMany(static block => block.Split('\n', StringSplitOptions.RemoveEmptyEntries)))
        {
            await RunAsync(folder, [.. command.Split(' ').Skip(1)]);
        }

        var program = string.Concat(examples.Select(example => Blocks(readme, "csharp")[example])).Replace("ws://127.0.0.1:8787/ws", url.ToString(), StringComparison.Ordinal);
        await File.WriteAllTextAsync(Path.Combine(folder, "Program.cs"), program, Cancellation);
        return await RunAsync(folder, "run");
    }

    private static List<string> Blocks(string readme, string language) =>
        [.. readme.Split($"```{language}\n").Skip(1).Select(static part => part.Split("```")[0])];

    /// <summary>The packages that were built here, and what they need, which the build of this test has fetched.</summary>
    private string Sources => $"""
        <configuration>
          <packageSources>
            <clear />
            <add key="built" value="{Built}" />
            <add key="fetched" value="{Fetched}" />
          </packageSources>
        </configuration>
        """;

    private static string Fetched =>
        Environment.GetEnvironmentVariable("NUGET_PACKAGES") ?? Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), ".nuget", "packages");

    private async Task<string> RunAsync(string folder, params string[] arguments)
    {
        var start = new ProcessStartInfo("dotnet", arguments) { WorkingDirectory = folder, RedirectStandardOutput = true, RedirectStandardError = true };
        start.Environment["MSBUILDDISABLENODEREUSE"] = "1";
        start.Environment["DOTNET_CLI_TELEMETRY_OPTOUT"] = "1";
        start.Environment["NUGET_PACKAGES"] = folder == ReadmeTests.Folder ? Fetched : Path.Combine(_folder.FullName, "packages");
        using var process = Process.Start(start)!;
        var (said, failed) = (process.StandardOutput.ReadToEndAsync(Cancellation), process.StandardError.ReadToEndAsync(Cancellation));
        await process.WaitForExitAsync(Cancellation).WaitAsync(Patience, Cancellation);
        Assert.True(process.ExitCode == 0, $"dotnet {string.Join(' ', arguments)}: {await said}{await failed}");
        return (await said).ReplaceLineEndings("\n");
    }
}
