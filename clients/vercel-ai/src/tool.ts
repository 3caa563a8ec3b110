import { tool } from "ai";
import { z } from "zod";

import { textOf } from "./report.js";
import type { Transport } from "./transport.js";
import { nothingYet, type PythonResult, resultOf } from "./types.js";

const MOST_LIVE_CHARS = 200_000;

/** How code runs. */
export interface PythonOptions {
  /** Wall time of each call, in seconds; by default the server's. */
  timeoutS?: number;
  /** Names of the server's tools that code may call; `["*"]` for all. */
  tools?: string[];
  /** Patterns of the files whose content comes back with the result, such as `["*.csv"]`. */
  returnFiles?: string[];
  /** Whether the model sees figures; for models that read images. */
  showFigures?: boolean;
  /** What the model is told of it. */
  description?: string;
}

/** How code runs that no model has written. */
export interface RunOptions extends PythonOptions {
  /** Ends the code; a session keeps its variables. */
  abortSignal?: AbortSignal;
}

const DESCRIPTION =
  "Runs Python in a sandbox like a notebook: what is printed and the value of the last expression are shown. " +
  "Files are in /mnt/data, the working directory. There is no network.";
const STAYS = " Variables and files stay from call to call.";
const FRESH = " Each call starts afresh: variables and files of earlier ones are gone.";

export const pythonInput = z.object({
  code: z.string().describe("Python, run as a notebook's cell: the value of the last expression is shown"),
});

/** A tool that runs Python in a session, or in a fresh sandbox each time; its output is streamed while it runs. */
export function pythonTool(transport: Transport, sessionId: string | null, options: PythonOptions = {}) {
  return tool({
    description: options.description ?? DESCRIPTION + (sessionId === null ? FRESH : STAYS),
    inputSchema: pythonInput,
    async *execute({ code }, { abortSignal }): AsyncGenerator<PythonResult> {
      yield* run(transport, sessionId, code, { ...options, ...(abortSignal ? { abortSignal } : {}) });
    },
    toModelOutput({ output }) {
      const text = { type: "text" as const, text: textOf(output) };
      if (!options.showFigures || !output.images.length) return { type: "text" as const, value: text.text };
      const images = output.images.map(({ data, mediaType }) => ({
        type: "file" as const,
        mediaType,
        data: { type: "data" as const, data },
      }));
      return { type: "content" as const, value: [text, ...images] };
    },
  });
}

/** Runs code, and yields what there is of its result whenever there is more; the last is the whole. */
export async function* run(
  transport: Transport,
  sessionId: string | null,
  code: string,
  options: RunOptions = {},
): AsyncGenerator<PythonResult> {
  const path = sessionId === null ? "/v1/execute" : `/v1/sessions/${encodeURIComponent(sessionId)}/execute`;
  const { timeoutS: timeout_s, tools, returnFiles: return_files, abortSignal } = options;
  const asked = { code, stream: true, timeout_s, tools, return_files }; // JSON leaves out what is undefined
  let soFar = nothingYet(sessionId);
  for await (const event of transport.events(path, asked, abortSignal)) {
    if (event.kind === "finished") {
      yield resultOf(event.data);
    } else if (event.kind === "stdout" || event.kind === "stderr") {
      soFar = { ...soFar, [event.kind]: (soFar[event.kind] + event.data.text).slice(0, MOST_LIVE_CHARS) };
      yield soFar;
    }
  }
}
