using SmooAI.SmoothOperator.Conformance;

// The driver of the C# client: commands come on stdin, reports go to stdout.
await new Driver(Console.OpenStandardInput(), Console.OpenStandardOutput()).RunAsync().ConfigureAwait(false);
