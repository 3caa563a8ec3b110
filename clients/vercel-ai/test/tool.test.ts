import assert from "node:assert/strict";
import { after, test } from "node:test";

import type { LanguageModelV4StreamPart } from "@ai-sdk/provider";
import { generateText, isStepCount, streamText } from "ai";
import { MockLanguageModelV4, simulateReadableStream } from "ai/test";

import { createInsitu, insitu, InsituError, type PythonOptions, type PythonResult } from "insitu-ai-sdk";

const session = await insitu.session({ idleTimeoutS: 300 });
after(() => session.close());

const PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";
const SHOW = `
import base64
class Picture:
    def _repr_png_(self): return base64.b64decode("${PNG}")
Picture()
`;

const usage = {
  inputTokens: { total: 1, noCache: 1, cacheRead: undefined, cacheWrite: undefined },
  outputTokens: { total: 1, text: 1, reasoning: undefined },
};

function finish(unified: "tool-calls" | "stop"): LanguageModelV4StreamPart {
  return { type: "finish", finishReason: { unified, raw: undefined }, usage };
}

/** A model that writes this code, and then answers. */
function writing(...codes: string[]) {
  const prompts: unknown[] = [];
  const left = [...codes];
  const model = new MockLanguageModelV4({
    doGenerate: async ({ prompt }) => {
      prompts.push(prompt);
      const code = left.shift();
      const finishReason = { unified: code ? "tool-calls" : "stop", raw: undefined } as const;
      const call = { type: "tool-call", toolCallId: `c${codes.length - left.length}`, toolName: "python" } as const;
      const content = code ? [{ ...call, input: JSON.stringify({ code }) }] : [{ type: "text", text: "Done." } as const];
      return { content, finishReason, usage, warnings: [] };
    },
  });
  return { model, prompts };
}

test("a model's code runs, and it reads what came of it", async () => {
  const { model, prompts } = writing("x = 6\nopen('a.txt', 'w').write('1')\nprint('out')\nx * 7", "x");
  const tools = { python: session.python() };
  const { text, steps } = await generateText({ model, tools, prompt: "How much?", stopWhen: isStepCount(5) });
  assert.equal(text, "Done.");
  const results = steps.flatMap((step) => step.toolResults);
  assert.deepEqual(results.map(({ output }) => (output as PythonResult).value), ["42", "6"]);
  const first = results[0]?.output as PythonResult;
  assert.deepEqual(first, {
    outcome: "ok",
    stdout: "out\n",
    stderr: "",
    value: "42",
    results: [{ text: "42", main: true }],
    images: [],
    files: [{ path: "a.txt", size: 1 }],
    error: null,
    exitCode: 0,
    stateKept: true,
    sessionId: session.id,
  });
  const told = JSON.stringify(prompts[1]);
  assert.ok(told.includes(JSON.stringify("out\n42\n[files written: a.txt]")), told);
});

test("output is streamed while code runs", async () => {
  const wait = "while not os.path.exists(f'seen-{n}'): time.sleep(0.01)";
  const code = `import os, time\nfor n in range(3):\n    print(n, flush=True)\n    ${wait}`;
  const call: LanguageModelV4StreamPart = {
    type: "tool-call",
    toolCallId: "c",
    toolName: "python",
    input: JSON.stringify({ code }),
  };
  const answers: LanguageModelV4StreamPart[][] = [[call, finish("tool-calls")], [finish("stop")]];
  const model = new MockLanguageModelV4({
    doStream: async () => ({ stream: simulateReadableStream({ chunks: answers.shift() ?? [] }) }),
  });
  const tools = { python: session.python() };
  const seen: string[] = [];
  let last: PythonResult | undefined;
  for await (const part of streamText({ model, tools, prompt: "Count.", stopWhen: isStepCount(3) }).fullStream) {
    if (part.type !== "tool-result") continue;
    const output = part.output as PythonResult;
    if (!part.preliminary) {
      last = output;
      continue;
    }
    // The code goes on when this has seen what it wrote.
    await session.files.write(`seen-${seen.push(output.stdout) - 1}`, "");
  }
  // The SDK tells the whole result as the last of the preliminary ones, too.
  assert.deepEqual(seen, ["0\n", "0\n1\n", "0\n1\n2\n", "0\n1\n2\n"]);
  assert.deepEqual([last?.outcome, last?.stdout, last?.sessionId], ["ok", "0\n1\n2\n", session.id]);
});

test("a model that sees gets figures, another one words", async () => {
  for (const showFigures of [true, false]) {
    const { model, prompts } = writing(SHOW);
    const tools = { python: insitu.python({ showFigures }) };
    await generateText({ model, tools, prompt: "Draw.", stopWhen: isStepCount(3) });
    const told = JSON.stringify(prompts[1]);
    assert.equal(told.includes(`"data":"${PNG}"`), showFigures);
    assert.ok(told.includes("[figures shown: 1]"));
  }
  assert.deepEqual((await insitu.run(SHOW)).images, [{ mediaType: "image/png", data: PNG }]);
});

/** What a model is told of code that it has written. */
async function told(code: string, options: PythonOptions = {}): Promise<unknown> {
  const { model, prompts } = writing(code);
  const tools = { python: session.python(options) };
  await generateText({ model, tools, prompt: "Do it.", stopWhen: isStepCount(3) });
  const { content } = (prompts[1] as { content: { output: { value: unknown } }[] }[]).at(-1) ?? { content: [] };
  return content[0]?.output.value;
}

test("a model is told all that code has shown, beside its figures", async () => {
  assert.equal(await told(`display("shown")\n${SHOW.replace("Picture()\n", "display(Picture())\n42\n")}`), "'shown'\n42\n[figures shown: 1]");
  const { results } = await session.run("display('shown')\n42");
  assert.deepEqual(results, [
    { text: "'shown'", main: false },
    { text: "42", main: true },
  ]);
});

test("a model is told that variables are gone", async () => {
  const said = String(await told("print('before', flush=True)\nimport os, signal; os.kill(os.getpid(), signal.SIGKILL)"));
  assert.match(said, /^before\n[^]*\n\[variables are gone; files are still there\]$/);
  assert.equal((await session.run("1")).stateKept, true);
});

test("of many files and a long output a model is told some", async () => {
  const said = String(await told("for n in range(22): open(f'{n:02}', 'w').close()\nprint('x' * 30000)"));
  assert.match(said, /^x{15000}\n\[… 10000 characters left out …\]\nx{5000}\n\[files written: (\d\d, ){19}\d\d, and 2 more\]$/);
});

test("a path does not lead out of its session", async () => {
  await using other = await insitu.session();
  await other.files.write("secret", "x");
  const refused = (error: unknown) => error instanceof InsituError && error.code === "path_refused";
  await assert.rejects(session.files.read(`../../${other.id}/files/secret`), refused);
  await assert.rejects(session.files.write(`a/../../../${other.id}/files/secret`, "y"), refused);
  await assert.rejects(insitu.connect("..").files.list(), refused);
  await session.files.write("a..b/..c", "z");
  assert.equal(new TextDecoder().decode(await session.files.read("a..b/..c")), "z");
});

test("code that fails is a result, with its traceback", async () => {
  const failed = await insitu.run("1/0");
  assert.equal(failed.outcome, "error");
  assert.equal(failed.error?.name, "ZeroDivisionError");
  const slow = await insitu.run("while True: pass", { timeoutS: 0.3 });
  assert.deepEqual([slow.outcome, slow.exitCode], ["timeout", 124]);
});

test("files go in and out, whatever their names", async () => {
  await session.files.write("in/ä b#.txt", "é");
  await session.files.write("b.bin", new Uint8Array([0, 255]));
  const ran = await session.run("open('in/ä b#.txt').read(), open('b.bin', 'rb').read()");
  assert.equal(ran.value, "('é', b'\\x00\\xff')");
  assert.deepEqual([...(await session.files.read("b.bin"))], [0, 255]);
  const paths = (await session.files.list()).map(({ path }) => path);
  assert.ok(paths.includes("in/ä b#.txt") && paths.includes("b.bin"), paths.join());
});

test("the files of a fresh sandbox come with its result, if they are asked for", async () => {
  const { model, prompts } = writing("n = open('a.txt', 'w').write('é'), open('b.bin', 'w').write('1')");
  const tools = { python: insitu.python({ returnFiles: ["*.txt"] }) };
  const { steps } = await generateText({ model, tools, prompt: "Write.", stopWhen: isStepCount(3) });
  const [result] = steps.flatMap((step) => step.toolResults);
  const { files } = result?.output as PythonResult;
  const written = [{ path: "a.txt", size: 2, data: "w6k=" }, { path: "b.bin", size: 1 }];
  assert.deepEqual(files.toSorted((one, other) => one.path.localeCompare(other.path)), written);
  assert.match(JSON.stringify(prompts[1]), /\[files written and gone with their sandbox: [ab, .txin]+\]/);
});

const SLEEP = "import time\nprint('begun', flush=True)\ntime.sleep(400)\nslept = True";

test("who stops waiting ends the code", async () => {
  await session.run("slept = False");
  const stop = new AbortController();
  const call: LanguageModelV4StreamPart = {
    type: "tool-call",
    toolCallId: "c",
    toolName: "python",
    input: JSON.stringify({ code: SLEEP }),
  };
  const model = new MockLanguageModelV4({
    doStream: async () => ({ stream: simulateReadableStream({ chunks: [call, finish("tool-calls")] }) }),
  });
  const tools = { python: session.python({ timeoutS: 500 }) };
  const seen: string[] = [];
  for await (const part of streamText({ model, tools, prompt: "Sleep.", abortSignal: stop.signal }).fullStream) {
    seen.push(part.type);
    if (part.type === "tool-result") stop.abort();
  }
  assert.equal(seen.at(-1), "abort");
  assert.equal((await session.run("slept")).value, "False");
});

test("code that no model has written is stopped by its signal", async () => {
  const abortSignal = AbortSignal.timeout(100);
  await assert.rejects(session.run(SLEEP, { timeoutS: 500, abortSignal }), { name: "TimeoutError" });
  assert.equal((await session.run("slept")).value, "False");
});

test("what the server refuses is an error that says what to do", async () => {
  const gone = insitu.connect("sess_none");
  await assert.rejects(gone.run("1"), (error: unknown) => {
    assert.ok(error instanceof InsituError);
    assert.deepEqual([error.code, error.status], ["session_not_found", 404]);
    return error.requestId !== null;
  });
});

test("a server that is not there, or goes, is an error with a code", async () => {
  const refused = (code: string) => (error: unknown) => error instanceof InsituError && error.code === code;
  await assert.rejects(createInsitu({ baseURL: "http://127.0.0.1:1" }).run("1"), refused("server_unreachable"));
  const breaking: typeof fetch = async (...asked) => {
    const { body } = await fetch(...asked);
    let left = 1;
    const cut = new TransformStream<Uint8Array, Uint8Array>({
      transform: (chunk, to) => (left-- ? to.enqueue(chunk) : to.error(new Error("cut"))),
    });
    return new Response(body?.pipeThrough(cut) ?? null);
  };
  const broken = createInsitu({ fetch: breaking }).run("import time\nfor n in range(9): print(n, flush=True); time.sleep(0.05)");
  await assert.rejects(broken, refused("stream_broken"));
});

test("a base URL for OpenAI's clients is told with what to leave out", () => {
  const message = "http://127.0.0.1:8700/v1 ends in /v1, as base URLs for OpenAI's clients do: leave that out: http://127.0.0.1:8700";
  assert.throws(() => createInsitu({ baseURL: "http://127.0.0.1:8700/v1/" }), { message, code: "invalid_request" });
});
