// The public names in Node, where the client brings a WebSocket with it.
import { SmoothAgentClient as PortableClient, type ClientOptions } from "./client.js";
import { openNodeSocket } from "./node-socket.js";

export * from "./index.js";

/**
 * A connection to a smooth-operator server. It opens when it is first needed or by `connect`, is opened again
 * when it is lost, and ends with `close`.
 */
export class SmoothAgentClient extends PortableClient {
  constructor(options: ClientOptions) {
    super({ openSocket: openNodeSocket, ...options });
  }
}
