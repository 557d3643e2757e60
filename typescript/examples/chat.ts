// A chat in the terminal: `npx tsx examples/chat.ts [url]`. The token is taken from SMOOTH_OPERATOR_TOKEN.
import { stdin, stdout } from "node:process";
import { createInterface } from "node:readline";
import { SmoothAgentClient, SmoothError } from "@smooai/smooth-operator";

const [url = "ws://127.0.0.1:8787/ws"] = process.argv.slice(2);
const token = process.env["SMOOTH_OPERATOR_TOKEN"];
const client = new SmoothAgentClient({ url, ...(token === undefined ? {} : { token }) });
const terminal = createInterface({ input: stdin });
const lines = terminal[Symbol.asyncIterator]();

/** The next line; empty when there is none any more. */
async function ask(question: string): Promise<string> {
  stdout.write(question);
  const { value, done } = await lines.next();
  return done ? "" : String(value).trim();
}

try {
  const { sessionId, agentName } = await client.createConversationSession();
  stdout.write(`You talk to ${agentName}. An empty line ends the chat.\n`);
  while (true) {
    const message = await ask("> ");
    if (message === "") break;
    const turn = client.sendMessage({ sessionId, message });
    for await (const event of turn) {
      if (event.type === "stream_token") stdout.write(event.token);
      if (event.type === "write_confirmation_required") {
        const said = await ask(`\n${event.data.data.actionDescription} [y/N] `);
        await turn.confirm(said.toLowerCase() === "y");
      }
      if (event.type === "otp_sent") {
        await turn.verify(await ask(`\nCode sent to ${event.data.data.maskedDestination}: `));
      }
      if (event.type === "otp_invalid" && event.data.data.attemptsRemaining > 0) {
        await turn.verify(await ask(`\n${event.data.data.message} `));
      }
      if (event.type === "interaction_required") await turn.decline();
    }
    stdout.write("\n");
    await turn.catch((error: unknown) => {
      if (!(error instanceof SmoothError)) throw error;
      stdout.write(`${error.message}\n`);
    });
  }
} finally {
  client.close();
  terminal.close();
}
