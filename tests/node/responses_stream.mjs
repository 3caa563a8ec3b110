import { streamText } from "ai";

import { converse, options, report, streamed } from "./common.mjs";

report({ turns: await converse((messages) => streamed(streamText({ ...options(messages), onError() {} }))) });
