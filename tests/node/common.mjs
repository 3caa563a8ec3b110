// What the scripts share: the request on stdin, a provider pointed at the server, and the report as the last line of
// stdout. What has another name in the major before stands here by both.

import * as googles from "@ai-sdk/google";
import * as ai from "ai";
import { createAnthropic } from "@ai-sdk/anthropic";
import { createOpenAI } from "@ai-sdk/openai";
import { readFileSync } from "node:fs";

const createGoogle = googles.createGoogle ?? googles.createGoogleGenerativeAI;
export const isStepCount = ai.isStepCount ?? ai.stepCountIs;

export const input = JSON.parse(readFileSync(0, "utf8"));

// Bodies as they were sent.
const requests = [];

// Providers drop options that they do not know, and their own way to send more is a fetch in between.
async function fetchWithExtras(url, options) {
  // Files are forms.
  if (typeof options.body !== "string") return fetch(url, options);
  const body = { ...JSON.parse(options.body), ...input.extra_body };
  requests.push(body);
  return fetch(url, { ...options, body: JSON.stringify(body) });
}

const settings = { baseURL: input.base_url, apiKey: input.api_key ?? "secret", fetch: fetchWithExtras };

export const openai = createOpenAI(settings);
export const anthropic = createAnthropic(settings);
const google = createGoogle(settings);

// Where the provider of input.provider puts files.
export const files = () => ({ anthropic, google, openai })[input.provider ?? "openai"].files();

// What each provider has for input.model, its tool that runs code, and the options of both.
const PROVIDERS = {
  anthropic: () => ({
    model: anthropic(input.model),
    tools: { code_execution: anthropic.tools[input.tool]() },
    providerOptions: { anthropic: { ...input.options } },
    // What the provider takes for a model that it does not know comes with a warning.
    maxOutputTokens: 1000,
  }),
  google: () => ({
    model: google(input.model),
    tools: { code_execution: google.tools.codeExecution({}) },
    providerOptions: { google: { ...input.options } },
  }),
  interactions: () => ({
    model: google.interactions(input.model),
    tools: { code_execution: google.tools.codeExecution({}) },
    providerOptions: { google: { ...input.options } },
  }),
  openai: () => ({
    model: openai.responses(input.model),
    tools: { python: openai.tools.codeInterpreter(input.container ? { container: input.container } : {}) },
    providerOptions: { openai: { ...(input.store === undefined ? {} : { store: input.store }), ...input.options } },
  }),
};

// Options of streamText and generateText for input.model, with its history.
export function options(messages) {
  return {
    ...PROVIDERS[input.provider ?? "openai"](),
    maxRetries: 0,
    include: { rawChunks: true },
    includeRawChunks: true,
    messages,
  };
}

// The answers to input.prompts, texts or lists of parts, up to the first that fails; each sees what came before as the
// SDK itself replays it.
export async function converse(answer) {
  const turns = [];
  const messages = [];
  for (const prompt of input.prompts) {
    messages.push({ role: "user", content: prompt });
    const { responseMessages, ...turn } = await answer([...messages]).catch((error) => ({ error }));
    turns.push(turn);
    if (!responseMessages) break;
    messages.push(...responseMessages);
  }
  return turns;
}

// What there is of a stream, whether or not it came to its end.
export async function streamed(result) {
  const all = [];
  for await (const part of result.stream ?? result.fullStream) all.push(part);
  const parts = all.filter((part) => part.type !== "raw");
  const raw = all.filter((part) => part.type === "raw").map((part) => part.rawValue);
  const error = parts.find((part) => part.type === "error")?.error;
  return { parts, raw, error, ...(await whole(result).catch(() => ({}))) };
}

export async function whole(result) {
  const steps = await result.steps;
  const last = steps.at(-1);
  return {
    text: await result.text,
    steps: steps.map(step),
    sources: await result.sources,
    files: await result.files,
    usage: await result.totalUsage,
    finish_reason: await result.finishReason,
    response_id: last.response.id,
    provider_metadata: last.providerMetadata,
    responseMessages: (await result.responseMessages) ?? (await result.response).messages,
  };
}

function step({ text, content, toolCalls, toolResults, finishReason, warnings }) {
  return { text, content, tool_calls: toolCalls, tool_results: toolResults, finish_reason: finishReason, warnings };
}

export function report(value) {
  console.log(JSON.stringify({ ...value, requests }, plain));
}

// Errors and generated files keep what matters out of JSON's sight.
function plain(key, value) {
  if (value instanceof Error) {
    const { name, message, statusCode, responseBody } = value;
    return { name, message, status: statusCode, body: responseBody };
  }
  if (value?.uint8Array instanceof Uint8Array) {
    return { media_type: value.mediaType, base64: value.base64, provider_metadata: value.providerMetadata };
  }
  return value;
}
