// What the tests of the client share: a fake server, clients of it that are closed at the end, and time that stands.
import { afterEach, beforeEach, mock } from "node:test";
import { SmoothAgentClient } from "../src/index.js";
import type { ClientOptions, Event } from "../src/index.js";
import { FakeServer } from "../src/testing.js";

/** Made anew for each test. */
export let server: FakeServer;
let open: SmoothAgentClient[] = [];
let now = 0;

beforeEach(() => {
  server = new FakeServer();
});

afterEach(() => {
  for (const client of open.splice(0)) client.close();
  mock.timers.reset();
  mock.restoreAll();
});

export function connectTo(options: Partial<ClientOptions> = {}): SmoothAgentClient {
  const client = new SmoothAgentClient({ url: server.url, openSocket: server.openSocket, ...options });
  open.push(client);
  return client;
}

/** From now on time passes only by {@link pass}. */
export function mockTime(): void {
  mock.timers.enable({ apis: ["setTimeout"] });
  // Whole, so that sums of it are exact.
  now = Math.ceil(performance.now());
  mock.method(performance, "now", () => now);
}

export function pass(milliseconds: number): void {
  now += milliseconds;
  mock.timers.tick(milliseconds);
}

/** Lets everything happen that needs no time: a tick comes when no promise has anything left to do, and before timers. */
export async function settle(): Promise<void> {
  await Promise.resolve();
  await new Promise<void>((settled) => process.nextTick(settled));
}

export async function collect(events: AsyncIterable<Event>): Promise<Event[]> {
  const out: Event[] = [];
  for await (const event of events) out.push(event);
  return out;
}

export const message = { sessionId: "s", message: "How long is your return window?" };
