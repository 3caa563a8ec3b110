import type { PythonResult } from "./types.js";

const MOST_CHARS = 20_000;
const MOST_FILES = 20;

/** What a model reads of a result: what code wrote and showed, and what it should know besides. */
export function textOf(result: PythonResult): string {
  return [clipped(outputOf(result)), ...notesOn(result)].filter(Boolean).join("\n") || "[no output]";
}

/** What code wrote and showed, as a notebook would have it: stdout, stderr, results, traceback. */
function outputOf(result: PythonResult): string {
  const parts = [result.stdout, result.stderr, ...result.results.map(({ text }) => text), errorOf(result)];
  return parts.filter((part) => part.trim()).map((part) => part.replace(/\n+$/, "")).join("\n");
}

function errorOf({ error, outcome }: PythonResult): string {
  if (!error) return "";
  const said = `${error.name}: ${error.value}`;
  const trace = error.traceback.replace(/\n+$/, "");
  if (trace.endsWith(said) || (outcome === "error" && trace)) return trace;
  return trace ? `${trace}\n${said}` : said;
}

function notesOn(result: PythonResult): string[] {
  const { images, files, outcome, stateKept, sessionId } = result;
  const notes = [];
  if (images.length) notes.push(`[figures shown: ${images.length}]`);
  if (files.length) {
    const gone = sessionId === null ? " and gone with their sandbox" : "";
    const more = files.length > MOST_FILES ? `, and ${files.length - MOST_FILES} more` : "";
    const named = files.slice(0, MOST_FILES).map(({ path }) => path);
    notes.push(`[files written${gone}: ${named.join(", ")}${more}]`);
  }
  if (outcome !== null && !stateKept && sessionId !== null) notes.push("[variables are gone; files are still there]");
  return notes;
}

function clipped(text: string): string {
  if (text.length <= MOST_CHARS) return text;
  const [head, tail] = [(MOST_CHARS * 3) / 4, MOST_CHARS / 4];
  return `${text.slice(0, head)}\n[… ${text.length - MOST_CHARS} characters left out …]\n${text.slice(-tail)}`;
}
