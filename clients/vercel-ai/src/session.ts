import { type PythonOptions, pythonTool, run, type RunOptions } from "./tool.js";
import type { Transport } from "./transport.js";
import type { PythonFile, PythonResult } from "./types.js";

/** The files of a session; paths are relative to its working directory. */
export class SessionFiles {
  constructor(
    private readonly transport: Transport,
    private readonly path: string,
  ) {}

  /** Writes a file, making the folders above it. */
  async write(path: string, content: string | Uint8Array | Blob): Promise<void> {
    // Bytes go as they are, and text as bytes: a string would be taken for JSON.
    const body = typeof content === "string" ? new Blob([content]) : (content as BodyInit);
    await this.transport.send("PUT", this.at(path), { body });
  }

  /** Reads a file. */
  async read(path: string): Promise<Uint8Array> {
    const response = await this.transport.send("GET", this.at(path));
    return new Uint8Array(await response.arrayBuffer());
  }

  /** The files, folders within folders too. */
  async list(): Promise<PythonFile[]> {
    const response = await this.transport.send("GET", `${this.path}?depth=8`);
    const { files } = (await response.json()) as { files: (PythonFile & { kind: string })[] };
    return files.filter(({ kind }) => kind === "file").map(({ path, size }) => ({ path, size }));
  }

  private at(path: string): string {
    return `${this.path}/${path.split("/").map(encodeURIComponent).join("/")}`;
  }
}

/** A sandbox whose variables and files stay from call to call. */
export class Session implements AsyncDisposable {
  readonly files: SessionFiles;

  constructor(
    private readonly transport: Transport,
    /** By which `insitu.connect(id)` finds it again. */
    readonly id: string,
  ) {
    this.files = new SessionFiles(transport, `/v1/sessions/${encodeURIComponent(id)}/files`);
  }

  /** The tool that runs Python here. */
  python(options?: PythonOptions) {
    return pythonTool(this.transport, this.id, options);
  }

  /** Runs code here, without a model. */
  async run(code: string, options?: RunOptions): Promise<PythonResult> {
    return last(run(this.transport, this.id, code, options));
  }

  /** Ends it, with its variables and files. */
  async close(): Promise<void> {
    await this.transport.send("DELETE", `/v1/sessions/${encodeURIComponent(this.id)}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

/** The last of the results, which is the whole. */
export async function last(results: AsyncIterable<PythonResult>): Promise<PythonResult> {
  let found: PythonResult | undefined;
  for await (const result of results) found = result;
  if (!found) throw new Error("the run ended without a result");
  return found;
}
