// Answers whole and streamed, with a tool of the client's own that the model calls itself, or code does.

import { forwardAnthropicContainerIdFromLastStep } from "@ai-sdk/anthropic";
import { generateText, jsonSchema, streamText, tool } from "ai";

import { converse, input, isStepCount, options, report, streamed, whole } from "./common.mjs";

const executed = [];
const leaving = new AbortController();

const weather = tool({
  description: "The weather in a city.",
  inputSchema: jsonSchema({ type: "object", properties: { city: { type: "string" } }, required: ["city"] }),
  execute: async ({ city }) => {
    executed.push(city);
    return { city, degrees: 21 };
  },
  ...(input.callers && { providerOptions: { anthropic: { allowedCallers: input.callers } } }),
});

// Goes at the first part of the type input.leave_at.
const leave = {
  abortSignal: leaving.signal,
  onChunk({ chunk }) {
    if (chunk.type === input.leave_at) leaving.abort();
  },
};

async function answer(messages) {
  const { tools, ...others } = options(messages);
  const asked = {
    ...others,
    tools: { ...tools, ...(input.weather && { weather }) },
    stopWhen: isStepCount(8),
    ...(input.forward && { prepareStep: forwardAnthropicContainerIdFromLastStep }),
  };
  if (input.stream) return streamed(streamText({ ...asked, ...(input.leave_at && leave), onError() {} }));
  return whole(await generateText(asked));
}

report({ turns: await converse(answer), executed });
