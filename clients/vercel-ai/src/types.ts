/** How code ended. */
export type Outcome = "ok" | "error" | "timeout" | "out_of_memory" | "crashed" | "cancelled";

/** A figure that code has shown. */
export interface PythonImage {
  mediaType: "image/png" | "image/jpeg";
  /** In base64. */
  data: string;
}

/** A value that code has shown by `display()`, or as the last one; what is a figure is in `images` instead. */
export interface PythonValue {
  text: string;
  /** Whether it is the value of the last expression. */
  main: boolean;
}

/**
 * A file that code has made or changed. `session.files.read(path)` gives its content; a fresh sandbox is gone with its
 * files, but for those that `returnFiles` asks for.
 */
export interface PythonFile {
  /** Relative to the working directory. */
  path: string;
  /** In bytes. */
  size: number;
  /** In base64, if `returnFiles` asks for it. */
  data?: string;
}

/** One piece of code that has run, or still runs: then `outcome` is null and only the output so far is there. */
export interface PythonResult {
  outcome: Outcome | null;
  stdout: string;
  stderr: string;
  /** The value of the last expression, as text. */
  value: string | null;
  /** All that code has shown but its figures, in its order. */
  results: PythonValue[];
  images: PythonImage[];
  files: PythonFile[];
  error: { name: string; value: string; traceback: string } | null;
  exitCode: number | null;
  /** Whether variables are still there; only a session keeps them. */
  stateKept: boolean;
  sessionId: string | null;
}

/** A result as the server sends it. */
export interface Execution {
  session_id: string | null;
  outcome: Outcome;
  state_kept: boolean;
  exit_code: number;
  stdout: string;
  stderr: string;
  results: { data: Record<string, unknown>; main: boolean }[];
  error: { name: string; value: string; traceback: string } | null;
  files: { path: string; size: number; kind: string; base64?: string }[];
}

const IMAGES = ["image/png", "image/jpeg"] as const;

/** What is there before code has written anything. */
export function nothingYet(sessionId: string | null): PythonResult {
  const empty = { stdout: "", stderr: "", value: null, error: null, exitCode: null };
  return { outcome: null, ...empty, results: [], images: [], files: [], stateKept: sessionId !== null, sessionId };
}

/** A result of the server's in the form of this package. */
export function resultOf(execution: Execution): PythonResult {
  const main = execution.results.find((result) => result.main)?.data["text/plain"];
  return {
    outcome: execution.outcome,
    stdout: execution.stdout,
    stderr: execution.stderr,
    value: typeof main === "string" ? main : null,
    results: execution.results.flatMap(valueOf),
    images: execution.results.flatMap(({ data }) => imageOf(data)),
    files: execution.files
      .filter(({ kind }) => kind === "file")
      .map(({ path, size, base64 }) => ({ path, size, ...(base64 === undefined ? {} : { data: base64 }) })),
    error: execution.error,
    exitCode: execution.exit_code,
    stateKept: execution.state_kept && execution.session_id !== null,
    sessionId: execution.session_id,
  };
}

function valueOf({ data, main }: Execution["results"][number]): PythonValue[] {
  const text = data["text/plain"];
  // A figure's text form says nothing that its image does not.
  return typeof text === "string" && text && !imageOf(data).length ? [{ text, main }] : [];
}

function imageOf(data: Record<string, unknown>): PythonImage[] {
  const mediaType = IMAGES.find((type) => typeof data[type] === "string");
  return mediaType ? [{ mediaType, data: data[mediaType] as string }] : [];
}
