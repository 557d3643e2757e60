// The WebSocket in Node, which has none before version 22, and none that can send a header or tell why it was refused.
// It is that of `ws`, which the build puts into the package.
import type { IncomingMessage } from "node:http";
import WebSocket from "ws";
import { decodeErrorData, parseJson, type ErrorBody } from "./generated/index.js";
import { open, type OpenSocket } from "./socket.js";

/** A message is at most so many bytes, where the protocol says 1 MiB; closing takes at most so many milliseconds. */
const limits = { maxPayload: 16 * 1024 * 1024, closeTimeout: 2_000, perMessageDeflate: false };
/** How much is read of a refusal, in characters, and for how long without anything new, in milliseconds. */
const refusalLimits = { length: 64 * 1024, silence: 1_000 };

/** What an answer that opens no connection says: in the protocol's words, if it comes from such a server. */
function refusal({ statusCode: status, statusMessage, headers }: IncomingMessage, body: string): Error {
  let said: Partial<ErrorBody> = { message: statusMessage ?? "" };
  try {
    said = decodeErrorData(parseJson(body)).error;
  } catch {
    // Something between the client and the server has answered.
  }
  const retryAfter = Number(headers["retry-after"]) * 1000 || undefined;
  return Object.assign(new Error(said.message), { status, code: said.code, retryAfter });
}

/** Opens a WebSocket with the token in a header, unless it is to be a subprotocol. */
export const openNodeSocket: OpenSocket = (url, token, tokenBy = "header") => {
  const byHeader = tokenBy === "header";
  const headers = token !== undefined && byHeader ? { Authorization: `Bearer ${token}` } : {};
  const protocols = token !== undefined && !byHeader ? ["smooth-operator", `bearer.${token}`] : [];
  const socket = open(() => new WebSocket(url, protocols, { ...limits, headers }));
  socket.on("unexpected-response", (_, response) => {
    let body = "";
    response.setEncoding("utf8").setTimeout(refusalLimits.silence, () => response.destroy());
    response.on("data", (piece: string) => {
      body += piece;
      if (body.length > refusalLimits.length) response.destroy();
    });
    response.on("close", () => {
      socket.emit("error", refusal(response, body));
      socket.terminate();
    });
  });
  return socket;
};
