import { errorOf, InsituError } from "./errors.js";
import type { Execution } from "./types.js";

/** Where the server is, and how it is asked. */
export interface InsituOptions {
  /** By default `INSITU_URL`, else `http://127.0.0.1:8700`. */
  baseURL?: string;
  /** By default `INSITU_API_KEY`; a server on loopback without keys needs none. */
  apiKey?: string;
  headers?: Record<string, string>;
  fetch?: typeof fetch;
}

/** What happens while code runs. */
export type ServerEvent =
  | { kind: "stdout" | "stderr"; data: { text: string } }
  | { kind: "finished"; data: Execution }
  | { kind: "started" | "result" | "tool_call" | "tool_result"; data: unknown };

/** Asks the server. */
export class Transport {
  private readonly base: string;
  private readonly headers: Record<string, string>;
  private readonly fetch: typeof fetch;

  constructor(options: InsituOptions) {
    const variables = typeof process === "undefined" ? {} : process.env;
    const key = options.apiKey ?? variables["INSITU_API_KEY"];
    this.base = (options.baseURL ?? variables["INSITU_URL"] ?? "http://127.0.0.1:8700").replace(/\/+$/, "");
    if (this.base.endsWith("/v1")) {
      const message = `${this.base} ends in /v1, as base URLs for OpenAI's clients do: leave that out: ${this.base.slice(0, -3)}`;
      throw new InsituError(message, "invalid_request", 0);
    }
    this.headers = { ...(key ? { authorization: `Bearer ${key}` } : {}), ...options.headers };
    this.fetch = options.fetch ?? globalThis.fetch;
  }

  /** Asks, and throws what the server refuses. */
  async send(method: string, path: string, init: Omit<RequestInit, "method" | "headers"> = {}): Promise<Response> {
    refuseParents(path);
    const json = typeof init.body === "string" ? { "content-type": "application/json" } : {};
    const headers = { ...json, ...this.headers };
    const { fetch } = this;
    const response = await fetch(`${this.base}${path}`, { ...init, method, headers }).catch((cause: unknown) => {
      if (init.signal?.aborted) throw cause;
      throw new InsituError(`no server answers at ${this.base}: ${reason(cause)}`, "server_unreachable", 0, null, { cause });
    });
    if (!response.ok) throw await errorOf(response);
    return response;
  }

  /** Asks, and yields the events of the answer as they come; whoever stops reading ends what runs. */
  async *events(path: string, body: unknown, signal?: AbortSignal): AsyncGenerator<ServerEvent> {
    const init = { body: JSON.stringify(body), ...(signal ? { signal } : {}) };
    const response = await this.send("POST", path, init);
    for await (const event of eventsOf(response, signal)) {
      if (event.kind === "error") {
        const { code, message } = (event.data as { error: { code: string; message: string } }).error;
        throw new InsituError(message, code, response.status, response.headers.get("x-request-id"));
      }
      yield event as ServerEvent;
      if (event.kind === "finished") return;
    }
    throw brokenOff(response);
  }
}

/** URLs have their parts named `..` resolved, however they are written: what was meant for one session would reach another. */
function refuseParents(path: string): void {
  if (path.split(/[/?]/).includes("..")) throw new InsituError(`${path} is refused: it has a part ".."`, "path_refused", 0);
}

function brokenOff(response: Response, cause?: unknown): InsituError {
  const message = "the stream broke off before its end; the code may have run";
  return new InsituError(message, "stream_broken", response.status, response.headers.get("x-request-id"), { cause });
}

/** Why there was no answer: what `fetch` throws says it in its cause alone. */
function reason(error: unknown): string {
  const inner = error instanceof Error ? (error.cause ?? error) : error;
  return inner instanceof Error ? inner.message : String(inner);
}

async function* eventsOf(response: Response, signal?: AbortSignal): AsyncGenerator<{ kind: string; data: unknown }> {
  if (!response.body) return;
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let held = "";
  try {
    for (;;) {
      const { done, value } = await reader.read().catch((cause: unknown) => {
        throw signal?.aborted ? cause : brokenOff(response, cause);
      });
      if (done) return;
      const blocks = (held + value).split("\n\n");
      held = blocks.pop() ?? "";
      for (const block of blocks) {
        const event = parsed(block);
        if (event) yield event;
      }
    }
  } finally {
    await reader.cancel().catch(() => {});
  }
}

function parsed(block: string): { kind: string; data: unknown } | null {
  const lines = block.split("\n");
  const kind = lines.find((line) => line.startsWith("event: "))?.slice(7);
  const data = lines.find((line) => line.startsWith("data: "))?.slice(6);
  return kind && data ? { kind, data: JSON.parse(data) } : null;
}
