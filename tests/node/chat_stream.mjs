// Chat Completions: what is not in the SDK's own types can be read in the raw chunks alone.

import { streamText } from "ai";

import { converse, input, openai, options, report, streamed } from "./common.mjs";

async function answer(messages) {
  const { tools, ...others } = options(messages);
  return streamed(streamText({ ...others, model: openai.chat(input.model), onError() {} }));
}

report({ turns: await converse(answer) });
