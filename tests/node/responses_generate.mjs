import { generateText } from "ai";

import { converse, options, report, whole } from "./common.mjs";

report({ turns: await converse(async (messages) => whole(await generateText(options(messages)))) });
