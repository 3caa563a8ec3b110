// A tool that the client runs itself, beside code interpreter.

import { generateText, isStepCount, jsonSchema, streamText, tool } from "ai";

import { converse, input, options, report, streamed, whole } from "./common.mjs";

const executed = [];

const weather = tool({
  description: "The weather in a city.",
  inputSchema: jsonSchema({ type: "object", properties: { city: { type: "string" } }, required: ["city"] }),
  execute: async ({ city }) => {
    executed.push(city);
    return { city, degrees: 21 };
  },
});

async function answer(messages) {
  const { tools, ...others } = options(messages);
  const asked = { ...others, tools: { ...tools, weather }, stopWhen: isStepCount(input.max_steps ?? 8) };
  if (input.stream) return streamed(streamText({ ...asked, onError() {} }));
  return whole(await generateText(asked));
}

report({ turns: await converse(answer), executed });
