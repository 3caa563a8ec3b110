// Files of the client's where code runs, by the provider's own means; and those that code makes, where it has some.

import { generateText, uploadFile } from "ai";

import { anthropic, converse, files, input, options, report, whole } from "./common.mjs";

const uploaded = await uploadFile({ api: files(), ...input.file });
const downloaded = {};

function withFile({ content, ...message }) {
  const data = { type: "reference", reference: uploaded.providerReference };
  const providerOptions = { anthropic: { containerUpload: true } };
  const file = { type: "file", mediaType: input.file.mediaType, data, providerOptions };
  return { ...message, content: [{ type: "text", text: content }, file] };
}

async function download(id) {
  const file = { anthropic: id };
  const { filename } = await anthropic.files().getFileMetadata({ file });
  const { content, mediaType } = await anthropic.files().downloadFile({ file });
  const bytes = Buffer.from(await new Response(content).arrayBuffer());
  downloaded[filename] = { mediaType, base64: bytes.toString("base64") };
}

async function answer(messages) {
  const turn = await whole(await generateText(options(messages.map(withFile))));
  const made = turn.steps.flatMap((step) => step.tool_results).flatMap((result) => result.output.content ?? []);
  for (const { file_id } of made) await download(file_id);
  return turn;
}

report({ turns: await converse(answer), downloaded });
