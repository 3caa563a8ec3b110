import { last, Session } from "./session.js";
import { type PythonOptions, pythonTool, run, type RunOptions } from "./tool.js";
import { type InsituOptions, Transport } from "./transport.js";
import type { PythonResult } from "./types.js";

export { InsituError } from "./errors.js";
export type { Session, SessionFiles } from "./session.js";
export type { PythonOptions, RunOptions } from "./tool.js";
export type { InsituOptions } from "./transport.js";
export type { Outcome, PythonFile, PythonImage, PythonResult, PythonValue } from "./types.js";

/** How long a session lives. */
export interface SessionOptions {
  /** Seconds without use after which it ends. */
  idleTimeoutS?: number;
  /** Seconds after which it ends in any case. */
  ttlS?: number;
}

/** A server of insitu's. */
export interface Insitu {
  /** The tool that runs Python, in a fresh sandbox each time; what files to keep of it `returnFiles` says. */
  python(options?: PythonOptions): ReturnType<typeof pythonTool>;
  /** Runs code in a fresh sandbox, without a model. */
  run(code: string, options?: RunOptions): Promise<PythonResult>;
  /** Makes a sandbox whose variables and files stay; close it when it is no longer needed. */
  session(options?: SessionOptions): Promise<Session>;
  /** A session that lives already, by its id. */
  connect(sessionId: string): Session;
}

/** Connects to a server. */
export function createInsitu(options: InsituOptions = {}): Insitu {
  const transport = new Transport(options);
  return {
    python: (how) => pythonTool(transport, null, how),
    run: (code, how) => last(run(transport, null, code, how)),
    connect: (sessionId) => new Session(transport, sessionId),
    async session({ idleTimeoutS, ttlS } = {}) {
      const asked = { idle_timeout_s: idleTimeoutS, ttl_s: ttlS };
      const response = await transport.send("POST", "/v1/sessions", { body: JSON.stringify(asked) });
      const { id } = (await response.json()) as { id: string };
      return new Session(transport, id);
    },
  };
}

/** The server that `INSITU_URL` names. */
export const insitu: Insitu = createInsitu();
